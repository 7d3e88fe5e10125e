//! Writing records: from a record to one line of the log, as JSON or as text. Pure.
//!
//! Whatever a record contains, its line is valid, harmless and bounded: it cannot end early, begin another record or control
//! a terminal, and it is at most [`renderer::LINE_MAX`] bytes long. A longer record becomes several lines.
//!
//! Reading order: [`renderer`] writes the records of one source with what stays the same from line to line; `json` and `text`
//! are the two formats (`text_object` for the application's own JSON, `dates` for the lines with the date in text), `chunk`
//! the parts of a record that is too long for one line. [`escape`] makes unknown bytes harmless, [`json_scan`] checks JSON
//! of others before it is copied into ours, `stamp` and `number` are time stamps and figures. `own_record` renders the
//! launcher's own events.
//!
//! The bytes are written to stdout in `pipeline`.

pub(crate) mod chunk;
pub(crate) mod dates;
pub mod escape;
pub(crate) mod json;
pub mod json_scan;
pub(crate) mod number;
pub(crate) mod own_record;
pub mod renderer;
pub(crate) mod stamp;
pub(crate) mod text;
mod text_object;
