//! What a request may do: the scope that its route needs, and the scopes that a token has.

use std::fmt;

use super::shown::Shown;
use crate::http::method::Method;

/// One kind of things that a token allows. None includes another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To see what is kept.
    Read,
    /// To add to it, or to change it.
    Write,
    /// To remove from it.
    Delete,
    /// To see how the host does.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Delete, Self::Admin];

    /// Returns the word for it in a file of tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    /// Returns the scope of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever has the scope of its method: see [`scope_of`].
    ByMethod,
    /// Everybody: a page, a file of the program, or a question whether the server is there.
    Open,
    /// Whoever has the scope `admin`: it tells of the host.
    Admin,
}

/// Returns the scope that a request needs; nothing for one that is open. `writes` says that a GET has effects.
#[must_use]
pub fn scope_of(access: Access, writes: bool, method: Method) -> Option<Scope> {
    match (access, method) {
        (Access::Open, _) => None,
        (Access::Admin, _) => Some(Scope::Admin),
        (Access::ByMethod, Method::Delete) => Some(Scope::Delete),
        (Access::ByMethod, Method::Get | Method::Head | Method::Options) if !writes => Some(Scope::Read),
        (Access::ByMethod, _) => Some(Scope::Write),
    }
}

/// A set of scopes, each for all applications or for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<(Option<Box<str>>, Scope)>);

impl Scopes {
    /// Reads scopes with commas in between, such as `read,shelf:write`, of which `apps` are the applications there are.
    ///
    /// # Errors
    /// Returns what is wrong, as an operator may read it.
    pub fn parse(text: &str, apps: &[&str]) -> Result<Self, String> {
        let mut scopes = Self::default();
        for word in text.split(',') {
            let (app, name) = word.split_once(':').map_or((None, word), |(app, name)| (Some(app), name));
            let scope = Scope::named(name).ok_or_else(|| {
                let word = Shown(word);
                format!("{word} is no scope; there are read, write, delete and admin")
            })?;
            if let Some(app) = app {
                if !apps.contains(&app) {
                    return Err(format!("{} is no application; there are {}", Shown(app), apps.join(", ")));
                }
                if scope == Scope::Admin {
                    return Err("admin is about the host, so it can't be for one application".to_owned());
                }
            }
            let one = (app.map(Into::into), scope);
            if scopes.0.contains(&one) {
                return Err(format!("{word:?} stands there twice"));
            }
            scopes.0.push(one);
        }
        Ok(scopes)
    }

    /// Returns whether they allow this to the application `app`.
    #[must_use]
    pub fn allow(&self, app: &str, scope: Scope) -> bool {
        self.0.iter().any(|(of, one)| *one == scope && of.as_deref().is_none_or(|of| of == app))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (app, scope)) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            if let Some(app) = app {
                write!(f, "{app}:")?;
            }
            f.write_str(scope.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPS: [&str; 2] = ["pixel", "board"];

    #[test]
    fn scopes_are_read_as_they_are_shown_and_include_nothing_else() {
        let scopes = Scopes::parse("read,pixel:write,admin", &APPS).unwrap();
        assert_eq!(scopes.to_string(), "read,pixel:write,admin");
        let allowed = |app| Scope::ALL.map(|scope| scopes.allow(app, scope));
        assert_eq!(allowed("pixel"), [true, true, false, true]);
        assert_eq!(allowed("board"), [true, false, false, true]);
        assert_eq!(Scopes::default().to_string(), "");
    }

    #[test]
    fn what_is_no_scope_is_refused_by_name() {
        for (text, part) in [
            ("", "\"\" is no scope"),
            ("read,", "\"\" is no scope"),
            ("READ", "\"READ\" is no scope"),
            ("all", "there are read, write, delete and admin"),
            ("fax:read", "\"fax\" is no application; there are pixel, board"),
            ("pixel:admin", "admin is about the host"),
            ("read,read", "twice"),
            ("pixeld_0123", "(11 bytes, not shown: it may be a token) is no scope"),
            ("read:pixeld_0123", "(16 bytes, not shown: it may be a token) is no scope"),
            ("pixeld_0123:read", "(11 bytes, not shown: it may be a token) is no application"),
        ] {
            let refused = Scopes::parse(text, &APPS).unwrap_err();
            assert!(refused.contains(part), "{text:?}: {refused}");
        }
    }

    #[test]
    fn a_method_says_its_scope_unless_the_route_does() {
        let by = |writes, method| scope_of(Access::ByMethod, writes, method);
        for method in [Method::Get, Method::Head] {
            assert_eq!((by(false, method), by(true, method)), (Some(Scope::Read), Some(Scope::Write)));
        }
        for method in [Method::Post, Method::Put, Method::Patch, Method::PropFind] {
            assert_eq!(by(false, method), Some(Scope::Write), "{method:?}");
        }
        assert_eq!(by(true, Method::Delete), Some(Scope::Delete));
        assert_eq!(scope_of(Access::Open, true, Method::Post), None);
        assert_eq!(scope_of(Access::Admin, false, Method::Get), Some(Scope::Admin));
    }
}
