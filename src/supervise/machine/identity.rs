//! How a child is identified: its id, its role, its label.

/// Identifies a child across its restarts. Ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChildId(pub(super) u32);

/// What a child does for the service; decides the order of stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs the application. Stopped last.
    Application,
    /// Accepts requests from clients. Stopped first.
    Proxy,
}

/// A child's name and role, for messages that may be written after the child was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildLabel {
    /// Its name in logs and messages.
    pub(crate) name: &'static str,
    pub(crate) role: Role,
}
