//! The command line of flask, and who can reach what it serves. Pure.
//!
//! Werkzeug's interactive debugger runs any code that it is sent. Flask turns it on with debug mode, whatever the
//! address. Here it needs a loopback address, or to be asked for on the command line: no variable of the environment
//! turns it on where other machines reach it, because flask's option wins over FLASK_RUN_DEBUGGER.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};

/// How flask is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FlaskCall {
    /// Arguments of python3.
    pub(super) args: Vec<OsString>,
    /// Where it listens, for people.
    address: String,
    /// The port as a number; none when an argument after `--` is none.
    pub(super) port: Option<u16>,
    is_loopback: bool,
    debugger: Debugger,
}

/// Whether there is Werkzeug's debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Debugger {
    On,
    Off,
    /// As debug mode is.
    LikeDebugMode,
}

/// The call for an address of `--listen`. `debugger`: whether `--debugger` is given. `more` are the user's arguments of
/// flask, which come last and so win.
pub(super) fn call(address: SocketAddr, debugger: bool, more: Vec<String>) -> FlaskCall {
    let hosts = values(&more, "--host", "-h");
    let is_loopback = if hosts.is_empty() {
        is_loopback(&address.ip().to_string())
    } else {
        // Flask takes the last one, but one misread here must not open the debugger.
        hosts.iter().all(|host| is_loopback(host))
    };
    let own_host = address.ip().to_string();
    let own_port = address.port().to_string();
    let host = hosts.last().copied().unwrap_or(&own_host).to_owned();
    let port = values(&more, "--port", "-p")
        .last()
        .copied()
        .unwrap_or(&own_port)
        .to_owned();
    let option = match (debugger, is_loopback) {
        (true, _) => Some("--debugger"),
        (false, true) => None,
        (false, false) => Some("--no-debugger"),
    };
    let mut args: Vec<String> = ["-m", "flask", "run", "--host", &host, "--port", &port]
        .map(str::to_owned)
        .into();
    // One request at a time, as documented for the Apache image.
    args.push("--without-threads".to_owned());
    args.extend(option.map(str::to_owned));
    args.extend(more);
    let debugger = args.iter().rev().find_map(|arg| match arg.as_str() {
        "--debugger" => Some(Debugger::On),
        "--no-debugger" => Some(Debugger::Off),
        _ => None,
    });
    FlaskCall {
        address: if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        },
        port: port.parse().ok(),
        is_loopback,
        debugger: debugger.unwrap_or(Debugger::LikeDebugMode),
        args: args.into_iter().map(OsString::from).collect(),
    }
}

impl FlaskCall {
    /// One line: who can reach it, whether there is the debugger, and as whom it runs.
    pub(super) fn announcement(&self, user: &str) -> String {
        let reach = if self.is_loopback {
            "only this machine or container reaches it"
        } else {
            "any machine that reaches this port can use it"
        };
        let debugger = match (self.debugger, self.is_loopback) {
            (Debugger::Off, _) => {
                "Werkzeug's debugger is off (--debugger turns it on), tracebacks are printed here"
                    .to_owned()
            }
            (Debugger::On, false) => format!(
                "Werkzeug's debugger is on: who finds out its PIN can run any code as {user}"
            ),
            (Debugger::On, true) => "Werkzeug's debugger is on".to_owned(),
            (Debugger::LikeDebugMode, _) => "Werkzeug's debugger is on in debug mode".to_owned(),
        };
        format!(
            "development: flask listens on {} as {user}; {reach}; {debugger}",
            self.address
        )
    }
}

/// The values of an option of flask: `--name VALUE`, `--name=VALUE`, `-n VALUE` and `-nVALUE`, as click reads them.
fn values<'a>(args: &'a [String], long: &str, short: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        if arg == long || arg == short {
            found.extend(args.get(index + 1).map(String::as_str));
        } else if let Some(value) = arg.strip_prefix(long).and_then(|it| it.strip_prefix('=')) {
            found.push(value);
        } else if let Some(value) = arg.strip_prefix(short) {
            found.push(value);
        }
    }
    found
}

/// Whether only the machine itself, or its container, reaches this host.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(address: &str, debugger: bool, more: &[&str]) -> FlaskCall {
        let more = more.iter().map(|arg| (*arg).to_owned()).collect();
        call(address.parse().unwrap(), debugger, more)
    }

    fn line(call: &FlaskCall) -> String {
        let args: Vec<_> = call.args.iter().map(|arg| arg.to_string_lossy()).collect();
        args.join(" ")
    }

    #[test]
    fn flask_is_called_as_the_apache_image_called_it() {
        let call = called("0.0.0.0:80", false, &["--cert", "adhoc"]);
        assert_eq!(
            line(&call),
            "-m flask run --host 0.0.0.0 --port 80 --without-threads --no-debugger --cert adhoc"
        );
    }

    #[track_caller]
    fn check(address: &str, more: &[&str], debugger: Debugger, loopback: bool) {
        let call = called(address, false, more);
        let got = (call.debugger, call.is_loopback);
        assert_eq!(got, (debugger, loopback), "{}", line(&call));
    }

    #[test]
    fn the_debugger_needs_a_loopback_address() {
        for local in [
            "127.0.0.1:80",
            "127.0.0.2:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
        ] {
            check(local, &[], Debugger::LikeDebugMode, true);
        }
        for open in [
            "0.0.0.0:80",
            "[::]:80",
            "10.0.0.1:80",
            "[::ffff:0.0.0.0]:80",
        ] {
            check(open, &[], Debugger::Off, false);
        }
    }

    #[test]
    fn the_command_line_may_ask_for_it() {
        let asked = called("0.0.0.0:80", true, &[]);
        assert_eq!(asked.debugger, Debugger::On);
        assert!(line(&asked).ends_with(" --debugger"), "{}", line(&asked));
        check("0.0.0.0:80", &["--debugger"], Debugger::On, false);
        check("127.0.0.1:80", &["--no-debugger"], Debugger::Off, true);
    }

    #[test]
    fn an_address_for_flask_itself_counts() {
        let open: [&[&str]; 5] = [
            &["--host", "0.0.0.0"],
            &["--host=0.0.0.0"],
            &["-h0.0.0.0"],
            &["-h", "example.org"],
            &["--host", "0.0.0.0", "--host", "127.0.0.1"],
        ];
        for more in open {
            check("127.0.0.1:80", more, Debugger::Off, false);
        }
        check(
            "0.0.0.0:80",
            &["-h", "localhost"],
            Debugger::LikeDebugMode,
            true,
        );
        let call = called("0.0.0.0:80", false, &["--host", "::1", "-p", "8080"]);
        assert_eq!(
            (call.address.as_str(), call.port),
            ("[::1]:8080", Some(8080))
        );
        // Whatever flask makes of the rest, it has this address.
        assert!(line(&call).contains("--host ::1 --port 8080 --without"));
    }

    #[test]
    fn the_announcement_says_who_can_do_what() {
        let open = called("0.0.0.0:80", false, &[]).announcement("www-data");
        for part in [
            "0.0.0.0:80",
            "any machine",
            "debugger is off",
            "as www-data",
        ] {
            assert!(open.contains(part), "{open}");
        }
        let asked = called("[::]:80", true, &[]).announcement("dev");
        assert!(
            asked.contains("[::]:80 as dev") && asked.contains("any code as dev"),
            "{asked}"
        );
        let local = called("127.0.0.1:80", false, &[]).announcement("dev");
        assert!(
            local.contains("only this machine") && local.contains("debugger is on"),
            "{local}"
        );
    }
}
