//! Who may do what: what the configuration says of it, in one piece, which a reload replaces as a whole.

pub(crate) mod allowances;
pub(crate) mod crowd;
pub(crate) mod tokens;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use self::allowances::Allowances;
use self::tokens::Tokens;
use crate::base::network::Network;
use crate::base::rate::Rate;

/// The rules in force. Without any, everybody may do everything.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Who is known; nothing where nobody is asked for a token.
    pub tokens: Option<Tokens>,
    /// How often each client's address may ask.
    pub by_address: Option<ByAddress>,
    /// Proxies that are believed when they say whom they ask for.
    pub proxies: Vec<Network>,
    /// Names in the field Host that are answered, in lower case and without a port; all where there is none.
    pub hosts: Vec<Box<str>>,
    /// Origins whose pages may ask and see the answers; `*` is all.
    pub origins: Vec<Box<str>>,
}

/// How often each client's address may ask, and what each has left.
#[derive(Clone, Debug)]
pub struct ByAddress {
    /// How often.
    pub rate: Rate,
    /// What is left.
    pub allowances: Arc<Allowances>,
}

impl Rules {
    /// Returns whether a proxy at this address is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.has(address))
    }

    /// Returns whether a token of `earlier` allows less by these, or one is needed now where none was.
    #[must_use]
    pub fn take_away_from(&self, earlier: &Self) -> bool {
        match (&earlier.tokens, &self.tokens) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(earlier), Some(now)) => !now.have_all_of(earlier),
        }
    }

    /// Returns the place here of the origin that `earlier` rules have at `place`, if it is still one of these.
    #[must_use]
    pub fn origin_now(&self, earlier: &Self, place: u16) -> Option<u16> {
        let origin = earlier.origins.get(usize::from(place))?;
        u16::try_from(self.origins.iter().position(|one| one == origin)?).ok()
    }

    /// Returns the place in the list of the origin that a page of `origin` goes by.
    #[must_use]
    pub fn origin(&self, origin: &[u8]) -> Option<u16> {
        let is_it = |one: &&str| *one == "*" || one.as_bytes().eq_ignore_ascii_case(origin);
        let at = self.origins.iter().position(|one| is_it(&&**one))?;
        u16::try_from(at).ok()
    }
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
