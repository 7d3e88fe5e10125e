//! APScheduler, multiprocessing and ThreadPoolExecutor: work beside the requests.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::life::{Life, THREADS, Trial, assert_arrived};
use crate::wait::until;

/// For a job that runs five times a second, on a loaded machine.
const SOON: Duration = Duration::from_secs(20);

/// What APScheduler logs when a job is due while its process ends, in any Python: at an end, executors take no more jobs
/// before its exit handler stops it.
const TOO_LATE: &str = "cannot schedule new futures after";

/// The processes in which APScheduler's job has run.
fn ran_in(life: &Life) -> BTreeSet<i32> {
    // There is no file before the first job.
    let text = fs::read_to_string(life.state("stock")).unwrap_or_default();
    // The last line may be half written.
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn workers(life: &Life) -> BTreeSet<i32> {
    life.workers().iter().map(|worker| worker.pid).collect()
}

/// The scheduler's thread exists in uWSGI's main process and in none of the workers: the job runs once for all of them.
#[test]
fn apscheduler_from_the_import_runs_beside_the_workers() {
    let mut naive = Trial::new("apscheduler").start();
    naive.wait_for_warning(THREADS);
    naive.live();
    let master = naive.running.uwsgi_master().pid;
    until(SOON, "the job runs in the new main process", || {
        ran_in(&naive).contains(&master).then_some(())
    });
    assert!(ran_in(&naive).is_disjoint(&workers(&naive)));
    naive.stop();
    naive.assert_quiet(&[THREADS, TOO_LATE]);
}

#[test]
fn apscheduler_with_the_key_that_cures_it_runs_in_each_worker() {
    let mut cured = Trial::new("apscheduler").lazy().start();
    cured.live();
    let workers = workers(&cured);
    until(SOON, "the job runs in each worker", || {
        ran_in(&cured).is_superset(&workers).then_some(())
    });
    cured.stop();
    cured.assert_quiet(&[TOO_LATE]);
}

#[test]
fn pools_of_forked_processes() {
    let mut life = Trial::new("multiprocessing").start();
    life.live();
    life.stop();
    // The processes of the pool of the worker that was killed find nobody who takes their results.
    life.assert_quiet(&["BrokenPipeError"]);
}

/// They need a Python that can be run: sys.executable.
#[test]
fn pools_of_new_interpreters() {
    let mut life = Trial::new("multiprocessing").start();
    for method in ["spawn", "forkserver"] {
        life.running.get_ok(&format!("/start/{method}"));
    }
    life.stop();
    life.assert_quiet(&[]);
}

#[test]
fn a_pool_of_threads_finishes_its_work() {
    let mut life = Trial::new("thread_pool").start();
    life.live();
    life.stop();
    life.assert_quiet(&[]);
    assert_arrived(&life.numbers(), life.numbers_in("orders"));
}
