//! Generations of configuration and code: the first one, and one for each reload.
//!
//! `runtime_folder` takes the runtime folder. A generation has a folder below the runtime folder (`files`), children (`children`) with an environment
//! (`environment`), and settings that take effect when it is committed. `maker` makes the generations of reloads for
//! the supervisor; `warnings` logs what may be wrong with one; `nginx_state` decides whether a reload needs a new nginx.
#![forbid(unsafe_code)]

pub(crate) mod children;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod maker;
mod nginx_state;
pub(crate) mod runtime_folder;
pub(crate) mod warnings;
