//! The repository's files of text.

use std::{fs, path::Path};

use crate::crates::root;

/// Folders whose content is not ours to check: what cargo and git keep there.
const SKIPPED: &[&str] = &["target", ".git"];

/// One file of text.
#[derive(Debug)]
pub struct Text {
    /// Its path, relative to the repository, with `/`.
    pub path: String,
    /// What it says.
    pub content: String,
}

impl Text {
    /// Tells whether the file's name ends in one of these, dot excluded.
    #[must_use]
    pub fn is_one_of(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    }

    /// Returns the lines that satisfy `wanted`, as `path:line`.
    pub fn places<'a>(
        &'a self,
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = String> + 'a {
        let lines = (1..).zip(self.content.lines());
        lines.filter(move |(_, line)| wanted(line)).map(|(n, _)| format!("{}:{n}", self.path))
    }
}

/// Reads all files of the repository that are text, in the order of their paths.
///
/// # Panics
/// If the working tree cannot be read.
#[must_use]
pub fn texts() -> Vec<Text> {
    let mut texts = Vec::new();
    collect(root(), &mut texts);
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    texts
}

fn collect(folder: &Path, texts: &mut Vec<Text>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository is readable") {
        let entry = entry.expect("a folder of the repository is readable");
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().expect("an entry has a kind");
        if kind.is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                collect(&path, texts);
            }
        } else if kind.is_file()
            && let Ok(content) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root()).expect("it was found under the root");
            texts.push(Text { path: path.to_string_lossy().replace('\\', "/"), content });
        }
    }
}
