//! A listener as its connections know it.

use super::settings::ListenerKind;
use crate::app::router::Root;

/// By which listener a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// What the listener shows at `/`.
    pub root: Root,
    /// What it speaks.
    pub kind: ListenerKind,
}

impl Entrance {
    /// Returns the listener's ways for a connection that the predecessor began: one that it passes on has no TLS, and a proxy has
    /// announced it already.
    #[must_use]
    pub fn of_adopted(self) -> Self {
        let kind = if self.kind == ListenerKind::Https { ListenerKind::Http } else { self.kind };
        Self { root: self.root.announced(false), kind }
    }
}
