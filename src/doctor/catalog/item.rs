//! What the catalog says of one check.

/// What is known about a check before it is made.
#[derive(Debug)]
pub struct Item {
    /// Its name: that of the kernel's setting, or group and subject.
    pub id: &'static str,
    /// The group on the screen.
    pub group: &'static str,
    /// What changing it risks.
    pub risk: &'static str,
    /// What it changes for the server.
    pub effect: &'static str,
    /// Where that is from.
    pub source: &'static str,
    /// The whole story.
    pub why: &'static str,
}

/// What a change risks that risks nothing.
pub(super) const SAFE: &str = "safe";

/// Returns what is known about one check.
pub(super) const fn item(
    group: &'static str,
    id: &'static str,
    risk: &'static str,
    effect: &'static str,
    source: &'static str,
    why: &'static str,
) -> Item {
    Item { id, group, risk, effect, source, why }
}
