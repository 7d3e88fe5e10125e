//! Whether the application can be imported: by uWSGI itself, without a socket, as the workers' user and within the time
//! of a start.

use std::ffi::OsString;
use std::path::Path;

use super::leftovers::{self, Advice};
use crate::host::user::User;
use crate::plan::{Plan, uwsgi_options};
use crate::programs::sandbox;
use crate::sys::process::SpawnError;
use crate::sys::reap::Exit;
use crate::sys::short_programs::{Finished, MAX_OUTPUT, RunError, ShortProgram, ShortPrograms};

/// Separates uWSGI's own lines from those of the application (uwsgi/microservice_flask_check.py).
const BEGIN: &str = "=== microservice-flask: the application is imported from here on ===";

/// Options of the service that change what its import finds; others start processes, or concern requests.
const OF_THE_IMPORT: [&str; 11] = [
    "env",
    "unenv",
    "umask",
    "limit-as",
    "limit-nproc",
    "optimize",
    "pymodule-alias",
    "import",
    "pyimport",
    "shared-import",
    "set-placeholder",
];

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Imported {
    /// It can be imported.
    Yes {
        /// What it left open.
        advice: Vec<Advice>,
        /// Warnings of the entry module, each with its message.
        warnings: Vec<String>,
    },
    /// It cannot, or not in time.
    No {
        /// The end of the process, as text for operators.
        how: String,
        /// What it has printed.
        output: String,
    },
}

/// Imports the application. The files of the plan must exist; uWSGI must be installed.
pub(crate) async fn import(
    plan: &Plan,
    executable: &Path,
    env: &[(OsString, OsString)],
    programs: &ShortPrograms,
) -> Result<Imported, SpawnError> {
    let mut env = env.to_vec();
    for (name, value) in [
        ("MICROSERVICE_APP_STDERR_FD", "2"),
        ("MICROSERVICE_LOG_NONCE", "check"),
        ("MICROSERVICE_CHECK_BEGIN", BEGIN),
    ] {
        env.push((name.into(), value.into()));
    }
    env.push(sandbox::variable(plan));
    let user = plan.user.as_ref().map(User::credentials);
    let test = ShortProgram {
        program: executable,
        args: &arguments(plan),
        env: Some(env),
        cwd: Some(&plan.root.join("src")),
        inherit: Vec::new(),
        user: user.as_ref(),
        sandbox: sandbox::of_application(plan),
        timeout: plan.start_timeout,
        max_output: MAX_OUTPUT,
    };
    match programs.run(test).await {
        Ok(finished) => {
            let mut imported = judge(&finished, &plan.layout.uwsgi());
            if let Imported::Yes { advice, .. } = &mut imported
                && uwsgi_options::import_in_each_process(&plan.uwsgi_options)
            {
                // What each process opens itself is its own.
                advice.clear();
            }
            Ok(imported)
        }
        Err(RunError::Spawn(error)) => Err(error),
        Err(RunError::TimedOut { limit, output }) => Ok(Imported::No {
            how: format!(
                "its import did not end within {} s (start_timeout)",
                limit.as_secs_f64()
            ),
            output: of_the_application(&output).to_owned(),
        }),
    }
}

fn arguments(plan: &Plan) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if plan.names_python_plugin() {
        words.extend(["--plugins".into(), "python3".into()]);
    }
    if let Some(venv) = &plan.venv {
        words.extend(["--virtualenv".into(), venv.path.clone().into()]);
    }
    words.extend(["--pythonpath".into(), plan.layout.uwsgi().into()]);
    for word in [
        "--no-server",
        "--single-interpreter",
        "--enable-threads",
        "--need-app",
        "--module",
        "microservice_flask_check",
    ] {
        words.push(word.into());
    }
    for (name, value) in &plan.uwsgi_options {
        if OF_THE_IMPORT.contains(&name.as_str()) {
            words.extend([format!("--{name}").into(), value.into()]);
        }
    }
    words
}

fn judge(finished: &Finished, folder: &Path) -> Imported {
    let output = of_the_application(&finished.output);
    // The application may have ended the process, also with 0.
    let left = leftovers::read(folder).filter(|_| finished.exit == Exit::Code(0));
    match left {
        Some(left) => Imported::Yes {
            advice: left.advice(),
            warnings: warnings(output),
        },
        None => Imported::No {
            how: format!("its import ended with {}", finished.exit),
            output: output.to_owned(),
        },
    }
}

/// The output without uWSGI's own lines.
fn of_the_application(output: &str) -> &str {
    output
        .split_once(BEGIN)
        .map_or(output, |(_, rest)| rest)
        .trim()
}

/// The messages of the entry module's records; other lines are the application's own.
fn warnings(output: &str) -> Vec<String> {
    let records = output
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records
        .filter(|record| record["level"] == "warning")
        .filter_map(|record| record["message"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uwsgi_says_of_itself_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("connections-of-the-import"), "").unwrap();
        let finished = |exit, text: &str| Finished {
            exit,
            output: format!("*** Starting uWSGI ***\n{BEGIN}\n{text}\n"),
        };
        let good = "printed\n{\"level\": \"warning\", \"message\": \"no alarm\"}\n{\"level\": 1}";
        assert_eq!(
            judge(&finished(Exit::Code(0), good), folder.path()),
            Imported::Yes {
                advice: Vec::new(),
                warnings: vec!["no alarm".to_owned()],
            }
        );
        assert_eq!(
            judge(&finished(Exit::Code(22), "Traceback"), folder.path()),
            Imported::No {
                how: "its import ended with exit code 22".to_owned(),
                output: "Traceback".to_owned(),
            }
        );
    }
}
