//! The rows of the table: fault, load and expectation.

use std::time::Duration;

use serde_json::json;

use crate::launcher::Launcher;
use crate::service::{Service, importing};

use super::hang::{HARD, SOFT, T};
use super::{
    After, Begin, CLIENTS, Failed, Fault, Longest, SLOTS, Scene, clients, crash, ends, flood, hang,
    reload,
};

/// A fault that fails no request and may only delay some.
const ROW: Fault = Fault {
    name: "",
    service: slots,
    launcher: as_it_is,
    begin: Begin::Ready,
    path: "/delay/0.02",
    inject: |_| {},
    failed: Failed::None,
    longest: Longest::Crash,
    after: After::Ready,
};

/// A request in a stopped process waits for this long.
const STANDS_STILL: Longest = Longest::AtMost(Duration::from_secs(5));
const AFTER_T: Longest = Longest::AtMost(T.saturating_add(SOFT));
const LONG_AFTER_T: Longest = Longest::AtMost(T.saturating_add(HARD));

const fn row(name: &'static str, inject: fn(&mut Scene)) -> Fault {
    Fault {
        name,
        inject,
        ..ROW
    }
}

fn slots() -> Service {
    Service::with_slots(u32::try_from(SLOTS).unwrap())
}

fn threads() -> Service {
    Service::with_threads(u32::try_from(SLOTS).unwrap())
}

fn slow_import() -> Service {
    slots().with_prelude(&importing("time.sleep(120)"))
}

fn with_a_file() -> Service {
    slots().file("src/static/flood.bin", &"x".repeat(flood::FILE))
}

/// With room for two bodies of up to 1,000,000 bytes.
fn small_buffer() -> Service {
    Service::new().nginx_config(&json!({
        "wsgi_worker_threads_count": SLOTS, "disk_buffer_size": "16m", "max_body_size": 1_500_000}))
}

fn as_it_is(launcher: Launcher) -> Launcher {
    launcher
}

fn few_descriptors(launcher: Launcher) -> Launcher {
    launcher.through(&["prlimit", "--nofile=128:128"])
}

pub(super) const FAULTS: &[Fault] = &[
    row("kill -9 uWSGI master", crash::kill_uwsgi_master),
    Fault {
        service: threads,
        ..row("kill -9 uWSGI master, threads", crash::kill_uwsgi_master)
    },
    row("kill -9 nginx master", crash::kill_nginx_master),
    row("kill -9 a uWSGI worker", crash::kill_uwsgi_worker),
    row("kill -9 all uWSGI workers", crash::kill_all_uwsgi_workers),
    // Each client has at most one request in it.
    Fault {
        failed: Failed::Hit(CLIENTS),
        ..row("kill -9 an nginx worker", crash::kill_nginx_worker)
    },
    Fault {
        failed: Failed::Hit(CLIENTS),
        ..row("kill -9 all nginx workers", crash::kill_all_nginx_workers)
    },
    row("SIGSTOP uWSGI master, 3 s", crash::stop_uwsgi_master),
    row("SIGSTOP nginx master, 3 s", crash::stop_nginx_master),
    row("SIGSTOP launcher, 3 s", crash::stop_launcher),
    Fault {
        longest: STANDS_STILL,
        ..row("SIGSTOP a uWSGI worker, 3 s", crash::stop_uwsgi_worker)
    },
    Fault {
        longest: STANDS_STILL,
        ..row("SIGSTOP an nginx worker, 3 s", crash::stop_nginx_worker)
    },
    Fault {
        longest: Longest::AtMost(Duration::from_secs(13)),
        ..row(
            "SIGSTOP an nginx worker, 10 s",
            crash::stop_nginx_worker_for_long,
        )
    },
    // request_timeout + 10 s, at least 20 s; the requests that the workers had are lost.
    Fault {
        service: hang::processes,
        failed: Failed::Hit(SLOTS),
        longest: Longest::AtMost(Duration::from_secs(26)),
        ..row(
            "SIGSTOP uWSGI and all its workers, for ever",
            crash::stop_uwsgi_for_ever,
        )
    },
    row("segfault in a request", crash::segfault),
    row("os._exit in a request", crash::exit_in_a_request),
    row("a worker that dies under a request, once", crash::die_once),
    Fault {
        service: hang::processes,
        ..row("hung request × 1", hang::one)
    },
    Fault {
        service: hang::processes,
        ..row("hung request × N - 1", hang::all_but_one)
    },
    Fault {
        service: hang::processes,
        longest: AFTER_T,
        ..row("hung request × N", hang::all)
    },
    Fault {
        service: hang::processes,
        ..row("endless loop × 1", hang::spin)
    },
    Fault {
        service: hang::processes,
        ..row(
            "hung behind except Exception",
            hang::behind_except_exception,
        )
    },
    Fault {
        service: hang::processes,
        ..row("hung in C × 1", hang::one_in_c)
    },
    Fault {
        service: hang::processes,
        longest: LONG_AFTER_T,
        ..row("hung in C × N", hang::all_in_c)
    },
    Fault {
        service: hang::processes,
        ..row("hung behind except BaseException", hang::swallow)
    },
    Fault {
        service: hang::threads,
        ..row("hung request × 1, threads", hang::naps)
    },
    Fault {
        service: hang::threads,
        longest: AFTER_T,
        ..row("hung request × N, threads", hang::all_naps)
    },
    Fault {
        service: hang::threads,
        ..row("blocked in a system call × 1, threads", hang::one_blocked)
    },
    Fault {
        service: hang::threads,
        longest: LONG_AFTER_T,
        ..row("blocked in a system call × N, threads", hang::all_blocked)
    },
    row("reload: import error", reload::import_error),
    row("reload: syntax error", reload::syntax_error),
    row("reload: no app", reload::no_app),
    row("reload: wrong config", reload::wrong_config),
    row("reload: broken nginx snippet", reload::broken_snippet),
    row("reload: health check fails", reload::sick),
    row("reload × 10 with code changes", reload::ten_times),
    Fault {
        path: "/delay/0.1",
        longest: Longest::CalmP99Times(3),
        ..row("reload × 10, longest wait against calm", reload::ten_times)
    },
    row("reload × 3 by SIGHUP", reload::by_signal),
    row("reload × 4 at once", reload::asked_by_four_at_once),
    Fault {
        service: threads,
        ..row(
            "reload × 10 with code changes, threads",
            reload::ten_times_with_threads,
        )
    },
    row(
        "reload: more slots, other nginx.conf",
        reload::into_more_slots,
    ),
    row("reload after a crash of nginx", reload::after_a_crash),
    row(
        "reload with slow requests in flight",
        reload::with_slow_requests,
    ),
    Fault {
        launcher: Launcher::on_a_small_disk,
        ..row("runtime folder's disk full", clients::disk_full)
    },
    Fault {
        launcher: few_descriptors,
        ..row("file descriptors exhausted", clients::no_descriptors_left)
    },
    row(
        "clients that send a byte a second",
        clients::a_byte_a_second,
    ),
    row("clients whose body dawdles", clients::a_body_that_dawdles),
    row("clients that never read", clients::never_read),
    row("clients that hang up", clients::clients_that_hang_up),
    row("POST body nobody reads", clients::a_body_nobody_reads),
    row("header of 20 kB", clients::a_header_of_20_kb),
    row("10,000 connections, dropped", flood::opened_and_dropped),
    row("600 half requests", flood::half_requests),
    Fault {
        service: with_a_file,
        ..row("300 pipelined requests", flood::pipelined)
    },
    Fault {
        service: with_a_file,
        ..row("thousands of ranges of a file", flood::range_flood)
    },
    Fault {
        service: small_buffer,
        ..row("200 uploads that break off", flood::broken_uploads)
    },
    Fault {
        failed: Failed::OnlyRefused,
        after: After::Ended,
        ..row("stop under load", ends::stop_under_load)
    },
    Fault {
        failed: Failed::OnlyRefused,
        after: After::Ended,
        ..row(
            "stop with slow requests in flight",
            ends::stop_with_slow_requests,
        )
    },
    Fault {
        failed: Failed::OnlyRefused,
        after: After::Ended,
        ..row("stop after a crash of nginx", ends::stop_after_a_crash)
    },
    Fault {
        failed: Failed::OnlyRefused,
        after: After::Ended,
        ..row("stop during reload", ends::stop_during_reload)
    },
    Fault {
        failed: Failed::OnlyRefused,
        after: After::Ended,
        ..row("reload during a stop", ends::reload_during_stop)
    },
    // Requests before the application is loaded cannot be answered.
    Fault {
        service: slow_import,
        begin: Begin::Importing,
        failed: Failed::Any,
        longest: Longest::Any,
        after: After::Ended,
        ..row("stop during start", ends::stop_during_start)
    },
    Fault {
        failed: Failed::Any,
        longest: Longest::Any,
        after: After::Ended,
        ..row("kill -9 launcher", ends::launcher_killed)
    },
];
