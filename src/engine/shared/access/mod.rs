//! Who may do what: what the configuration says of it, in one piece, which a reload replaces as a whole.

pub(crate) mod tokens;

use std::sync::{Arc, PoisonError, RwLock};

use self::tokens::Tokens;

/// The rules in force. Without any, everybody may do everything.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Who is known; nothing where nobody is asked for a token.
    pub tokens: Option<Tokens>,
}

/// The rules that a server goes by now.
pub struct RulesInForce(RwLock<Arc<Rules>>);

impl RulesInForce {
    /// Returns a place with these rules.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self(RwLock::new(rules))
    }

    /// Returns them.
    #[must_use]
    pub fn get(&self) -> Arc<Rules> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces them.
    pub fn set(&self, rules: Arc<Rules>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }
}
