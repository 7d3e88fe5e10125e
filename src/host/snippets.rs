//! The service's own files of nginx configuration, and directives in them that have no effect.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sys::files;

/// A directive of nginx's uwsgi module in a snippet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UwsgiDirective {
    /// The snippet.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// For example `uwsgi_pass`.
    pub name: String,
    /// The first word after the name.
    pub value: String,
}

/// The content of a snippet.
pub(crate) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    files::read_regular(file, MAX_TOTAL)
}

/// Snippets of one folder, and bytes in all of them: the launcher reads them at each reload.
pub(crate) const MAX_SNIPPETS: usize = 200;
pub(crate) const MAX_TOTAL: u64 = 8 << 20;

/// Whether snippets are more, or larger, than the launcher reads.
pub(super) fn are_too_many(files: &[PathBuf]) -> bool {
    let sizes = files.iter().filter_map(|file| file.metadata().ok());
    files.len() > MAX_SNIPPETS || sizes.map(|meta| meta.len()).sum::<u64>() > MAX_TOTAL
}

/// `*.conf` in a folder, sorted.
pub(super) fn find(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "conf") && path.is_file())
        .collect();
    files.sort();
    files
}

/// The directives of the uwsgi module in these files. What cannot be read is left to `nginx -t`.
pub(super) fn uwsgi_directives(files: &[PathBuf]) -> Vec<UwsgiDirective> {
    let of = |file: &PathBuf| {
        let text = read(file).unwrap_or_default();
        let directives = in_text(&String::from_utf8_lossy(&text)).into_iter();
        directives
            .map(|(line, name, value)| UwsgiDirective {
                file: file.clone(),
                line,
                name,
                value,
            })
            .collect::<Vec<_>>()
    };
    files.iter().flat_map(of).collect()
}

/// The lines, from 1, the names and first values. A word in quotes that looks like a directive is taken for one.
fn in_text(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or_default();
        for statement in content.split([';', '{', '}']) {
            let mut words = statement.split_whitespace();
            let name = words.next().unwrap_or_default();
            if name.starts_with("uwsgi_") {
                let value = words.next().unwrap_or_default();
                found.push((line, name.to_owned(), value.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::in_text;

    #[test]
    fn directives_are_found_at_the_start_of_a_statement() {
        let text = "# uwsgi_pass x;\nlocation /x { uwsgi_pass application; uwsgi_buffering off; }\nset $a uwsgi_b;\n\tuwsgi_param\n";
        let found = in_text(text);
        let found: Vec<_> = found
            .iter()
            .map(|(line, name, value)| (*line, name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (2, "uwsgi_pass", "application"),
                (2, "uwsgi_buffering", "off"),
                (4, "uwsgi_param", "")
            ]
        );
    }
}
