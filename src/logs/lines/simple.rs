//! Records that need no knowledge of their source. Pure.

use super::grouping::JoinedRecord;
use crate::logs::queue::batch::Batch;
use crate::logs::record::{Detail, Level, Moment, Origin, Record};
use crate::logs::writing::renderer::Renderer;

/// Writes lines that belong together as one record.
pub(super) fn write_joined(renderer: &mut Renderer, joined: JoinedRecord<'_>, batch: &mut Batch) {
    let record = Record {
        at: joined.at,
        level: joined.level.unwrap_or(Level::Info),
        message: joined.text,
        origin: joined.origin,
        detail: Detail::None,
    };
    renderer.record(&record, batch);
}

/// A record of a line of which nothing but the level is known.
pub(super) fn plain(message: &[u8], now: Moment, level: Level) -> Record<'_> {
    Record {
        at: now.wall,
        level,
        message,
        origin: Origin::default(),
        detail: Detail::None,
    }
}
