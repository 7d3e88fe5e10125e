//! Options of uWSGI in a service's own configuration: those that are accepted work, over its whole life.
//!
//! Options that cannot break others share a service. `uwsgi_processes` has those that start processes.

use serde_json::json;

use crate::uwsgi_life::{By, Tried, live, option};

/// Notes which process has imported the application.
const IMPORTED_BY: &str = "IMPORTED_BY = os.getpid()\n";

/// Options that change little, and need nothing of the application.
fn quiet_options() -> Vec<Tried> {
    vec![
        // The life of a worker, far from any limit.
        option("max-requests", 5000),
        option("min-worker-lifetime", 5),
        option("max-worker-lifetime", 3600),
        option("max-worker-lifetime-delta", 60),
        option("reload-on-rss", 2048),
        option("evil-reload-on-rss", 4096),
        option("reload-on-as", "8192"),
        option("evil-reload-on-as", 16384),
        option("mem-collector-freq", 5),
        option("harakiri-verbose", true),
        option("harakiri-no-arh", true),
        option("no-threads-wait", true),
        option("check-interval", 2),
        // What is logged and shown.
        option("memory-report", true),
        option("log-4xx", true),
        option("log-5xx", true),
        option("log-slow", 5000),
        option("log-big", 1_000_000),
        option("log-micros", true),
        option("log-x-forwarded-for", true),
        option("stats-minified", true),
        option("stats-no-metrics", true),
        option("procname-append", "-appended"),
        option("procname-master", "the-master"),
        option("show-config", true),
        // What a process may do.
        option("umask", "027").gives("os.umask(0o27)", "23"),
        option("cpu-affinity", 1).gives("len(os.sched_getaffinity(0))", "1"),
        option("limit-as", 4096).gives(
            "__import__('resource').getrlimit(9)",
            "(4294967296, 4294967296)",
        ),
        option("limit-nproc", 4096),
        option("prio", 1).gives("os.getpriority(0, 0)", "1"),
        option("env", json!(["GREETING=a b", "EMPTY="]))
            .gives("os.environ['GREETING'], os.environ['EMPTY']", "('a b', '')"),
        option("unenv", "HOME").gives("'HOME' in os.environ", "False"),
        option("set-placeholder", "colour=red").gives("uwsgi.opt['colour']", "b'red'"),
        option("file-write", "STATE/written=by uWSGI")
            .gives("open(STATE + '/written').read()", "'by uWSGI\\n'"),
        option("threads-stacksize", 512),
        option("ksm", true),
        // Sockets.
        option("vacuum", true),
        option("reuse-port", true),
        option("close-on-exec2", true),
        option("honour-stdin", true),
        option("so-keepalive", true),
        option("so-send-timeout", 10),
        option("socket-sndbuf", 65536),
        option("no-defer-accept", true),
        option("post-buffering", 8192),
        option("post-buffering-bufsize", 65536),
        option("body-read-warning", 8),
        option("limit-post", 1_000_000),
        option("write-errors-exception-only", true),
        option("write-errors-tolerance", 3),
        option("disable-sendfile", true),
        option("ignore-script-name", true),
    ]
}

#[test]
fn quiet_options_with_processes() {
    live(By::Processes, &quiet_options(), "");
}

#[test]
fn quiet_options_with_threads() {
    live(By::Threads, &quiet_options(), "");
}

/// What the launcher sets as well, and switches that are off in each way that uWSGI knows.
#[test]
fn options_that_are_set_twice_or_off() {
    let options = [
        option("auto-procname", false),
        option("procname-prefix-spaced", json!(["first", "second"])),
        option("close-on-exec", false),
        option("disable-write-exception", "no"),
        option("wsgi-disable-file-wrapper", false)
            .gives("'wsgi.file_wrapper' in request.environ", "True"),
        option("memory-report", false),
        option("vacuum", "off"),
        option("thunder-lock", 0),
        // The entry module understands it as uWSGI does.
        option("lazy-apps", "OFF")
            .gives("os.getpid() == IMPORTED_BY", "False")
            .gives("sys.modules['microservice_flask_entry']._in_master", "True"),
        option("max-requests", 0),
        option("max-worker-lifetime", "0"),
        option("log-zero", true),
        option("honour-range", "0"),
        option("procname", "named"),
        option("procname-prefix", "before-"),
        option("log-date", true),
    ];
    live(By::Processes, &options, IMPORTED_BY);
}

#[test]
fn workers_that_are_recycled_by_requests() {
    let options = [
        option("max-requests", 5).says("Respawned uWSGI worker 1"),
        option("min-worker-lifetime", 0),
        option("thunder-lock", true),
    ];
    live(By::Processes, &options, "");
}

#[test]
fn workers_that_are_recycled_by_age_and_memory() {
    let options = [
        option("max-worker-lifetime", 2).says("lifetime reached"),
        option("max-worker-lifetime-delta", 1),
        option("min-worker-lifetime", json!("1")),
        option("reload-on-rss", 1),
    ];
    // With threads, uWSGI may cancel one that has just accepted a connection: nginx repeats the request, and says so.
    live(By::Processes, &options, "");
}

#[test]
fn an_import_in_each_process() {
    let lazy = || option("lazy-apps", true).gives("os.getpid() == IMPORTED_BY", "True");
    live(By::Processes, &[lazy()], IMPORTED_BY);
    live(
        By::Threads,
        &[lazy(), option("thunder-lock", true)],
        IMPORTED_BY,
    );
}

/// Memory that the processes share. uWSGI starts threads for some of it.
#[test]
fn shared_memory() {
    let options = [
        option(
            "cache2",
            json!(["name=things,items=100", "name=others,items=10"]),
        )
        .gives(
            "uwsgi.cache_update('k', b'v', 0, 'others'), uwsgi.cache_get('k', 'others')",
            "(True, b'v')",
        ),
        option("cache-report-freed-items", true),
        option("queue", 100).gives("uwsgi.queue_push(b'x'), uwsgi.queue_pop()", "(True, b'x')"),
        option("queue-blocksize", 4096),
        option("queue-store", "STATE/queue"),
        option("locks", 5).gives("uwsgi.lock(4), uwsgi.unlock(4)", "(None, None)"),
        option("sharedarea", 2).gives(
            "uwsgi.sharedarea_write(0, 0, b'x'), uwsgi.sharedarea_read(0, 0, 1)",
            "(None, b'x')",
        ),
        option("enable-metrics", true).gives("uwsgi.metric_get('worker.0.requests') >= 0", "True"),
        option("metric", "name=mine").gives("uwsgi.metric_inc('mine')", "True"),
        option("metrics-no-cores", true),
        option("alarm", "loud cmd:cat"),
        option("rpc-max", 16),
    ];
    live(By::Processes, &options, "");
    live(By::Threads, &options, "");
}

#[test]
fn what_uwsgi_does_to_requests() {
    let options = [
        option("route", "^/version addheader:X-Routed: yes").answers("/version", "X-Routed"),
        option("route-uri", "^/gone break:204 Nothing").answers("/gone", "204 "),
        option("route-run", "addvar:COLOUR=red").gives("request.environ['COLOUR']", "'red'"),
        option("final-route", "^/version addheader:X-Last: yes"),
        option("add-header", "X-Added: yes").answers("/version", "X-Added"),
        option("del-header", "X-Nothing"),
        option("collect-header", "Content-Type KIND"),
        option("static-map", "/code=SRC").answers("/code/main.py", "200 "),
        option("check-static", "SRC").answers("/main.py", "200 "),
        option("static-index", "index.html"),
        option("static-safe", "SRC"),
        option("static-skip-ext", ".pyc"),
        option("static-expires", "/* 77").answers("/code/main.py", "Expires"),
        option("static-gzip-all", true),
        option("offload-threads", 2),
        option("honour-range", true),
        option("log-zero", true),
        option("response-headers-limit", 64),
    ];
    live(By::Processes, &options, "");
    live(By::Threads, &options, "");
}

#[test]
fn python_as_uwsgi_sets_it_up() {
    let module = "
import sys
def imported(name):
    return name in sys.modules
";
    let options = [
        option("import", "json.tool").gives("imported('json.tool')", "True"),
        option("pyimport", "wave").gives("imported('wave')", "True"),
        option("shared-import", "colorsys").gives("imported('colorsys')", "True"),
        option("py-tracebacker", "STATE/traceback"),
        option("optimize", 1).gives("sys.flags.optimize", "1"),
        option("wsgi-strict", true),
        option("wsgi-accept-buffers", true),
        option("start_response-nodelay", true),
        option("pymodule-alias", "nick=SRC/main.py"),
    ];
    live(By::Processes, &options, module);
    live(By::Threads, &options, module);
}
