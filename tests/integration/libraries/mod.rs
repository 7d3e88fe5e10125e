//! Services with real libraries from PyPI, each in its own virtual environment: tests/libraries/NAME. Each starts, answers
//! 200 requests with four slots, reloads under load, loses a worker by SIGKILL, and stops. docs/libraries.md has what holds.
//!
//! `venv` makes the environments, `servers` starts databases and a stand-in for all that receives; `traffic` asks, `life`
//! is the life of one service, `alarms` finds what the log should not say. Each of the other modules has some libraries.
//!
//! Where PyPI is not in reach these tests fail, and say that they did not run: none of them passes in silence.

mod alarms;
mod life;
mod servers;
mod traffic;
mod venv;

mod background;
mod clients;
mod computing;
mod databases;
mod logging;
mod telemetry;
