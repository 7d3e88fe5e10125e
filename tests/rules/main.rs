//! What the source keeps to, and what the launcher makes of a configuration: no service is started here.
//!
//! [`architecture`] reads the source. [`golden`] and [`invalid`] walk the folders of cases beside this one;
//! `UPDATE_GOLDEN=1 cargo test --test rules` writes what they expect, for a person to read in the diff.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::panic, reason = "a test may panic")]

mod architecture;
mod case;
mod files;
mod golden;
mod invalid;
mod nginx_lexer;
mod properties;
mod rust_code;
mod trial;
