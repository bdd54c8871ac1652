//! Reads the repository. The one impure module.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::File;

/// Folders with nothing of ours in them. Hidden ones are left out, too.
const LEFT_OUT: &[&str] = &["target", "node_modules", "whowas-data", "mutants.out"];

/// Files that people write.
const EXTENSIONS: &[&str] = &["rs", "md", "toml", "sh", "py", "html", "css", "js", "yml", "yaml", "sql"];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a folder of the workspace").to_owned()
}

/// Every text file of the repository.
pub(crate) fn files() -> Result<Vec<File>, String> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found)?;
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<File>) -> Result<(), String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !name.starts_with('.') && !LEFT_OUT.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), found)?;
        } else if !is_folder && name.rsplit_once('.').is_some_and(|(_, end)| EXTENSIONS.contains(&end)) {
            // Not UTF-8: no text of ours, but input of a test.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                found.push(File { path, text });
            }
        }
    }
    Ok(())
}

/// The text of one file.
pub(crate) fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}

/// Whether there is a file or folder of this path.
pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// What `cargo metadata` says about the workspace.
pub(crate) fn metadata() -> Result<String, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo metadata does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    String::from_utf8(output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}
