//! What the source keeps to, and what the launcher makes of a configuration: no service is started here.
//!
//! The rules of the architecture read `src/` as text. Each is a function over source files, which runs on the real tree
//! and, in its trial, on small invented ones that keep and break it: [`layers`] and [`table`], [`circles`], [`purity`]
//! and [`effects`], [`programs`], [`places`], [`names`], [`files`]. They build on [`rust_code`] (source without comments
//! and tests), [`paths`] (what a file names), [`tree`] (which file that is), [`graph`] (circles) and [`report`].
//!
//! [`golden`] and [`invalid`] walk the folders of cases beside this one;
//! `UPDATE_GOLDEN=1 cargo test --test rules` writes what they expect, for a person to read in the diff.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::panic, reason = "a test may panic")]

mod architecture_page;
mod case;
mod circles;
mod effects;
mod files;
mod golden;
mod graph;
mod invalid;
mod layers;
mod names;
mod nginx_lexer;
mod paths;
mod places;
mod programs;
mod properties;
mod purity;
mod report;
mod rust_code;
mod security_page;
mod table;
mod tree;
mod trial;
