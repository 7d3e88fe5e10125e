//! loguru and structlog.

use super::life::{Trial, assert_arrived};
use crate::log::Line;

/// The thread that writes is in uWSGI's main process, and the workers' lines reach it through a pipe. They share the lock
/// of that pipe, so one that is killed while it holds the lock stops all others: no worker is killed here.
#[test]
fn loguru_from_the_import_writes_for_all_workers() {
    let mut naive = Trial::new("loguru").start();
    naive.traffic.send(200);
    naive.reload();
    naive.stop();
    assert_arrived(&naive.numbers(), naive.numbers_in("orders"));
    naive.assert_quiet(&[]);
}

#[test]
fn loguru_with_the_key_that_cures_it_writes_in_each_worker() {
    let mut cured = Trial::new("loguru").lazy().start();
    cured.live();
    cured.stop();
    assert_arrived(&cured.numbers(), cured.numbers_in("orders"));
    cured.assert_quiet(&[]);
}

#[test]
fn structlog() {
    let mut life = Trial::new("structlog").start();
    life.live();
    life.stop();
    life.assert_quiet(&[]);
    let is_order = |line: &Line| line.is_from("app.stdout") && line.str("level") == "info";
    let records = life.running.log.filter(is_order);
    let numbers = records
        .iter()
        .filter_map(|line| line.json["app"]["number"].as_u64());
    assert_arrived(&life.numbers(), numbers);
}
