//! The command line: commands, options, their environment variables and help texts. No I/O, no logic beyond parsing.

mod addresses;

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub(crate) use self::addresses::{AdminAddr, ListenAddr};

/// Runs a folder with a Flask app as a production service behind nginx and uWSGI, or in development under flask.
#[derive(Debug, Parser)]
#[command(name = "microservice-flask", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Accepted before and after the command, whichever it is.
    #[command(flatten)]
    pub(crate) service: ServiceOptions,
    /// Required; without a command clap prints the help and exits with 2.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 not ready, 2 bad command line, 66 no service or config, 69 no launcher,
70 bug, 71 the system refused, 73 cannot write, 75 not in time, 77 no permission, 78 wrong
configuration, 126/127 a program cannot be run or found, else the failed program's own code.";

/// Options of every command: which service, where it listens, where its runtime files are.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServiceOptions {
    /// Service folder: src/main.py with `app`, optional config/, nginx/, src/static/ [default: /opt/$MICROSERVICE_NAME, else /opt/$IMAGE_NAME]
    #[arg(long, value_name = "DIR", env = "MICROSERVICE_DIR", global = true)]
    pub(crate) app: Option<PathBuf>,
    /// Service name, in logs and metrics [default: last part of the service folder]
    #[arg(long, value_name = "NAME", env = "MICROSERVICE_NAME", global = true)]
    pub(crate) name: Option<String>,
    /// Environment (dev, production, production/eu …): picks the config folder
    #[arg(long, value_name = "ENV", env = "MICROSERVICE_ENV", global = true)]
    pub(crate) env: Option<String>,
    /// Use this config.json instead of the first one in the folders of CONFIG_PATH
    #[arg(long, value_name = "FILE", env = "MICROSERVICE_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Address for clients: PORT, HOST:PORT or `[::]:PORT`; may be given more than once
    #[arg(
        long,
        value_name = "ADDR",
        env = "MICROSERVICE_LISTEN",
        default_value = "0.0.0.0:80",
        value_delimiter = ',',
        global = true
    )]
    pub(crate) listen: Vec<ListenAddr>,
    /// Address of health, metrics and status (read-only), or `off`
    #[arg(
        long,
        value_name = "ADDR|off",
        env = "MICROSERVICE_ADMIN",
        default_value = "127.0.0.1:9180",
        global = true
    )]
    pub(crate) admin: AdminAddr,
    /// Runtime folder, the only one that is written [default: /run/microservice-flask, else below $XDG_RUNTIME_DIR, else below /tmp]
    #[arg(
        long,
        value_name = "DIR",
        env = "MICROSERVICE_RUNTIME_DIR",
        global = true
    )]
    pub(crate) runtime_dir: Option<PathBuf>,
    /// Let the application or nginx run as root where config.json names root as their user
    #[arg(
        long,
        env = "MICROSERVICE_ALLOW_ROOT",
        value_parser = clap::builder::FalseyValueParser::new(),
        global = true
    )]
    pub(crate) allow_root: bool,
    /// How log records look on stdout
    #[arg(
        long,
        value_name = "FORMAT",
        env = "MICROSERVICE_LOG_FORMAT",
        default_value = "auto",
        global = true
    )]
    pub(crate) log_format: LogFormat,
    /// Least level of the log records that are written; those of requests depend on `log_config.access` alone
    #[arg(
        long,
        value_name = "LEVEL",
        env = "MICROSERVICE_LOG_LEVEL",
        default_value = "info",
        global = true
    )]
    pub(crate) log_level: LogLevel,
}

/// The commands, one variant each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service: production under nginx and uWSGI, or development under flask
    Run(RunArgs),
    /// Read and validate the configuration, plan, render, test; print every problem, or the plan
    Check(CheckArgs),
    /// Write the nginx and uWSGI files that `run` would use
    Render(RenderArgs),
    /// Is the running service well? What runs for the longest time, what has gone wrong
    Status(StatusArgs),
    /// Watch the running service on a terminal: workers, requests, errors; look into a worker, end it
    Top,
    /// Reload configuration and code of the running service without a failed request; wait for the outcome
    Reload,
    /// End one worker of the application; its in-flight requests fail, or are repeated as after a crash
    RestartWorker(RestartWorkerArgs),
    /// Where do requests spend their time? Sample the Python stacks of the busy workers for some seconds
    Profile(ProfileArgs),
    /// Probe the running service: exit 0 passing, 1 warning, 2 critical
    Healthcheck,
    /// Print the JSON Schema of the config.json keys that the launcher reads
    Schema,
    /// Print a shell completion script
    Completions(CompletionsArgs),
    /// What the launcher runs to read the Python stacks of workers, as their user
    #[command(hide = true)]
    ReadStacks(ReadStacksArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Development: run under `flask run`, whatever use_nginx says
    #[arg(long, conflicts_with = "production")]
    pub(crate) dev: bool,
    /// Production: run under nginx and uWSGI, whatever use_nginx says
    #[arg(long)]
    pub(crate) production: bool,
    /// Development: Werkzeug's interactive debugger also where other machines reach the address; it runs any code
    #[arg(long, conflicts_with = "production")]
    pub(crate) debugger: bool,
    /// Arguments for `flask run`, in development
    #[arg(last = true, value_name = "FLASK ARGS")]
    pub(crate) flask_args: Vec<String>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Import the application too, as the workers' user, within start_timeout
    #[arg(long)]
    pub(crate) import: bool,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Folder to write the files to; without it they are printed
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print the status as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the status again whenever it changes, in place on a terminal, until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
    /// Everything that is known, however long: children, sandbox, slow requests, events, percentiles
    #[arg(long, conflicts_with = "json")]
    pub(crate) all: bool,
    /// The Python stacks of all threads instead: of this worker, or of every worker that has a request
    #[arg(long, value_name = "WORKER", num_args = 0..=1, conflicts_with_all = ["all", "watch"])]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option whose value may be left out"
    )]
    pub(crate) stacks: Option<Option<u32>>,
}

/// Arguments of `profile`.
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// For how many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    pub(crate) seconds: u32,
    /// File for the flame graph, a picture for the browser; `-`: stdout, and the summary on stderr
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) out: Option<PathBuf>,
}

/// Arguments of `read-stacks`.
#[derive(Debug, Args)]
pub(crate) struct ReadStacksArgs {
    /// Sample for so many milliseconds; without it the stacks of one moment are printed
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) millis: Option<u32>,
    /// The workers: NUMBER:PID of each
    #[arg(required = true, value_name = "NUMBER:PID")]
    pub(crate) workers: Vec<String>,
}

/// Arguments of `restart-worker`.
#[derive(Debug, Args)]
pub(crate) struct RestartWorkerArgs {
    /// The worker's number, as in `status`
    pub(crate) id: u32,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to write the script for
    pub(crate) shell: clap_complete::Shell,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Readable lines
    Text,
    /// One JSON object per line
    Json,
    /// text if stdout is a terminal, else json
    Auto,
}

/// `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    /// Everything, the routine of uWSGI's starts and stops included
    Debug,
    /// What has happened
    Info,
    /// What an operator may have to act on
    Warn,
    /// What an operator has to act on
    Error,
}

/// Parses the command line and the environment variables of the options. Empty variables count as unset, because compose
/// files pass optional variables that way. On `--help` and on errors clap prints and exits.
pub(crate) fn parse(is_empty: impl Fn(&OsStr) -> bool) -> Cli {
    let matches = command(is_empty).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn command(is_empty: impl Fn(&OsStr) -> bool) -> clap::Command {
    Cli::command().mut_args(|arg| match arg.get_env() {
        Some(name) if is_empty(name) => arg.env(Resettable::Reset),
        _ => arg,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_hold_nothing_are_left_out() {
        let command = command(|name| name == "MICROSERVICE_LISTEN");
        let env = |id: &str| {
            command
                .get_arguments()
                .find(|arg| arg.get_id() == id)
                .and_then(clap::Arg::get_env)
        };
        assert_eq!(env("listen"), None);
        assert_eq!(env("admin"), Some(OsStr::new("MICROSERVICE_ADMIN")));
    }

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
