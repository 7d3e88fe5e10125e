//! What the launcher's environment says to python3, uWSGI, nginx and Flask, and what of it uWSGI must not see.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sys::locale;

/// The variables that change how a program behaves, and the locale that they name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// The variables of [`WATCHED`] and [`PREFIXES`]; bytes that are not UTF-8 are replaced.
    pub variables: BTreeMap<String, String>,
    /// The encoding of the locale; none for the locale C, and for one that is not installed, which stands for C.
    pub encoding: Option<String>,
    /// The locale with UTF-8 that python3 takes in place of C; none when none is installed.
    pub utf8_locale: Option<String>,
    /// Whether `PYTHONHOME` names a folder without a standard library, with which no Python starts.
    pub broken_python_home: bool,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            variables: BTreeMap::new(),
            encoding: Some("UTF-8".to_owned()),
            utf8_locale: Some(UTF8_LOCALES[0].to_owned()),
            broken_python_home: false,
        }
    }
}

impl Environment {
    /// The value of a variable that is set and not empty; most programs treat an empty one as unset.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

/// Locales in the order in which python3 tries them (PEP 538).
const UTF8_LOCALES: [&str; 3] = ["C.UTF-8", "C.utf8", "UTF-8"];
/// Variables that name the locale of characters, the strongest first (locale(7)).
const LOCALE: [&str; 3] = ["LC_ALL", "LC_CTYPE", "LANG"];
/// Single variables that are of interest.
const WATCHED: [&str; 3] = ["VIRTUAL_ENV", "HOME", "NGINX"];
/// Beginnings of names that are of interest.
const PREFIXES: [&str; 4] = [UWSGI, "FLASK_", "PYTHON", "OTEL_TRACES_SAMPLER"];

/// uWSGI takes each variable that begins so as an option (`parse_sys_envs` in its core/utils.c).
const UWSGI: &str = "UWSGI_";
/// What else uWSGI reads: sockets that systemd or upstart have opened, and where it reports that it is ready.
const READ_BY_UWSGI: [&str; 7] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "UPSTART_EVENTS",
    "UPSTART_FDS",
    "UPSTART_JOB",
    "NOTIFY_SOCKET",
];

/// Whether uWSGI would take its configuration from this variable.
pub(crate) fn configures_uwsgi(name: &OsStr) -> bool {
    name.as_bytes().starts_with(UWSGI.as_bytes()) || READ_BY_UWSGI.iter().any(|read| name == *read)
}

/// The environment for programs that are only asked for their version or options: nothing but where a program outside
/// the system's folders finds its libraries (ld.so(8)).
pub(crate) fn for_questions(env: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let needed = env.iter().filter(|(name, _)| name == "LD_LIBRARY_PATH");
    needed.cloned().collect()
}

/// Reads the environment, and asks the system about the locale that it names.
pub(super) fn read(env: &[(OsString, OsString)]) -> Environment {
    let is_watched = |name: &str| {
        WATCHED.contains(&name)
            || LOCALE.contains(&name)
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let variables = env
        .iter()
        .map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy()))
        .filter(|(name, _)| is_watched(name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut environment = Environment {
        variables,
        encoding: None,
        utf8_locale: None,
        broken_python_home: false,
    };
    environment.broken_python_home = environment
        .get("PYTHONHOME")
        .is_some_and(|home| !has_standard_library(home));
    let named = LOCALE.iter().find_map(|name| environment.get(name));
    environment.encoding = named
        .filter(|name| !matches!(*name, "C" | "POSIX"))
        .and_then(locale::encoding);
    let installed = |name: &&str| locale::encoding(name).is_some_and(|it| !it.is_empty());
    environment.utf8_locale = UTF8_LOCALES
        .iter()
        .copied()
        .find(installed)
        .map(str::to_owned);
    environment
}

/// Whether a value of `PYTHONHOME`, PREFIX or PREFIX:EXEC_PREFIX, leads to the standard library of any Python.
fn has_standard_library(home: &str) -> bool {
    let prefix = Path::new(home.split(':').next().unwrap_or_default());
    let folders = ["lib", "lib64"].map(|name| std::fs::read_dir(prefix.join(name)));
    folders
        .into_iter()
        .flatten()
        .flatten()
        // A folder that cannot be read is none that Python can use.
        .filter_map(Result::ok)
        .any(|entry| entry.path().join("encodings").is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn the_strongest_variable_names_the_locale() {
        let encoding = |pairs: &[(&str, &str)]| read(&env(pairs)).encoding;
        assert_eq!(encoding(&[]), None);
        assert_eq!(encoding(&[("LANG", "POSIX")]), None);
        assert_eq!(encoding(&[("LANG", "xx_XX.UTF-8")]), None);
        assert_eq!(encoding(&[("LANG", "C.UTF-8"), ("LC_CTYPE", "C")]), None);
        let empty = [("LC_ALL", ""), ("LANG", "C.UTF-8")];
        assert_eq!(encoding(&empty), locale::encoding("C.UTF-8"));
    }

    #[test]
    fn a_home_of_python_has_a_standard_library() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().display().to_string();
        let broken = |value: &str| read(&env(&[("PYTHONHOME", value)])).broken_python_home;
        assert!(broken(&home));
        assert!(!broken(""));
        std::fs::create_dir_all(dir.path().join("lib/python3.11/encodings")).unwrap();
        assert!(!broken(&home));
        assert!(!broken(&format!("{home}:/nonexistent")));
    }

    #[test]
    fn what_uwsgi_reads_is_known_by_its_name() {
        for name in ["UWSGI_PORT", "UWSGI_", "LISTEN_FDS", "NOTIFY_SOCKET"] {
            assert!(configures_uwsgi(OsStr::new(name)), "{name}");
        }
        for name in ["uwsgi_port", "UWSGI", "MY_UWSGI_PORT", "LISTEN", "NGINX"] {
            assert!(!configures_uwsgi(OsStr::new(name)), "{name}");
        }
        let needed = ("LD_LIBRARY_PATH", "/opt/lib");
        let asked = for_questions(&env(&[("UWSGI_X", "1"), ("NGINX", "3;"), needed]));
        assert_eq!(asked, env(&[needed]));
    }
}
