//! SQLAlchemy and psycopg, whose pools hold connections that no two processes may share.

use super::life::{CONNECTIONS, Life, THREADS, Trial, as_numbers, assert_arrived};
use super::servers::Server;

/// The life of a service whose rows are all there at its end.
fn keeps_its_rows(mut life: Life) {
    life.live();
    let report = life.report();
    let rows = report["numbers"].as_array().unwrap();
    assert_arrived(&life.numbers(), as_numbers(rows));
    life.stop();
    life.assert_quiet(&[]);
}

fn with_database(name: &'static str, scheme: &str, server: &Server) -> Trial {
    let url = format!("{scheme}://postgres@127.0.0.1:{}/postgres", server.port);
    Trial::new(name).env("DATABASE_URL", url)
}

#[test]
fn sqlalchemy_with_sqlite() {
    keeps_its_rows(Trial::new("sqlalchemy").start());
}

/// The connection that made the tables goes back to the pool, and all workers inherit it.
#[test]
fn sqlalchemy_with_postgresql_is_warned_of_the_connection_from_the_import() {
    let server = Server::postgresql();
    let service = || with_database("sqlalchemy", "postgresql+psycopg", &server);
    let naive = service().start();
    let warning = naive.wait_for_warning(CONNECTIONS);
    assert!(
        warning.text.contains(&server.port.to_string()),
        "{}",
        warning.text
    );
    drop(naive);

    let make = "Base.metadata.create_all(engine)\n";
    let cured = service().instead(make, &format!("{make}engine.dispose()\n"));
    keeps_its_rows(cured.start());
}

/// The pool's threads open its connections; neither are of use in a worker.
#[test]
fn psycopg_is_warned_of_the_pool_from_the_import() {
    let server = Server::postgresql();
    let schema = include_str!("../../libraries/psycopg_pool/schema.sql");
    server.ask_postgresql(schema).unwrap();
    let service = || with_database("psycopg_pool", "postgresql", &server);
    let naive = service().start();
    // Whether the threads have connected before the fork, and so whether there is a warning of that, is chance.
    naive.wait_for_warning(THREADS);
    drop(naive);

    keeps_its_rows(service().lazy().start());
}
