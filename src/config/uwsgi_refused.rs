//! The uWSGI options that a service may not set, and what to use instead. Pure.
//!
//! Whether an option works was tried with uWSGI 2.0.21. An option that uWSGI would silently ignore here is refused too:
//! who sets it expects something of it.

use super::values::InvalidValue;

/// Options that the launcher sets itself, or that would change what it sets, with the hint what to use instead. A `*`
/// stands for any end of a name.
const OWNED: &[(&str, &str)] = &[
    (
        "processes workers p cheaper* workers-cheaper cheap idle die-on-idle",
        "there are always as many processes as nginx_config.wsgi_processes says: set that",
    ),
    (
        "threads enable-threads async gevent ugreen asyncio loop",
        "set nginx_config.wsgi_worker_threads_count and wsgi_processes",
    ),
    (
        "uid gid chuid chgid add-gid immediate-uid immediate-gid no-initgroups master-as-root drop-after-init \
         drop-after-apps cap",
        "set nginx_config.user",
    ),
    ("listen", "set nginx_config.queue_size"),
    (
        "harakiri harakiri-graceful-timeout harakiri-graceful-signal harakiri-queue-threshold http-timeout",
        "set nginx_config.request_timeout",
    ),
    (
        "socket s uwsgi-socket* suwsgi-socket puwsgi-socket ssl-socket http http-socket* http11-socket https \
         https-socket* fastcgi-* scgi-* raw-socket raw-modifier* shared-socket undeferred-shared-socket \
         abstract-socket map-socket protocol socket-protocol zerg* ignore-sigpipe ignore-write-errors chmod \
         chmod-socket chown-socket",
        "the launcher owns the sockets; set --listen",
    ),
    (
        "module wsgi wsgi-file wsgi-lite w file eval paste paste-logger pecan pump web3 python-raw mount \
         worker-mount callable pythonpath python-path pp manage-script-name chdir chdir2 force-cwd \
         wsgi-env-behaviour wsgi-env-behavior chroot",
        "the launcher imports `app` from src/main.py",
    ),
    (
        "virtualenv venv home pyhome H",
        "put the virtual environment into the folder venv of the service",
    ),
    (
        "py-executable py-sys-executable py-programname py-program-name pyargv",
        "sys.executable is the Python of the service's virtual environment or of uWSGI, sys.argv that of `flask run`",
    ),
    (
        "plugins plugin need-plugin need-plugins plugins-dir plugin-dir early-plugin",
        "the launcher chooses the Python plugin",
    ),
    (
        "master need-app strict single-interpreter no-orphans die-on-term socket-timeout buffer-size max-vars \
         lazy forkbomb-delay",
        "the launcher depends on its own setting",
    ),
    (
        "stats stats-server master-fifo pidfile pidfile2 safe-pidfile safe-pidfile2 daemonize daemonize2 emperor* \
         early-emperor vassal* touch-reload touch-chain-reload touch-workers-reload fs-reload fs-brutal-reload \
         reload-on-fd brutal-reload-on-fd exit-on-reload py-auto-reload* py-autoreload python-auto-reload \
         python-autoreload worker-exec worker-exec2 python-worker-override privileged-binary-patch* \
         unprivileged-binary-patch* reload-mercy",
        "the launcher starts, watches and reloads uWSGI",
    ),
    (
        "worker-reload-mercy skip-atexit skip-atexit-teardown",
        "set nginx_config.worker_exit_timeout",
    ),
    (
        "py-call-osafterfork py-call-uwsgi-fork-hooks",
        "the launcher calls the functions of os.register_at_fork in every process",
    ),
    (
        "logto logto2 logger logger-req req-logger threaded-logger log-master* log-format logformat log-encoder \
         log-req-* log-route log-drain log-filter log-alarm alarm-log not-log-alarm not-alarm-log log-syslog \
         log-socket log-reopen log-truncate log-maxsize log-backupname touch-logrotate touch-logreopen \
         disable-logging logfile-chown logfile-chmod",
        "uWSGI's log goes through the launcher; nginx writes the access log",
    ),
];

/// Options that cannot work under the launcher: their names, why, and what to use instead.
const UNUSABLE: &[(&str, &str, &str)] = &[
    (
        "ini ini-paste* json js xml xmlconfig yaml yml config fallback-config include inherit inject-* set \
         declare-option* for for-* if-* ifdir ifenv ifexists ifplugin endfor endif end-* blacklist whitelist",
        "config.json alone says which options there are",
        "write the options themselves into uwsgi_config",
    ),
    (
        "hook-as-root exec-as-root call-as-root mount-as-root umount-as-root hook-as-user exec-as-user \
         call-as-user hook-post-jail exec-post-jail call-post-jail mount-post-jail umount-post-jail",
        "uWSGI ignores it when it is not started as root, and the launcher never starts it so",
        "hook-pre-app, exec-pre-app and call-pre-app run as nginx_config.user before the application is imported",
    ),
    (
        "jail* jid* libjail unshare* setns* ns ns-net namespace* pivot-root refork* re-fork* cgroup*",
        "only a uWSGI that is started as root can do it",
        "set it for the whole container",
    ),
    (
        "reload-on-exception* catch-exceptions exception-handler",
        "no exception reaches uWSGI: the request is answered with 500, and the process lives on",
        "use an error handler of the application",
    ),
    (
        "stats-no-cores stats-http",
        "the launcher reads uWSGI's statistics, and ends requests that hang by them",
        "leave it out: the statistics are on a socket in the runtime folder",
    ),
    (
        "shutdown-sockets",
        "the next generation serves on the same socket, and its requests would be refused",
        "leave it out",
    ),
    (
        "tcp-nodelay",
        "the application's socket is a UNIX socket, and uWSGI reports an error for each request",
        "leave it out",
    ),
    (
        "cgi-mode",
        "nginx does not understand such responses",
        "leave it out",
    ),
    (
        "no-site",
        "no installed package could be imported",
        "leave it out",
    ),
    (
        "reload-os-env",
        "with Python 3 it fails in each request",
        "read what changes from a file",
    ),
    (
        "help usage version python-version cflags dot-h config-py build-plugin dump-options print-sym \
         print-symbol extract binary-append-data connect-and-read get test stop reload pause suspend resume exit \
         command-mode no-server python py pyrun pyshell*",
        "uWSGI would not serve the application",
        "run uwsgi itself for it",
    ),
];

/// Why an option may not be set; none when it may.
pub(super) fn refusal(name: &str) -> Option<InvalidValue> {
    let (why, instead) = find(name)?;
    let what = match why {
        None => format!("the uWSGI option {name} is set by the launcher"),
        Some(why) => format!("the uWSGI option {name} cannot work here: {why}"),
    };
    Some(InvalidValue::new(what, instead))
}

/// What to use instead of an option that may not be set; none for one that may.
pub(crate) fn instead_of(name: &str) -> Option<&'static str> {
    find(name).map(|(_, instead)| instead)
}

/// Why an option cannot work, none when the launcher owns it; and what to use instead.
fn find(name: &str) -> Option<(Option<&'static str>, &'static str)> {
    // uWSGI treats - and _ alike in some options only; the check must not be bypassed by the spelling.
    let plain = name.replace('_', "-");
    let owned = OWNED.iter().map(|(names, instead)| (names, None, *instead));
    let unusable = UNUSABLE
        .iter()
        .map(|(names, why, instead)| (names, Some(*why), *instead));
    let found = owned
        .chain(unusable)
        .find(|(names, ..)| includes(names, &plain));
    found.map(|(_, why, instead)| (why, instead))
}

fn includes(names: &str, name: &str) -> bool {
    names
        .split_whitespace()
        .any(|known| match known.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == known,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, what: &str, hint: &str) {
        let error = refusal(name).unwrap();
        assert!(error.what.contains(what), "{error:?}");
        assert!(error.hint.contains(hint), "{error:?}");
    }

    #[test]
    fn owned_options_name_the_key_to_use() {
        check("processes", "set by the launcher", "wsgi_processes");
        check(
            "cheaper-rss-limit-soft",
            "set by the launcher",
            "wsgi_processes",
        );
        check(
            "log_format",
            "log_format is set by the launcher",
            "nginx writes",
        );
        check("http-socket-modifier1", "set by the launcher", "--listen");
    }

    #[test]
    fn unusable_options_say_why() {
        // It would set any other option.
        check(
            "set",
            "cannot work here: config.json alone",
            "the options themselves",
        );
        check("exec-as-root", "ignores it", "exec-pre-app");
        check(
            "reload-on-exception-type",
            "no exception reaches uWSGI",
            "error handler",
        );
        check("stats-no-cores", "statistics", "leave it out");
        check("pivot_root", "started as root", "container");
    }

    #[test]
    fn options_with_similar_names_may_be_set() {
        for name in [
            "set-placeholder",
            "memory-report",
            "log-4xx",
            "log-x-forwarded-for",
            "hook-as-user-atexit",
            "reload-on-rss",
            "stats-minified",
            "import",
            "py-tracebacker",
        ] {
            assert!(refusal(name).is_none(), "{name}");
        }
    }
}
