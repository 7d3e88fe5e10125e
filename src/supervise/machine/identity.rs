//! What a child is called: its id, its role, its label.

/// Identifies a child, over all its restarts. A number is never used twice.
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

/// A child's name and role, for messages about a child that may be forgotten by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildLabel {
    /// Its name in logs and messages.
    pub(crate) name: &'static str,
    /// Its role.
    pub(crate) role: Role,
}
