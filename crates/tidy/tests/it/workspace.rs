//! The repository as the rules see it: its packages, and its text files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What `cargo metadata` says of a package of this workspace. Paths begin at the root of the repository.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Whether `publish = false`.
    pub(crate) private: bool,
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// The root files of its library and its programs.
    pub(crate) roots: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether it lies in this repository.
    pub(crate) internal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// A text file; the path begins at the root of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// Files that people read and write.
const TEXT: [&str; 6] = ["rs", "toml", "md", "proto", "sql", "sh"];

pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the crate lies two levels below the root")
}

/// The packages of this workspace, without asking the network.
pub(crate) fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs: it runs this test");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    list(&metadata, "packages").iter().map(package).collect()
}

/// The text files of the repository: those that git tracks or would, or all of them where there is no git.
pub(crate) fn text_files() -> Vec<TextFile> {
    let root = root();
    let paths = listed_by_git(&root).unwrap_or_else(|| walk(&root, &root));
    let is_text = |path: &&String| TEXT.contains(&path.rsplit('.').next().unwrap_or_default());
    // What git lists may have been deleted since.
    let read = |path: &String| {
        Some(TextFile { path: path.clone(), text: fs::read_to_string(root.join(path)).ok()? })
    };
    paths.iter().filter(is_text).filter_map(read).collect()
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    Some(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// The files below `directory`, except what was built and what is hidden.
fn walk(root: &Path, directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("the repository can be read") {
        let entry = entry.expect("the repository can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            files.extend(walk(root, &path));
        } else {
            files.push(relative(root, &path));
        }
    }
    files
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

fn package(json: &Value) -> Package {
    let root = root();
    let roots = list(json, "targets")
        .iter()
        .filter(|target| list(target, "kind").iter().any(|kind| kind == "lib" || kind == "bin"));
    Package {
        name: text(json, "name"),
        version: text(json, "version"),
        private: json["publish"].as_array().is_some_and(Vec::is_empty),
        manifest: relative(&root, Path::new(&text(json, "manifest_path"))),
        dependencies: list(json, "dependencies").iter().map(dependency).collect(),
        roots: roots.map(|target| relative(&root, Path::new(&text(target, "src_path")))).collect(),
    }
}

fn dependency(json: &Value) -> Dependency {
    let kind = match json["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some("dev") => Kind::Dev,
        Some(other) => panic!("cargo metadata has a new kind of dependency: {other}"),
    };
    Dependency { name: text(json, "name"), kind, internal: json["path"].is_string() }
}

fn list<'a>(json: &'a Value, field: &str) -> &'a Vec<Value> {
    json[field].as_array().unwrap_or_else(|| panic!("cargo metadata has a list {field}"))
}

fn text(json: &Value, field: &str) -> String {
    json[field].as_str().unwrap_or_else(|| panic!("cargo metadata has a text {field}")).to_owned()
}

#[test]
fn sees_this_crate_and_this_file() {
    let packages = packages();
    let tidy = packages.iter().find(|package| package.name == "tidy").unwrap();
    assert_eq!(tidy.manifest, "crates/tidy/Cargo.toml");
    assert_eq!(tidy.roots, ["crates/tidy/src/lib.rs"]);
    let json = tidy.dependencies.iter().find(|dependency| dependency.name == "serde_json").unwrap();
    assert_eq!((json.kind, json.internal), (Kind::Dev, false));
    assert!(text_files().iter().any(|file| file.path == "crates/tidy/tests/it/workspace.rs"));
}

#[test]
fn without_git_the_directories_are_walked() {
    let root = root();
    let tidy = root.join("crates/tidy");
    let walked = walk(&root, &tidy);
    assert!(walked.iter().any(|path| path == "crates/tidy/tests/it/workspace.rs"), "{walked:?}");
}
