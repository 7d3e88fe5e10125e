//! Options with which uWSGI starts processes beside its workers, runs programs, or calls the application by itself.

use serde_json::json;

use crate::uwsgi_life::{By, live, option};

/// Signals of uWSGI, a spooler, and messages for mules.
const CALLED: &str = "
uwsgi.register_signal(7, 'worker', lambda number: note('signal-7'))
uwsgi.register_signal(8, 'worker', lambda number: note('signal-8'))
uwsgi.register_signal(9, 'mule', lambda number: note('signal-9'))
def spooled(arguments):
    note('spooled')
    return uwsgi.SPOOL_OK
uwsgi.spooler = spooled
";

#[test]
fn mules_and_spoolers() {
    let options = [
        option("mules", 2).gives("uwsgi.mule_msg(b'x', 1)", "True"),
        option("farm", "field:1,2").gives("uwsgi.farm_msg('field', b'x')", "None"),
        option("mule-reload-mercy", 2),
        option("mule-harakiri", 10),
        option("touch-mules-reload", "STATE/mules"),
        option("spooler", "STATE/spool")
            .gives("uwsgi.spool({b'a': b'b'}) is not None", "True")
            .notes("spooled"),
        option("spooler-processes", 2),
        option("spooler-frequency", 1),
        option("spooler-max-tasks", 10),
        option("spooler-harakiri", 10),
        option("spooler-ordered", true),
        option("spooler-quiet", true),
        option("spooler-import", "json"),
        option("touch-spoolers-reload", "STATE/spoolers"),
        option("rbtimer", "9 1").notes("signal-9"),
        option("hook-as-mule", "print:as a mule").says("as a mule"),
    ];
    live(By::Processes, &options, CALLED);
    live(By::Threads, &options, CALLED);
}

#[test]
fn a_mule_of_its_own_with_an_import_in_each_process() {
    let options = [
        option("lazy-apps", true),
        option("mule", "SRC/mule.py").notes("mule"),
        option("spooler", "STATE/spool"),
    ];
    live(By::Processes, &options, "");
}

#[test]
fn timers_and_programs_beside_the_workers() {
    let options = [
        option("timer", "7 1").notes("signal-7"),
        option("signal-timer", "8 1").notes("signal-8"),
        option("cron", "-1 -1 -1 -1 -1 touch STATE/cron").says("exited after"),
        option("unique-cron", "-1 -1 -1 -1 -1 true"),
        option("cron-harakiri", 10),
        option("attach-daemon", json!(["sleep 600", "sh -c 'sleep 601'"])).says("sleep 600"),
        option("attach-daemon2", "cmd=sleep 602,stopsignal=15"),
        option("smart-attach-daemon2", "STATE/daemon.pid sleep 603")
            .gives("os.path.exists(STATE + '/daemon.pid')", "True"),
        option("daemons-honour-stdin", true),
        option("touch-exec", "STATE/touched true"),
        option("touch-signal", "STATE/touched 7"),
        option("fs-signal", "SRC 7"),
    ];
    live(By::Processes, &options, CALLED);
}

#[test]
fn hooks_and_programs_of_each_phase() {
    let options = [
        option("hook-asap", "print:asap comes").says("asap comes"),
        option("hook-pre-jail", "print:pre jail comes").says("pre jail comes"),
        option("hook-in-jail", "print:in jail comes").says("in jail comes"),
        option("hook-pre-app", "print:pre app comes").says("pre app comes"),
        option("hook-post-app", "print:post app comes").says("post app comes"),
        option(
            "hook-master-start",
            json!([
                "print:master comes",
                "unix_signal:15 gracefully_kill_them_all"
            ]),
        )
        .says("master comes"),
        option("hook-post-fork", "print:post fork comes").says("post fork comes"),
        option("hook-accepting", "print:accepting comes").says("accepting comes"),
        option("hook-accepting-once", "print:accepting once"),
        option("hook-accepting1", "exec:true"),
        option("hook-accepting1-once", "exec:true"),
        option("hook-as-user-atexit", "print:at the end"),
        option("hook-touch", "STATE/touched print:a: touched"),
        option("exec-asap", "echo program asap").says("program asap"),
        option("exec-pre-jail", "true"),
        option("exec-in-jail", "true"),
        option("exec-pre-app", "echo program before").says("program before"),
        option("exec-post-app", "echo program after").says("program after"),
        option("exec-as-user-atexit", "true"),
    ];
    live(By::Processes, &options, "");
    live(By::Threads, &options, "");
}
