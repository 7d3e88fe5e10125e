//! numpy and flask[async].

use std::collections::{BTreeMap, BTreeSet};

use super::life::{Life, Trial};

/// The random numbers that two workers have answered.
fn repeated_numbers(life: &Life) -> BTreeSet<String> {
    let mut by_worker = BTreeMap::<i64, BTreeSet<String>>::new();
    for answer in &life.traffic.answers {
        let numbers = by_worker.entry(answer.worker()).or_default();
        numbers.insert(answer.body["random"].to_string());
    }
    let mut seen = BTreeSet::new();
    let all = by_worker.into_values().flatten();
    all.filter(|number| !seen.insert(number.clone())).collect()
}

/// The state of numpy's generator is copied to all workers, and nobody can tell; Python's own is put right after a fork.
#[test]
fn numpy_repeats_the_random_numbers_of_a_generator_from_the_import() {
    let mut naive = Trial::new("numpy").start();
    naive.live();
    let repeated = repeated_numbers(&naive);
    assert!(repeated.len() > 50, "{repeated:?}");
    naive.stop();
    naive.assert_quiet(&[]);

    let mut cured = Trial::new("numpy").lazy().start();
    cured.traffic.send(200);
    let repeated = repeated_numbers(&cured);
    assert!(repeated.is_empty(), "{repeated:?}");
    cured.stop();
    cured.assert_quiet(&[]);
}

#[test]
fn asynchronous_views() {
    let mut life = Trial::new("flask_async").start();
    life.live();
    life.stop();
    life.assert_quiet(&[]);
}
