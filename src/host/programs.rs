//! Which nginx, uWSGI and Python are installed.
//!
//! Debian's uWSGI has Python in a plugin that must be named; PyPI's `uwsgi` and `pyuwsgi` have it built in and print an
//! error message when the plugin is named. `uwsgi --plugin-list` distinguishes the two (a line "0: python").

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access;
use super::environment;
use super::sandbox::{self, SandboxHost};
use super::user::User;
use crate::sys::short_programs::{MAX_OUTPUT, ShortProgram, ShortPrograms};

/// A version, compared number by number.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Version(pub u32, pub u32, pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// An nginx that was found and has printed its version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Nginx {
    /// The executable.
    pub path: PathBuf,
    /// From `nginx -v`.
    pub version: Version,
}

/// A uWSGI that was found and has printed its version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Uwsgi {
    /// The executable.
    pub path: PathBuf,
    /// From `--plugin-list` or `--version`.
    pub version: Version,
    /// Where its Python comes from.
    pub python: Python,
    /// The version of a built-in Python, "3.11"; none when it is in the service's virtual environment.
    #[serde(default)]
    pub built_in: Option<String>,
}

/// Where uWSGI's Python comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Python {
    /// Built into the binary (PyPI).
    BuiltIn,
    /// The plugin `python3` (Debian), built for this version, "3.11".
    Plugin(String),
    /// Neither built in nor as a plugin: this uWSGI cannot run the service.
    Missing,
}

/// Folders of Debian and its derivatives with programs that are not on every PATH.
const SBIN: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
/// Folder of Debian's uWSGI plugins.
const DEBIAN_PLUGINS: &str = "/usr/lib/uwsgi/plugins";

/// Time limit for a program to print its version or its options, which takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A shorter list is not that of uWSGI's options, of which there are more than 800.
const MIN_OPTIONS: usize = 200;

/// Finds a program on `path`, as execvp(3) would.
pub fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// The first file of this name on `path` that is not executable; explains why [`find`] found no program.
pub fn not_executable(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file() && !is_executable(file))
}

/// Whether a file can be run.
pub(crate) fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// How programs are asked for their version.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The value of `PATH`.
    pub path: &'a OsStr,
    /// The launcher's environment.
    pub env: &'a [(OsString, OsString)],
    /// As whom uWSGI answers, which may be in a folder of the service; none: as the launcher's own user.
    pub application: Option<&'a User>,
    /// As whom nginx answers.
    pub nginx: Option<&'a User>,
    /// What there is to confine them: to answer, they need to write nothing.
    pub sandbox: &'a SandboxHost,
    /// Runs them.
    pub programs: &'a ShortPrograms,
}

/// A program that is not run, because the application's user may change it: code of the application would become the
/// program's user.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeftOut {
    /// The executable.
    pub path: PathBuf,
    /// What that user may change: the executable, or a folder above it.
    pub changeable: PathBuf,
}

/// The nginx to run, and the first one before it on `path` that the application's user may change. Debian keeps it in
/// /usr/sbin, which the PATH of an ordinary user lacks.
pub(super) fn find_nginx(
    path: &OsStr,
    application: Option<&User>,
) -> (Option<PathBuf>, Option<LeftOut>) {
    let on_path = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let system = SBIN.iter().map(PathBuf::from);
    let system = system.filter(|_| has_system_folder(path));
    let mut left_out = None;
    for file in on_path.chain(system).map(|folder| folder.join("nginx")) {
        if !is_executable(&file) {
            continue;
        }
        let Some(changeable) = application.and_then(|user| changeable_program(user, &file)) else {
            return (Some(file), left_out);
        };
        left_out.get_or_insert(LeftOut {
            path: file,
            changeable,
        });
    }
    (None, left_out)
}

/// What a user may change of a program: the file, which may be a link, or a folder above it or its target.
fn changeable_program(user: &User, file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?.canonicalize().ok()?;
    let place = folder.join(file.file_name()?);
    let target = file.canonicalize().ok()?;
    let is_link = place.is_symlink();
    // The mode of a link says nothing; what counts is who may replace it.
    let of_link = || access::replaceable_above(user, &place);
    let of_target = || access::changeable(user, &target);
    if is_link {
        of_link().or_else(of_target)
    } else {
        of_target()
    }
}

/// The version of the nginx that [`find_nginx`] has found.
pub async fn nginx(file: PathBuf, asking: Asking<'_>) -> Option<Nginx> {
    let version = parse_version(&output(&file, &["-v"], asking.nginx, asking).await)?;
    Some(Nginx {
        path: file,
        version,
    })
}

/// Whether `path` is a usual one with /usr/bin; only then [`SBIN`] is searched too.
fn has_system_folder(path: &OsStr) -> bool {
    std::env::split_paths(path).any(|folder| folder == Path::new("/usr/bin"))
}

/// Finds uWSGI: the one in the service's virtual environment `venv`, else the one on `path`.
pub async fn uwsgi(asking: Asking<'_>, venv: Option<&Path>) -> Option<Uwsgi> {
    if let Some(own) = venv
        .map(|venv| venv.join("bin").join("uwsgi"))
        .filter(|file| is_executable(file))
    {
        let version =
            parse_version(&output(&own, &["--version"], asking.application, asking).await)?;
        return Some(Uwsgi {
            path: own,
            version,
            python: Python::BuiltIn,
            built_in: None,
        });
    }
    let file = find("uwsgi", asking.path).or_else(|| find("uwsgi-core", asking.path))?;
    let listing = output(
        &file,
        &["--plugin-list", "--no-server"],
        asking.application,
        asking,
    )
    .await;
    let listed = listing
        .lines()
        .find_map(|line| line.strip_prefix("*** Starting uWSGI "))
        .and_then(parse_version);
    let version = match listed {
        Some(version) => version,
        None => parse_version(&output(&file, &["--version"], asking.application, asking).await)?,
    };
    let is_built_in = listing.lines().any(|line| line.trim() == "0: python");
    let python = if is_built_in {
        Python::BuiltIn
    } else {
        plugin_python().map_or(Python::Missing, Python::Plugin)
    };
    let built_in = match (&python, venv) {
        (Python::BuiltIn, Some(_)) => {
            let printed = output(&file, &["--python-version"], asking.application, asking).await;
            parse_version(&printed).map(|version| format!("{}.{}", version.0, version.1))
        }
        _ => None,
    };
    Some(Uwsgi {
        path: file,
        version,
        python,
        built_in,
    })
}

/// The names of the options that a uWSGI knows, those of its Python plugin included; none when it does not print them.
pub async fn uwsgi_options(uwsgi: &Uwsgi, asking: Asking<'_>) -> Option<Vec<String>> {
    let args: &[&str] = match uwsgi.python {
        Python::Plugin(_) => &["--plugins", "python3", "--help"],
        Python::BuiltIn | Python::Missing => &["--help"],
    };
    let names = parse_option_names(&output(&uwsgi.path, args, asking.application, asking).await);
    (names.len() >= MIN_OPTIONS).then_some(names)
}

/// Parses lines like `    -p|--processes    spawn …`. One-letter names are left out: they are valid on the command line
/// only (`strict` refuses them in a file).
fn parse_option_names(help: &str) -> Vec<String> {
    help.lines()
        .filter(|line| line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.starts_with('-'))
        .flat_map(|word| word.split('|'))
        .filter_map(|name| name.strip_prefix("--"))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The Python that Debian's plugin is built for, "3.11": the alternative `python3` points to `python311_plugin.so`.
fn plugin_python() -> Option<String> {
    let target = std::fs::canonicalize(Path::new(DEBIAN_PLUGINS).join("python3_plugin.so")).ok()?;
    let digits = target
        .file_name()?
        .to_str()?
        .strip_prefix("python")?
        .strip_suffix("_plugin.so")?
        .to_owned();
    let (major, minor) = digits.split_at_checked(1)?;
    Some(format!("{major}.{minor}"))
}

/// What a program prints to stdout and stderr; empty when it cannot be run, or does not end in time.
async fn output(program: &Path, args: &[&str], user: Option<&User>, asking: Asking<'_>) -> String {
    let user = user.map(User::credentials);
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let finished = asking.programs.run(ShortProgram {
        program,
        args: &args,
        env: Some(environment::for_questions(asking.env)),
        cwd: None,
        inherit: Vec::new(),
        user: user.as_ref(),
        sandbox: sandbox::for_questions(asking.sandbox),
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    });
    finished
        .await
        .map_or_else(|_| String::new(), |it| it.output)
}

/// The first `1.2.3` or `1.2` in a text.
fn parse_version(text: &str) -> Option<Version> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .find_map(|word| {
            let mut parts = word.trim_matches('.').split('.').map(str::parse::<u32>);
            match (parts.next(), parts.next(), parts.next()) {
                (Some(Ok(a)), Some(Ok(b)), Some(Ok(c))) => Some(Version(a, b, c)),
                (Some(Ok(a)), Some(Ok(b)), None) => Some(Version(a, b, 0)),
                _ => None,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_the_programs_print_them() {
        assert_eq!(
            parse_version("nginx version: nginx/1.22.1\n"),
            Some(Version(1, 22, 1))
        );
        assert_eq!(parse_version("2.0.21-debian\n"), Some(Version(2, 0, 21)));
        assert_eq!(
            parse_version("2.0.30 (64bit) on [Tue"),
            Some(Version(2, 0, 30))
        );
        assert_eq!(parse_version("no version"), None);
        assert!(Version(2, 0, 9) < Version(2, 0, 21));
    }

    #[test]
    fn options_as_uwsgi_prints_them() {
        let help = "Usage: /usr/bin/uwsgi [options...]\n    -s|--socket                 bind\n    --pivot_root      - x\n\tother\n";
        assert_eq!(parse_option_names(help), ["socket", "pivot_root"]);
    }

    #[test]
    fn programs_are_found_as_execvp_would() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tool");
        std::fs::write(&file, "").unwrap();
        assert_eq!(find("tool", dir.path().as_os_str()), None);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("tool", dir.path().as_os_str()), Some(file));
    }
}
