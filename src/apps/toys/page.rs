//! The shop's page, with its style sheet, script, icon and picture: files of the program, drawn and written here.

use std::sync::LazyLock;

use crate::app::application::Route;
use crate::app::files::File;
use crate::app::openapi;
use crate::http::caching::Caching;
use crate::http::method::Method;
use crate::http::request::Head;
use crate::http::response::Response;

/// What the page may load and do: everything from here, nothing from anywhere else, no script inside of it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The endpoint of the first file; the others follow it.
const FIRST_FILE: u8 = 64;

/// A file that the page names, and what the index page says about it.
struct Part {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    summary: &'static str,
}

const PARTS: [Part; 6] = [
    Part {
        path: "/static/shop.css",
        content_type: "text/css; charset=utf-8",
        content: include_bytes!("page/shop.css"),
        summary: "The toy shop's style sheet",
    },
    Part {
        path: "/static/shop.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("page/shop.js"),
        summary: "The toy shop's script",
    },
    Part {
        path: "/static/shop.svg",
        content_type: "image/svg+xml",
        content: include_bytes!("page/shop.svg"),
        summary: "The toy shop's icon",
    },
    Part {
        path: "/static/train.png",
        content_type: "image/png",
        content: include_bytes!("page/train.png"),
        summary: "The Joli train, drawn by src/apps/toys/page/draw",
    },
    Part {
        path: "/static/train-1440.png",
        content_type: "image/png",
        content: include_bytes!("page/train-1440.png"),
        summary: "The same, 1440 pixels wide",
    },
    Part {
        path: "/static/train-720.png",
        content_type: "image/png",
        content: include_bytes!("page/train-720.png"),
        summary: "The same, 720 pixels wide",
    },
];

/// A file with the path it is served at.
struct Served {
    file: File,
    path: &'static str,
    summary: &'static str,
}

/// Everything that is served, made at the first look.
struct Shop {
    page: File,
    parts: Vec<Served>,
}

static SHOP: LazyLock<Shop> = LazyLock::new(|| {
    let mut html = include_str!("page/shop.html").to_owned();
    let parts = PARTS.map(|part| {
        let file = File::new(part.content_type, part.content, Caching::Immutable);
        let path = file.hashed_path(part.path);
        html = html.replace(part.path, &path);
        Served { file, path: path.leak(), summary: part.summary }
    });
    let page = File::new("text/html; charset=utf-8", html.leak().as_bytes(), Caching::Revalidated);
    Shop { page, parts: parts.into() }
});

/// Returns the page.
#[must_use]
pub fn page(head: &Head<'_>) -> Response {
    let response = SHOP.page.answer(head).with("Content-Security-Policy", POLICY);
    response.with("Referrer-Policy", "no-referrer")
}

/// Returns the path of the style sheet.
#[must_use]
pub fn style() -> &'static str {
    SHOP.parts[0].path
}

/// Returns the routes of the files that the page names; their paths change with their content.
pub fn routes() -> impl Iterator<Item = Route> {
    let endpoints = FIRST_FILE..;
    endpoints.zip(&SHOP.parts).map(|(endpoint, part)| Route {
        operation: openapi::FILE,
        ..Route::new(Method::Get, part.path, endpoint, part.summary).open()
    })
}

/// Returns the file of such a route.
#[must_use]
pub fn file(endpoint: u8, head: &Head<'_>) -> Option<Response> {
    let part = SHOP.parts.get(usize::from(endpoint.checked_sub(FIRST_FILE)?))?;
    // Pictures and styles may be shown by other pages, as everything of the shop.
    Some(part.file.answer(head).with("Access-Control-Allow-Origin", "*"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    #[test]
    fn the_page_names_its_files_by_their_hashes_and_holds_no_inline_script() {
        let mut slots = HeaderSlots::new();
        let head =
            parse_head(b"GET /toys HTTP/1.1\r\nHost: a\r\n\r\n", &mut slots, &Limits::default()).unwrap();
        let page = page(&head);
        let html = std::str::from_utf8(&page.body).unwrap();
        for route in routes() {
            assert!(html.contains(route.path), "{}", route.path);
            assert_eq!(file(route.endpoint, &head).unwrap().status, 200);
        }
        // The largest picture stands there twice: for browsers that don't know the smaller ones as well.
        assert_eq!((routes().count(), html.matches("/static/").count()), (6, 7));
        assert!(PARTS.iter().all(|part| !html.contains(part.path)), "a name without its hash");
        assert_eq!(html.matches("<button>").count(), 6);
        assert_eq!(html.matches("<script").count(), 2);
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains("onclick"));
        assert!(file(FIRST_FILE + 6, &head).is_none() && file(0, &head).is_none());
    }

    #[test]
    fn the_picture_has_a_few_megabytes_and_smaller_sizes() {
        let pictures = PARTS.iter().filter(|part| part.content_type == "image/png");
        let sizes: Vec<_> = pictures
            .map(|part| {
                // The header's width and height (PNG, section 11.2.1).
                let number = |at: usize| u32::from_be_bytes(part.content[at..at + 4].try_into().unwrap());
                (number(16), number(20), part.content.len())
            })
            .collect();
        let shapes: Vec<_> = sizes.iter().map(|(width, height, _)| (*width, *height)).collect();
        assert_eq!(shapes, [(2160, 1215), (1440, 810), (720, 405)]);
        assert!((2_000_000..4_000_000).contains(&sizes[0].2) && sizes[2].2 < 400_000, "{sizes:?}");
    }
}
