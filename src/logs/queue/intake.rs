//! What the log still accepts from the children, and what a full queue means then. Pure.

use std::time::Instant;

use crate::logs::options::OnFull;

/// What the pipes held when the children ended may exceed the limit by this many bytes: it comes all at once, and the
/// memory of the children is free by then.
const LEFTOVERS: usize = 16 << 20;

/// What the log accepts from the children; the variants follow each other in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// Everything that they write.
    Open,
    /// Everything that they write, and no child waits for room: they are being stopped, and a child that waits cannot end.
    Stopping,
    /// The children are gone. What is left in their pipes, until this moment at the latest.
    Draining(Instant),
    /// Nothing.
    Closed {
        /// The pipes were read until they were empty.
        drained: bool,
    },
}

impl Intake {
    /// Whether the reader waits for room when the queue is full. Children that are being stopped never wait: they could not
    /// end.
    pub(crate) fn waits_for_room(self, on_full: OnFull) -> bool {
        on_full == OnFull::Block && self == Self::Open
    }

    /// Bytes beyond the limit at which the oldest records are dropped; none when nothing is dropped.
    pub(crate) fn reserve(self, on_full: OnFull) -> Option<usize> {
        match (self, on_full) {
            (Self::Open, OnFull::Block) => None,
            (Self::Open | Self::Stopping, OnFull::Drop) => Some(0),
            (Self::Stopping, OnFull::Block) | (Self::Draining(_) | Self::Closed { .. }, _) => {
                Some(LEFTOVERS)
            }
        }
    }

    /// Whether no more records come from the children.
    pub(crate) fn is_closed(self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Intake, LEFTOVERS};
    use crate::logs::options::OnFull::{Block, Drop};

    #[test]
    fn only_an_open_log_that_drops_nothing_makes_children_wait() {
        let draining = Intake::Draining(Instant::now());
        let closed = Intake::Closed { drained: true };
        for (intake, on_full, waits, reserve) in [
            (Intake::Open, Block, true, None),
            (Intake::Open, Drop, false, Some(0)),
            (Intake::Stopping, Block, false, Some(LEFTOVERS)),
            (Intake::Stopping, Drop, false, Some(0)),
            (draining, Block, false, Some(LEFTOVERS)),
            (draining, Drop, false, Some(LEFTOVERS)),
            (closed, Block, false, Some(LEFTOVERS)),
            (closed, Drop, false, Some(LEFTOVERS)),
        ] {
            assert_eq!(intake.waits_for_room(on_full), waits, "{intake:?}");
            assert_eq!(intake.reserve(on_full), reserve, "{intake:?}");
        }
    }
}
