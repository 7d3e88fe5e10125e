//! The virtual environment of the service: its own, else the one that python3 belongs to, as python3 itself finds it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::programs;
use crate::sys::files;

/// Bytes of a pyvenv.cfg, which has some ten short lines.
const MAX_FILE: u64 = 64 * 1024;

/// A virtual environment of the service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Venv {
    /// The folder, which holds `pyvenv.cfg`.
    pub path: PathBuf,
    /// The version of its Python, "3.11"; empty when `pyvenv.cfg` does not contain it.
    pub python: String,
    /// Why it is the service's.
    #[serde(default)]
    pub origin: VenvOrigin,
    /// Whether its `bin/python3` can be run; often it is a link to a Python of another image.
    #[serde(default = "yes")]
    pub runs: bool,
}

/// Where a virtual environment was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VenvOrigin {
    /// `venv` or `.venv` in the service's folder.
    #[default]
    Service,
    /// The first python3 of `PATH` belongs to it.
    Path,
    /// `VIRTUAL_ENV` names it.
    Variable,
}

fn yes() -> bool {
    true
}

/// The virtual environment for a service: in its folder, else that of the first python3 on `path`, else `variable`, the
/// value of `VIRTUAL_ENV`.
pub(crate) fn find(root: &Path, path: &OsStr, variable: Option<&OsStr>) -> Option<Venv> {
    let own = ["venv", ".venv"].iter().map(|name| root.join(name));
    own.into_iter()
        .find_map(|folder| read(folder, VenvOrigin::Service))
        .or_else(|| of_python(&programs::find("python3", path)?))
        .or_else(|| {
            let folder = Path::new(variable?);
            let named = folder.is_absolute().then(|| folder.to_owned())?;
            read(named, VenvOrigin::Variable)
        })
}

/// The virtual environment that a Python belongs to: pyvenv.cfg is one folder above that of the
/// executable, where venv and virtualenv put it (PEP 405).
fn of_python(file: &Path) -> Option<Venv> {
    let folder = file.parent()?;
    read(folder.parent()?.to_owned(), VenvOrigin::Path)
}

fn read(path: PathBuf, origin: VenvOrigin) -> Option<Venv> {
    let text = files::read_regular(&path.join("pyvenv.cfg"), MAX_FILE).ok()?;
    let text = String::from_utf8_lossy(&text);
    Some(Venv {
        python: parse_version(&text),
        runs: programs::is_executable(&path.join("bin/python3")),
        path,
        origin,
    })
}

/// `version = 3.11.2` (venv) or `version_info = 3.11.2.final.0` (virtualenv), as "3.11".
pub(crate) fn parse_version(text: &str) -> String {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| matches!(key.trim(), "version" | "version_info"))
        .map(|(_, value)| {
            value
                .trim()
                .split('.')
                .take(2)
                .collect::<Vec<_>>()
                .join(".")
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_python_of_virtual_environments_is_parsed() {
        assert_eq!(parse_version("home = /usr/bin\nversion = 3.11.2\n"), "3.11");
        assert_eq!(parse_version("version_info = 3.12.1.final.0"), "3.12");
        assert_eq!(parse_version(""), "");
    }

    #[test]
    fn the_services_own_comes_first_then_that_of_python_then_the_variable() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let bin = dir.path().join(name).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            std::fs::write(bin.join("python3"), "").unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(bin.join("python3"), mode).unwrap();
            std::fs::write(dir.path().join(name).join("pyvenv.cfg"), "version = 3.9.1").unwrap();
        };
        let root = dir.path().join("service");
        let path = dir.path().join("b/bin");
        let variable = dir.path().join("c");
        let check = |expected: Option<(&str, VenvOrigin)>| {
            let found = find(&root, path.as_os_str(), Some(variable.as_os_str()));
            let found = found.map(|venv| {
                assert!(venv.runs);
                assert_eq!(venv.python, "3.9");
                (venv.path, venv.origin)
            });
            assert_eq!(
                found,
                expected.map(|(name, it)| (dir.path().join(name), it))
            );
        };
        check(None);
        make("c");
        check(Some(("c", VenvOrigin::Variable)));
        make("b");
        check(Some(("b", VenvOrigin::Path)));
        make("service/.venv");
        check(Some(("service/.venv", VenvOrigin::Service)));
    }
}
