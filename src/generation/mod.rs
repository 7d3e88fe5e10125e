//! Generations of configuration and code: the first one, and one for each reload.
//!
//! A generation has a folder below the runtime folder (`files`), children (`children`) whose environment is `environment`,
//! and settings that become valid when it serves. `maker` makes those of reloads for the
//! supervisor; `nginx_state` tells whether a reload needs another nginx.
#![forbid(unsafe_code)]

pub(crate) mod children;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod maker;
mod nginx_state;
