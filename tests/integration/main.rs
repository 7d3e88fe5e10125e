//! Tests of the launcher's binary with the real nginx, uWSGI and Flask.
//!
//! The harness: `service` makes the folder of a service, `launcher` starts the binary, `surroundings` give it rights, `running` controls it, `output`
//! is the output of a command; `http` and `connection` are the client, `load` runs many of them, `account` counts what
//! their requests have logged, `refusals` holds requests open and reads what others get instead; `uwsgi_life` is a whole
//! life with options of uWSGI; `websocket` is a client of its own; `family` finds processes, `log` collects output, `wait`
//! polls with a deadline. `harness` tests these. Each of the other modules tests one subject.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod abandoned;
mod account;
mod connection;
mod family;
mod http;
mod install;
mod launcher;
mod load;
mod log;
mod memory_group;
mod output;
mod port;
mod refusals;
mod running;
mod runtime_folder;
mod service;
mod surroundings;
mod uwsgi_life;
mod wait;
mod websocket;

mod admin;
mod check;
mod check_import;
mod children_of_imports;
mod children_of_requests;
mod client_limits;
mod commands;
mod concurrency;
mod cut_streams;
mod dev;
mod dev_health;
mod dev_safety;

mod disk_buffer;
mod drain;
mod encoding;
mod environ;
mod environments;
mod event_streams;
mod failures;
mod fakes;
mod faults;
mod few_files;
mod forks;
mod forwarded;
mod framing;
mod hanging;
mod harness;
mod headers;
mod homes;
mod hosts;
mod identity;
mod imports;
mod interpreter;
mod isolation;
mod killed_workers;
mod lazy_apps;
mod leaving;
mod libraries;
mod limits;
mod logs;
mod logs_access;
mod logs_exact;
mod logs_levels;
mod logs_reasons;
mod logs_stalled;
mod logs_stdout;
mod neighbours;
mod out_of_memory;
mod pretenders;
mod privileges;
mod queue;
mod reload;
mod request_body;
mod restart;
mod roles;
mod sandbox;
mod service_environment;
mod shutdown;
mod signals_at_import;
mod slow_clients;
mod slow_senders;
mod socketio;
mod stacks;
mod startup;
mod static_files;
mod telemetry;
mod telemetry_causes;
mod telemetry_exact;
mod terminal;
mod timeouts;
mod top;
mod traces;
mod trust;
mod uwsgi_options;
mod uwsgi_processes;
mod websocket_slots;
mod websockets;
mod worker_deaths;
