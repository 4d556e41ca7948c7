//! Every check by its name: what it is about, what it costs to change, and where that is known from.

mod item;
mod machine;
mod network;
mod operation;

pub use self::item::Item;

/// Returns all checks, in the order of the report.
pub fn all() -> impl Iterator<Item = &'static Item> {
    machine::ITEMS.iter().chain(&network::ITEMS).chain(&operation::ITEMS)
}

/// Returns the check of this name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Item> {
    all().find(|item| item.id == id)
}

/// Returns the place of a check in the report; one that is not in the catalog stands last.
#[must_use]
pub fn rank(id: &str) -> usize {
    all().position(|item| item.id == id).unwrap_or(usize::MAX)
}

/// Returns what is known about a finding's check.
///
/// # Panics
/// When a check has no entry: a mistake in this program, which the tests would find.
#[must_use]
pub fn about(id: &str) -> &'static Item {
    find(id).expect("every check has its entry")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::profile::Profile;

    #[test]
    fn every_setting_of_every_profile_has_its_entry_once() {
        for (name, profile) in Profile::NAMES {
            assert!(profile.sysctls().count() >= 6, "{name}");
            for (key, _) in profile.sysctls() {
                assert_eq!(all().filter(|item| item.id == key).count(), 1, "{name}: {key}");
            }
        }
    }

    #[test]
    fn groups_are_in_one_piece() {
        let mut groups: Vec<&str> = all().map(|item| item.group).collect();
        groups.dedup();
        let mut once = groups.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(groups.len(), once.len(), "{groups:?}");
    }
}
