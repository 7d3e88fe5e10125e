//! `top`: the running service on a terminal, each second anew, with keys to look closer and to end a worker.
//!
//! [`session`] is the loop: it asks the launcher, reads keys and draws. What is shown is decided without any effect: `keys`
//! reads the keys, `state` knows what they do, `view` and `rows` what stands in each view, `texts` what is shown on
//! request; `draw` makes the picture of it, with `header` and `grid`, in the `look` of the terminal.

mod draw;
mod grid;
mod header;
mod keys;
mod look;
mod orders;
mod rows;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod texts;
mod view;

pub(crate) use self::session::top;
