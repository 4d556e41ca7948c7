//! Which application answers a request: the routes of all of them, in one table.

use std::sync::Arc;

use crate::base::limits::Limits;
use crate::http::method::Method;
use crate::http::query;

use super::access::Access;
use super::application::{App, Apps, CAPTURES_MAX, Captures, Route};

/// The pattern that every path fits.
pub const ANY_PATH: &str = "/{*}";

/// The page of one application's own listeners.
pub const HOME_PATH: &str = "/";

/// The index page's word where a listener's root is chosen.
pub const INDEX: &str = "index";

/// What a listener shows at `/`, and in whose style it answers a path that nobody serves. Made by [`Router::root`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The application whose `/` it is, and those of the others are not served here; nothing where whoever has a `/`
    /// serves it.
    home: Option<u8>,
    /// The application that answers unknown paths.
    style: u8,
    /// Leaves out the routes for operators, which are at other listeners.
    is_public: bool,
    /// A proxy says who each connection is of, before its first request.
    is_announced: bool,
}

impl Root {
    /// The root of listeners that serve nothing and only redirect. No application has its number.
    pub const REDIRECT: Self = Self { home: None, style: u8::MAX, is_public: false, is_announced: false };

    /// Returns the same root for a listener that does not show what is for operators.
    #[must_use]
    pub fn public(self, is_public: bool) -> Self {
        Self { is_public, ..self }
    }

    /// Returns the same root for a listener whose connections are announced by a proxy.
    #[must_use]
    pub fn announced(self, is_announced: bool) -> Self {
        Self { is_announced, ..self }
    }

    /// Returns whether it may show how this host does.
    #[must_use]
    pub fn shows_host(self) -> bool {
        !self.is_public
    }

    /// Returns whether a proxy says who each connection is of.
    #[must_use]
    pub fn is_announced(self) -> bool {
        self.is_announced
    }
}

/// The routes of the applications that a host serves.
pub struct Router {
    apps: Apps,
    /// The more literal a path is, the earlier it stands.
    table: Vec<Line>,
}

/// A route in the table.
struct Line {
    app: usize,
    route: &'static Route,
    /// Bytes of its pattern before the first name.
    fixed: usize,
}

impl Line {
    fn new(app: usize, route: &'static Route) -> Self {
        let fixed = if is_any_path(route) { 0 } else { route.path.find('{').unwrap_or(route.path.len()) };
        Self { app, route, fixed }
    }

    /// Returns whether a path in which nothing is encoded can fit: of dozens of routes this leaves one or two to be taken apart.
    fn begins(&self, path: &str) -> bool {
        let pattern = self.route.path;
        if self.fixed == pattern.len() { path == pattern } else { path.starts_with(&pattern[..self.fixed]) }
    }
}

/// What a method and a path lead to. Applications are numbers for [`Router::app`].
#[derive(Debug)]
pub enum Match<'p> {
    /// A route.
    Found {
        /// Whose it is.
        app: usize,
        /// The route; of a HEAD request that of GET.
        route: &'static Route,
        /// The route's place among all routes, see [`Router::routes`].
        place: usize,
        /// What its pattern captured.
        captures: Captures<'p>,
    },
    /// OPTIONS, which every path answers with 204 and `Allow`.
    Options {
        /// Value of `Allow`.
        allow: String,
        /// Whose path it is; nobody's is `*`.
        owner: Option<usize>,
    },
    /// Nobody serves the path: 404.
    NotFound {
        /// In whose style to say so.
        owner: usize,
    },
    /// The path does not have the method: 405.
    MethodNotAllowed {
        /// Value of `Allow`.
        allow: String,
        /// In whose style to say so.
        owner: usize,
    },
}

impl Router {
    /// Returns the table of these applications.
    ///
    /// # Panics
    /// Panics if there are none, or hundreds.
    #[must_use]
    pub fn new(apps: Apps) -> Self {
        assert!((1..=255).contains(&apps.len()), "a host serves at least one application, and few");
        let lines =
            |(app, of): (usize, &'_ Arc<dyn App>)| of.routes().iter().map(move |route| Line::new(app, route));
        let mut table: Vec<_> = apps.iter().enumerate().flat_map(lines).collect();
        table.sort_by_key(|line| (is_any_path(line.route), line.route.path.matches('{').count()));
        Self { apps, table }
    }

    /// Returns the root of the application `name`, if it is served. That of the index, which has no style of its own, answers
    /// unknown paths like the first application.
    #[must_use]
    pub fn root(&self, name: &str) -> Option<Root> {
        let home = self.apps.iter().position(|app| app.name() == name)? as u8;
        let style = if name == INDEX { 0 } else { home };
        Some(Root { home: Some(home), style, is_public: false, is_announced: false })
    }

    /// Returns the root of a listener that names none: the index, where there is one.
    #[must_use]
    pub fn usual_root(&self) -> Root {
        self.root(INDEX).unwrap_or(Root { home: None, style: 0, is_public: false, is_announced: false })
    }

    /// Returns the applications, in the order in which they were given.
    #[must_use]
    pub fn apps(&self) -> &[Arc<dyn App>] {
        &self.apps
    }

    /// Returns an application by its number.
    #[must_use]
    pub fn app(&self, number: usize) -> &dyn App {
        &*self.apps[number]
    }

    /// Returns the route at this place, and whose it is.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<(&dyn App, &'static Route)> {
        self.table.get(place).map(|line| (self.app(line.app), line.route))
    }

    /// Returns all routes, the more literal ones first.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = &'static Route> + '_ {
        self.table.iter().map(|line| line.route)
    }

    /// Returns the most bytes that a body may have on every express lane.
    #[must_use]
    pub fn express_body_bytes(&self, limits: &Limits) -> usize {
        let express = self.routes().filter(|route| route.express.is_some());
        express.map(|route| route.body.most(limits)).min().unwrap_or(0)
    }

    /// Looks a request up that came to a listener with this root.
    #[must_use]
    pub fn find<'p>(&self, root: Root, method: Method, path: &'p str) -> Match<'p> {
        let mut owner = None;
        let is_plain = !path.contains('%');
        for (place, line) in self.table.iter().enumerate() {
            let &Line { app, route, .. } = line;
            if (is_plain && !line.begins(path)) || !is_shown(root, app, route) {
                continue;
            }
            let Some(captures) = captures(route.path, path) else { continue };
            // A route of every method may be shown, and this method of it not.
            if serves(route, method) && !(root.is_public && method == Method::Delete) {
                return Match::Found { app, route, place, captures };
            }
            owner = owner.or(Some(app));
        }
        match owner {
            Some(_) if method == Method::Options => Match::Options { allow: self.allow(root, path), owner },
            Some(owner) => Match::MethodNotAllowed { allow: self.allow(root, path), owner },
            None if method == Method::Options && path == "*" => {
                Match::Options { allow: self.allow(root, path), owner: None }
            }
            None => Match::NotFound { owner: usize::from(root.style) },
        }
    }

    /// Returns the methods of a path, or with `*` those of all paths.
    fn allow(&self, root: Root, path: &str) -> String {
        let mut methods = Vec::new();
        for Line { route, .. } in self.table.iter().filter(|line| is_shown(root, line.app, line.route)) {
            if path == "*" || captures(route.path, path).is_some() {
                methods.extend(route.method);
                methods.extend((route.method == Some(Method::Get)).then_some(Method::Head));
            }
        }
        methods.push(Method::Options);
        let mut words: Vec<_> = methods.into_iter().map(Method::as_str).collect();
        words.sort_unstable();
        words.dedup();
        words.join(", ")
    }
}

/// Returns whether a listener with this root has the route at all.
fn is_shown(root: Root, app: usize, route: &Route) -> bool {
    let is_for_operators = route.access == Access::Admin || route.method == Some(Method::Delete);
    if root.is_public && is_for_operators {
        return false;
    }
    route.path != HOME_PATH || root.home.is_none_or(|home| app == usize::from(home))
}

fn is_any_path(route: &Route) -> bool {
    route.path == ANY_PATH
}

fn serves(route: &Route, method: Method) -> bool {
    route.method.is_none_or(|own| own == method || (own == Method::Get && method == Method::Head))
}

/// Returns what `pattern` captures of `path`; nothing if they do not fit. An encoded `/` does not divide segments.
fn captures<'p>(pattern: &str, path: &'p str) -> Option<Captures<'p>> {
    let mut captures = Captures::default();
    if pattern == ANY_PATH {
        return Some(captures);
    }
    let (mut expected, mut found, mut count) = (pattern.split('/'), path.split('/'), 0);
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return Some(captures),
            (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => {
                debug_assert!(count < CAPTURES_MAX, "{pattern} has too many captures");
                captures.segments[count] = segment;
                count += 1;
            }
            (Some(literal), Some(segment)) if literal == query::decode_path(segment) => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::application::{Action, Request, View};
    use crate::app::state::State;

    struct Shop;
    struct Mirror;
    struct Hut;

    static SHOP: [Route; 4] = [
        Route::new(Method::Get, "/things/{id}", 1, ""),
        Route::new(Method::Get, "/things/count", 2, ""),
        Route::new(Method::Delete, "/things/{id}", 3, ""),
        Route::new(Method::Post, "/", 4, ""),
    ];
    static HUT: [Route; 1] = [Route::new(Method::Get, "/", 5, "")];
    static MIRROR: [Route; 1] = [Route { method: None, ..Route::new(Method::Get, "/{*}", 9, "") }];

    macro_rules! app {
        ($name:ident $routes:ident) => {
            impl App for $name {
                fn name(&self) -> &'static str {
                    stringify!($name)
                }
                fn id(&self) -> u8 {
                    0
                }
                fn routes(&self) -> &'static [Route] {
                    &$routes
                }
                fn handle(&self, _: u8, _: &Request<'_>, _: &View<'_>) -> Action {
                    Action::Respond(self.not_found())
                }
                fn new_state(&self) -> Option<Box<dyn State>> {
                    None
                }
            }
        };
    }
    app!(Hut HUT);
    app!(Shop SHOP);
    app!(Mirror MIRROR);

    fn found(router: &Router, method: Method, path: &str) -> Result<(u8, String), String> {
        match router.find(router.usual_root(), method, path) {
            Match::Found { route, captures, .. } => Ok((route.endpoint, captures.segments[0].to_owned())),
            Match::Options { allow, .. } => Err(format!("204 {allow}")),
            Match::NotFound { .. } => Err("404".to_owned()),
            Match::MethodNotAllowed { allow, .. } => Err(format!("405 {allow}")),
        }
    }

    #[test]
    fn literal_paths_come_before_captures_and_head_is_served_by_get() {
        let router = Router::new(vec![Arc::new(Shop)]);
        let find = |method, path| found(&router, method, path);
        assert_eq!(find(Method::Get, "/things/count"), Ok((2, String::new())));
        assert_eq!(find(Method::Head, "/things/7%2F8"), Ok((1, "7%2F8".to_owned())));
        assert_eq!(find(Method::Get, "/t%68ings/count"), Ok((2, String::new())));
        assert_eq!(find(Method::Post, "/"), Ok((4, String::new())));
        assert_eq!(find(Method::Get, "/things/"), Err("404".to_owned()));
        assert_eq!(find(Method::Get, "/things/1/2"), Err("404".to_owned()));
        assert_eq!(find(Method::Get, "/things"), Err("404".to_owned()));
        assert_eq!(find(Method::Get, "/"), Err("405 OPTIONS, POST".to_owned()));
        assert_eq!(find(Method::Post, "/things/1"), Err("405 DELETE, GET, HEAD, OPTIONS".to_owned()));
        assert_eq!(find(Method::Options, "/things/1"), Err("204 DELETE, GET, HEAD, OPTIONS".to_owned()));
        assert_eq!(find(Method::Options, "*"), Err("204 DELETE, GET, HEAD, OPTIONS, POST".to_owned()));
    }

    #[test]
    fn each_root_has_its_own_home_and_style() {
        let router = Router::new(vec![Arc::new(Hut), Arc::new(Shop)]);
        let find = |name, method, path| match router.find(router.root(name).unwrap(), method, path) {
            Match::Found { app, .. } => format!("{app}"),
            Match::NotFound { owner } => format!("404 of {owner}"),
            Match::MethodNotAllowed { allow, owner } => format!("405 of {owner}: {allow}"),
            Match::Options { allow, .. } => allow,
        };
        assert_eq!(find("Hut", Method::Get, "/"), "0");
        assert_eq!(find("Shop", Method::Get, "/"), "405 of 1: OPTIONS, POST");
        assert_eq!(find("Shop", Method::Options, "/"), "OPTIONS, POST");
        assert_eq!(find("Hut", Method::Get, "/nowhere"), "404 of 0");
        assert_eq!(find("Shop", Method::Get, "/nowhere"), "404 of 1");
        assert_eq!(find("Hut", Method::Get, "/things/1"), "1", "all else is served everywhere");
        assert_eq!(router.root("Barn"), None);
        assert!(matches!(router.find(router.usual_root(), Method::Get, "/"), Match::Found { app: 0, .. }));
    }

    #[test]
    fn what_is_for_operators_is_at_their_listeners_only() {
        let router = Router::new(vec![Arc::new(Shop), Arc::new(Mirror)]);
        let find = |is_public, method, path| match router.find(
            router.usual_root().public(is_public),
            method,
            path,
        ) {
            Match::Found { route, .. } => format!("{}", route.endpoint),
            Match::MethodNotAllowed { allow, .. } => allow,
            other => format!("{other:?}"),
        };
        assert_eq!(find(false, Method::Delete, "/things/1"), "3");
        let allow = find(true, Method::Delete, "/things/1");
        assert!(allow.contains("GET") && !allow.contains("DELETE"), "{allow}");
        assert_eq!(
            (find(true, Method::Get, "/things/1"), find(true, Method::Post, "/")),
            ("1".into(), "4".into())
        );
    }

    #[test]
    fn a_mirror_takes_what_is_left() {
        let router = Router::new(vec![Arc::new(Mirror), Arc::new(Shop)]);
        assert_eq!(found(&router, Method::Post, "/"), Ok((4, String::new())));
        assert_eq!(found(&router, Method::PropFind, "/things/1"), Ok((9, String::new())));
        assert_eq!(found(&router, Method::Options, "*"), Ok((9, String::new())));
    }
}
