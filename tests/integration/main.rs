//! The launcher from outside: its real binary with the real nginx, uWSGI and Flask.
//!
//! The harness: `service` makes the folder of a service, `launcher` starts the binary, `running` watches it,
//! `output` is what a command has said; `http` and `connection` are the client, `load` is many of them,
//! `account` counts what they had printed;
//! `family` knows the processes, `log` the words, `wait` how to wait without sleeping. `harness` tests all
//! that. The other modules hold one promise each.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod account;
mod connection;
mod family;
mod http;
mod launcher;
mod load;
mod log;
mod output;
mod port;
mod running;
mod service;
mod wait;

mod admin;
mod check;
mod commands;
mod concurrency;
mod dev;
mod fakes;
mod faults;
mod forks;
mod harness;
mod headers;
mod imports;
mod logs;
mod logs_access;
mod logs_exact;
mod logs_stalled;
mod logs_stdout;
mod queue;
mod reload;
mod restart;
mod shutdown;
mod startup;
mod timeouts;
