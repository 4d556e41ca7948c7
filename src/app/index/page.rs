//! The index page, put together from what applications declare: a front, cards, and beside them the figures of the host.

use std::fmt::Write;

use crate::app::application::{Apps, Front};

/// Returns the page of these applications.
pub fn page(apps: &Apps) -> String {
    let front = apps.iter().find_map(|app| app.front());
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n{}<title>pixeld</title>\n",
        include_str!("head.html")
    );
    loads(&mut html, front.as_ref());
    html.push_str("</head>\n<body>\n");
    html.push_str(include_str!("header.html"));
    html.push_str("<main id=\"main\">\n<h1 class=\"unseen\">pixeld</h1>\n<div class=\"top\">\n");
    html.push_str(front.map_or("", |front| front.html));
    html.push_str(include_str!("figures.html"));
    html.push_str("</div>\n");
    html.push_str(&cards(apps));
    html.push_str(include_str!("foot.html"));
    html
}

/// Appends what the page loads: the front's modules ahead, which it would otherwise ask for one behind the other.
fn loads(html: &mut String, front: Option<&Front>) {
    html.push_str("<script src=\"/token.js\"></script>\n");
    if let Some(Front { style, script, modules, .. }) = front {
        let _ = writeln!(html, "<link rel=\"stylesheet\" href=\"{style}\">");
        for module in *modules {
            let _ = writeln!(html, "<link rel=\"modulepreload\" href=\"{module}\">");
        }
        let _ = writeln!(html, "<script type=\"module\" src=\"{script}\"></script>");
    }
    for script in ["/index.js", "/figures.js"] {
        let _ = writeln!(html, "<script type=\"module\" src=\"{script}\"></script>");
    }
}

/// Returns the cards of the applications, in their order, or an empty text if no application has one.
fn cards(apps: &Apps) -> String {
    let cards: Vec<_> = apps.iter().map(|app| app.card()).filter(|card| !card.is_empty()).collect();
    if cards.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section id=\"applications\" class=\"applications\" aria-labelledby=\"applications-title\">\n\
         <h2 id=\"applications-title\">Applications</h2>\n<div class=\"cards\">\n",
    );
    for card in cards {
        let _ = write!(html, "<section class=\"card\">\n{card}</section>\n");
    }
    html.push_str("</div>\n</section>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::application::Route;
    use crate::apps::declaration::Tools;
    use crate::apps::registry;
    use crate::base::setting::Values;
    use crate::http::method::Method;

    /// Routes of which a GET logs something, and one that is held: no link may lead to them.
    const CHANGING: [&str; 7] = [
        "/next",
        "/previous",
        "/reset",
        "/api/products",
        "/api/orders/do",
        "/board/events",
        "/api/misc/heavy",
    ];

    #[test]
    fn what_changes_something_is_a_button_and_never_a_link() {
        let apps = registry::all();
        let page = page(&apps);
        let routes = || apps.iter().flat_map(|app| app.routes());
        for path in CHANGING {
            assert!(routes().any(|route| route.path == path), "{path} is a route");
            assert!(!page.contains(&format!("href=\"{path}\"")), "{path}");
        }
        for target in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let is_changing =
                |route: &Route| route.method == Some(Method::Get) && (route.writes || route.waits);
            let path = target.split('?').next().unwrap();
            assert!(!routes().any(|route| route.path == path && is_changing(route)), "{target}");
        }
        let forms: Vec<&str> =
            page.split("<form ").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
        let sent: Vec<_> = forms.iter().filter(|form| form.contains(" action=")).collect();
        assert_eq!(sent.len(), apps.len() - 1, "each but the mirror has a form to try");
        assert!(sent.iter().all(|form| form.starts_with("method=\"post\" action=\"/")), "{sent:?}");
    }

    #[test]
    fn what_is_not_served_is_not_shown() {
        let alone = |name| registry::with(&[name], &Values::default(), &Tools::default());
        let (all, board, echo) = (page(&registry::all()), page(&alone("board")), page(&alone("echo")));
        assert_eq!((all.matches("class=\"card\"").count(), board.matches("class=\"card\"").count()), (5, 1));
        assert!(all.contains("class=\"front\"") && all.contains("rel=\"modulepreload\""));
        assert!(!board.contains("class=\"front\"") && !board.contains("modulepreload"));
        assert!(!echo.contains("applications-title") && echo.contains("id=\"figures\""));
    }
}
