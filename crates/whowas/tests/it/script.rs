//! A folder with data and files of its own, and commands that are written as in a shell.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The environment of most scripts.
pub(crate) const P_E: &str = "contoso/production";

/// One data folder, and a working folder around it.
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    /// Nothing imported yet.
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A trail of [`P_E`] with these fixtures.
    pub(crate) fn with(fixtures: &[&str]) -> Self {
        let world = Self::new();
        for name in fixtures {
            world.fixture(name);
            world.run(&format!("import --environment {P_E} {name}")).exits(0);
        }
        world
    }

    /// A path in the working folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The files of the trail of [`P_E`] in that folder below it.
    pub(crate) fn trail_files(&self, below: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.path("data/trails").join(P_E).join(below), &mut found);
        found.sort();
        found
    }

    /// Puts a file into the working folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Copies a fixture into the working folder.
    pub(crate) fn fixture(&self, name: &str) {
        self.file(name, fs::read(fixture(name)).unwrap());
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, b"")
    }

    /// The same with variables of the environment; an empty one is not set.
    pub(crate) fn run_in(&self, line: &str, variables: &[(&str, &str)]) -> Run {
        let mut command = self.command(line);
        for (name, value) in variables {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        Self::finish(line, command, b"")
    }

    /// The same with standard input.
    pub(crate) fn run_with(&self, line: &str, input: &[u8]) -> Run {
        Self::finish(line, self.command(line), input)
    }

    fn finish(line: &str, mut command: Command, input: &[u8]) -> Run {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        Run {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command and kills it after so many milliseconds; whether it had ended by itself.
    pub(crate) fn killed_after(&self, line: &str, ms: u64) -> bool {
        let mut child = self.command(line).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(ms));
        let has_ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        has_ended
    }

    /// Whether a text stands in any file of the data folder, in whatever case.
    pub(crate) fn data_has(&self, text: &str) -> bool {
        let mut files = Vec::new();
        walk(&self.path("data"), &mut files);
        let text = text.to_lowercase();
        let has = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).to_lowercase().contains(&text)
        };
        files.iter().any(has)
    }

    /// Prints JSON; one value for each line.
    pub(crate) fn json(&self, line: &str) -> Vec<Value> {
        self.run(&format!("--json {line}")).exits(0).lines()
    }

    /// The answer of a SQL statement over [`P_E`].
    pub(crate) fn sql(&self, statement: &str) -> Vec<Value> {
        self.json(&format!("sql --environment {P_E} '{statement}'"))
    }

    /// Changes the control database behind the program's back.
    pub(crate) fn sqlite(&self, statements: &str) {
        let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2]); db.commit()";
        let path = self.path("data/control.db");
        let status = Command::new("python3").args(["-c", script]).arg(path).arg(statements).status().unwrap();
        assert!(status.success(), "{statements}");
    }

    /// The server, when it is ready to answer.
    pub(crate) fn serve(&self) -> Serving {
        self.serve_by(|command| command.stderr(Stdio::inherit()))
    }

    /// The same at an address that is known, such as that of one that was killed.
    pub(crate) fn serve_at(&self, address: &str) -> Serving {
        let labels = ["console: http://", "sign in once, within 15 minutes: "];
        let mut command = self.command(&format!("serve --listen {address}"));
        Self::start(command.stderr(Stdio::inherit()), labels)
    }

    /// The same, started in another way.
    pub(crate) fn serve_by(&self, start: impl FnOnce(&mut Command) -> &mut Command) -> Serving {
        let labels = ["console: http://", "sign in once, within 15 minutes: "];
        Self::start(start(&mut self.command("serve --listen 127.0.0.1:0")), labels)
    }

    /// A witness, when it is ready to answer; its key is where a server has its link.
    pub(crate) fn witness(&self, options: &str) -> Serving {
        let mut command = self.command(&format!("witness --listen 127.0.0.1:0 {options}"));
        Self::start(command.stderr(Stdio::inherit()), ["witness: http://", "vkey: "])
    }

    /// Starts what answers until it is dropped, and reads the two lines that it prints first.
    fn start(command: &mut Command, labels: [&str; 2]) -> Serving {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut after = |label: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let text = line.trim_end().strip_prefix(label);
            text.unwrap_or_else(|| panic!("the server printed {line:?} instead of {label:?}")).to_owned()
        };
        let [address, link] = labels.map(&mut after);
        Serving { child, _stdout: stdout, address, link }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whowas"));
        command.args(words(line)).current_dir(self.folder.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WHOWAS_")) {
            command.env_remove(name);
        }
        command.env_remove("TZ").env("WHOWAS_DATA", self.path("data"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A fixture in the repository.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// The words of a line: separated by spaces, except between single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, piece) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    line: String,
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Asserts on the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// What the command exited with.
    pub(crate) fn code(&self) -> Option<i32> {
        self.code
    }

    /// Asserts on what stands on standard error.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "not said: {text:?}\n{self}");
        self
    }

    /// Asserts on what stands on standard output.
    #[track_caller]
    pub(crate) fn shows(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "not shown: {text:?}\n{self}");
        self
    }

    /// Standard output as JSON, one value for each line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        parse_lines(&self.stdout)
    }

    /// Standard error as JSON, one value for each line.
    #[track_caller]
    pub(crate) fn error_lines(&self) -> Vec<Value> {
        parse_lines(&self.stderr)
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr } = self;
        write!(f, "$ whowas {line}\nexit code {code:?}\n-- stdout\n{stdout}-- stderr\n{stderr}")
    }
}

/// One JSON value for each line.
#[track_caller]
pub(crate) fn parse_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// The value of a member as text; empty if it is null.
pub(crate) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// These members of every value, in order.
pub(crate) fn column(values: &[Value], name: &str) -> Vec<String> {
    values.iter().map(|value| text(value, name)).collect()
}

/// The rows of a CSV text by the names of its columns.
pub(crate) fn csv_rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.split_terminator("\r\n").map(csv_fields);
    let header = lines.next().unwrap();
    let row = |fields: Vec<String>| {
        assert_eq!(fields.len(), header.len(), "{fields:?}");
        header.iter().cloned().zip(fields).collect()
    };
    lines.map(row).collect()
}

fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

/// A server that answers until it is dropped.
pub(crate) struct Serving {
    child: Child,
    /// Kept open: a server whose output nobody takes is another case.
    _stdout: BufReader<ChildStdout>,
    /// Host and port.
    pub(crate) address: String,
    /// Signs the administrator in, once; of a witness, its key.
    pub(crate) link: String,
}

impl Serving {
    /// SIGKILL: the process is gone at once, wherever it was.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
