//! uWSGI's messages, as its source writes them.

use super::{UwsgiLine, parse, without_query};
use crate::logs::record::Level::{self, Debug, Error, Info, Warn};

#[track_caller]
fn check(line: &str, level: Level, worker: Option<u32>, pid: Option<u32>) {
    assert_eq!(
        parse(line.as_bytes()),
        UwsgiLine { level, worker, pid },
        "{line}"
    );
}

#[test]
fn what_uwsgi_writes() {
    check(
        "*** Starting uWSGI 2.0.31 (64bit) on [Tue Nov 24 16:52:30 2026] ***",
        Debug,
        None,
        None,
    );
    check(
        "spawned uWSGI worker 1 (pid: 123, cores: 1)",
        Debug,
        Some(1),
        Some(123),
    );
    check(
        "Respawned uWSGI worker 12 (new pid: 1234)",
        Info,
        Some(12),
        Some(1234),
    );
    check(
        "DAMN ! worker 2 (pid: 9) died, killed by signal 9 :( trying respawn ...",
        Error,
        Some(2),
        Some(9),
    );
    check(
        "*** HARAKIRI ON WORKER 1 (pid: 5, try: 1) ***",
        Error,
        Some(1),
        Some(5),
    );
    check(
        "!!! uWSGI process 5 got Segmentation Fault !!!",
        Error,
        None,
        Some(5),
    );
    check(
        "...The work of process 5 is done. Seeya!",
        Debug,
        None,
        Some(5),
    );
    check(
        "Gracefully killing worker 2 (pid: 5)...",
        Debug,
        Some(2),
        Some(5),
    );
    check(
        "-- unavailable modifier requested: 100 --",
        Warn,
        None,
        None,
    );
    check("uwsgi_simple_write() TIMEOUT !!!", Warn, None, None);
    check(
        "*** WARNING: you are running uWSGI as root !!! (use the --uid flag) ***",
        Warn,
        None,
        None,
    );
    check(
        "*** uWSGI listen queue of socket \"a\" (fd: 3) full !!! (101/100) ***",
        Warn,
        None,
        None,
    );
    check(
        "unable to load app 0 (mountpoint='') (callable not found or import error)",
        Error,
        None,
        None,
    );
}

#[test]
fn queries_are_left_out() {
    for (line, shown) in [
        (
            "HARAKIRI: --- uWSGI worker 1 core 0 (pid: 5) WAS managing request /x?token=secret since Tue Nov 24 ---",
            "HARAKIRI: --- uWSGI worker 1 core 0 (pid: 5) WAS managing request /x since Tue Nov 24 ---",
        ),
        (
            "uwsgi_read(): Broken pipe [core/io.c line 3] during GET /x?a=b?c (10.0.0.1)",
            "uwsgi_read(): Broken pipe [core/io.c line 3] during GET /x (10.0.0.1)",
        ),
        ("] during GET /x?a", "] during GET /x"),
        ("what? it dies during GET /", "what? it dies during GET /"),
        ("what? it dies] during GET /", "what? it dies] during GET /"),
    ] {
        assert_eq!(without_query(line.as_bytes()), shown.as_bytes());
    }
}

#[test]
fn calls_that_failed() {
    check(
        "uwsgi_response_write_body_do(): Broken pipe [core/writer.c line 341] during GET /",
        Warn,
        None,
        None,
    );
    check(
        "x_do(): Connection timed out [core/writer.c line 341] during GET / (10.0.0.1)",
        Warn,
        None,
        None,
    );
    check(
        "write(): Broken pipe [core/stats.c line 389]",
        Debug,
        None,
        None,
    );
    check(
        "bind(): Address already in use [core/socket.c line 769]",
        Error,
        None,
        None,
    );
    check(
        "open(\"/a\"): No such file or directory [core/io.c line 123]",
        Error,
        None,
        None,
    );
    check(
        "worker 1 killed successfully (pid: 5)",
        Debug,
        Some(1),
        Some(5),
    );
    check("", Info, None, None);
    check("worker x (pid: 99999999999)", Info, None, None);
}

#[test]
fn what_ends_a_start() {
    for line in [
        "[strict-mode] unknown config directive: no-such-option",
        "unable to load configuration from /nowhere.ini",
        "unable to parse config file x",
        "unable to load plugin \"python3\"",
        "!!! UNABLE to load uWSGI plugin: ./python3_plugin.so: cannot open shared object file !!!",
        "--- no python application found, check your startup logs for errors ---",
        "*** no app loaded. going in full dynamic mode ***",
        "probably another instance of uWSGI is running on the same address (:1).",
        "bind(): Permission denied [core/socket.c line 230]",
        "realpath() of /nowhere.ini failed: No such file or directory [core/utils.c line 3662]",
        "uwsgi: unrecognized option '--no-such'",
        "setuid(): Operation not permitted [core/utils.c line 909]",
        "cannot setuid() as non-root user",
        "invalid value for option \"listen\": must be > 0",
        "could not initialize the uwsgi python module",
        "uWSGI error: forbidden option \"x\" (by blacklist)",
        "Listen queue size is greater than the system max net.core.somaxconn (128).",
        "The -s/--socket option is missing and stdin is not a socket.",
        "Wed Nov 25 03:40:37 2026 - need-app requested, destroying the instance...",
        "!!! Python Home is not a directory: /venv !!!",
    ] {
        check(line, Error, None, None);
    }
    check(
        "OOPS ! failed loading app in worker 1 (pid 7)",
        Error,
        Some(1),
        None,
    );
}

/// What 2.0.21 and 2.0.30 have written at starts, reloads and stops that went well.
#[test]
fn the_routine_of_a_start_and_a_stop() {
    for line in [
        "[uWSGI] getting INI configuration from /run/x/1/uwsgi/uwsgi.ini",
        "uwsgi socket 0 inherited UNIX address /run/x/app.sock fd 13",
        "compiled with version: 12.2.0 on 19 May 2023 13:59:29",
        "os: Linux-6.18 #1 SMP PREEMPT_DYNAMIC @0",
        "nodename: host",
        "machine: x86_64",
        "clock source: unix",
        "pcre jit disabled",
        "detected number of CPU cores: 2",
        "current working directory: /opt/x/src",
        "detected binary path: /usr/bin/uwsgi-core",
        "your processes number limit is 96365",
        "your memory page size is 4096 bytes",
        "detected max file descriptor number: 1024",
        "lock engine: pthread robust mutexes",
        "thunder lock: disabled (you can enable it with --thunder-lock)",
        "*** Cache \"x\" initialized: 0MB (key: 2136 bytes, keys: 21360 bytes, data: 655360 bytes, bitmap: 0 bytes) preallocated ***",
        "Python version: 3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]",
        "--- Python VM already initialized ---",
        "Python main interpreter initialized at 0x7f5c2f560018",
        "python threads support enabled",
        "your server socket listen backlog is limited to 1041 connections",
        "your mercy for graceful operations on workers is 31536000 seconds",
        "mapped 7063326 bytes (6897 KB) for 17 cores",
        "*** Operational MODE: preforking+threaded ***",
        "*** uWSGI is running in multiple interpreter mode ***",
        "initialized 68 metrics",
        "chdir() to /srv/src",
        "added /run/x to pythonpath.",
        "metrics collector thread started",
        "cache sweeper thread enabled",
        "*** Stats server enabled on /run/x/1/uwsgi/stats.sock fd: 43 ***",
        "spawned the uWSGI spooler on dir /tmp with pid 31981",
        "Fri Nov 27 20:16:03 2026 - graceful shutdown triggered...",
        "killing the spooler with pid 31849",
        "SIGINT/SIGTERM received...killing workers...",
        "goodbye to uWSGI.",
    ] {
        check(line, Debug, None, None);
    }
    let app =
        "WSGI app 0 (mountpoint='') ready in 1 seconds on interpreter 0x7f pid: 17 (default app)";
    check(app, Debug, None, Some(17));
    for line in [
        "spawned uWSGI master process (pid: 17)",
        "spawned uWSGI mule 1 (pid: 17)",
        "mule 1 (pid: 17) annihilated",
        "spooler (pid: 17) annihilated",
    ] {
        check(line, Debug, None, Some(17));
    }
    for line in [
        "worker 3 buried after 0 seconds",
        "Fri Nov 27 20:15:53 2026 - mem-collector thread started for worker 3",
    ] {
        check(line, Debug, Some(3), None);
    }
    // An unknown line may tell of anything.
    check("hello from a plugin", Info, None, None);
}

#[test]
fn what_only_looks_like_a_failure() {
    for line in [
        "unable to stat() /srv/x, events will be triggered as soon as the file is created",
        "open(\"/srv/x.pid\"): No such file or directory [core/daemons.c line 161]",
        "write(): Broken pipe [core/stats.c line 389]",
    ] {
        check(line, Debug, None, None);
    }
    let folder =
        "uwsgi_spawn_daemon()/chdir(): No such file or directory [core/daemons.c line 321]";
    check(folder, Error, None, None);
}

#[test]
fn failures_of_options() {
    check(
        "ModuleNotFoundError: No module named 'x'",
        Error,
        None,
        None,
    );
    check(
        "Fri Nov 27 05:37:37 2026 - FATAL hook failed, destroying instance",
        Error,
        None,
        None,
    );
}
