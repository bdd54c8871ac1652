//! Emulators of object storage, where `scripts/test.sh` has installed them: moto for S3, Azurite for Azure.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// For what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where `scripts/test.sh` installs emulators.
fn installed(what: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clouds").join(what)
}

/// An emulator that ends with its test.
pub(crate) struct Emulator {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    /// `None`, and a word about it, where it is not installed.
    fn start(what: &str, command: impl FnOnce(&str) -> Command) -> Option<Self> {
        if !installed(what).exists() {
            eprintln!("skipped: target/clouds/{what} is not there (scripts/test.sh installs it)");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = command(&port.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let emulator = Self { child, port };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < PATIENCE, "{what} does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(emulator)
    }

    /// S3, in memory.
    pub(crate) fn s3() -> Option<Self> {
        Self::start("python/moto", |port| {
            let mut command = Command::new("python3");
            command.env("PYTHONPATH", installed("python")).args(["-m", "moto.server", "-p", port]);
            command
        })
    }

    /// Azure, in a folder.
    pub(crate) fn azure(folder: &Path) -> Option<Self> {
        Self::start("node_modules/azurite", |port| {
            let mut command = Command::new("node");
            command.arg(installed("node_modules/azurite/dist/src/blob/main.js"));
            command.args([
                "--blobPort",
                port,
                "--silent",
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--location",
            ]);
            command.arg(folder);
            command
        })
    }

    /// Creates a bucket or a container.
    pub(crate) fn create(&self, kind: &str, path: &str, name: &str) {
        self.script(&[kind, &format!("http://127.0.0.1:{}{path}", self.port), name]);
    }

    /// Writes an object, over one of the same name.
    pub(crate) fn put(&self, kind: &str, path: &str, name: &str, file: &Path) {
        let file = file.display().to_string();
        self.script(&[kind, &format!("http://127.0.0.1:{}{path}", self.port), name, &file]);
    }

    fn script(&self, args: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clouds/create.py");
        let status = Command::new("python3").arg(script).args(args).status().unwrap();
        assert!(status.success());
    }
}
