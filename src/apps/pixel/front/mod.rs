//! The canvas on the index page: its part of the page, its style sheet and its script, which draws what `/canvas.png` shows and
//! follows `/canvas/live`.
//!
//! The script is a module for each thing: `canvas.js` puts them together, `chunks.js` has the picture, `live.js` the stream,
//! `strokes.js` and `picture.js` what a visitor draws, `pointer.js` and `keys.js` how.

use std::sync::LazyLock;

use crate::app::application::Front;
use crate::app::files::File;
use crate::http::caching::Caching;
use crate::http::request::Head;
use crate::http::response::Response;

/// The path of the files; the capture is a file's name.
pub const FILES: &str = "/static/canvas/{file}";

/// What the index page shows of the canvas.
pub const FRONT: Front = Front {
    html: include_str!("canvas.html"),
    style: "/static/canvas/canvas.css",
    script: "/static/canvas/canvas.js",
    modules: &[
        "/static/canvas/cell.js",
        "/static/canvas/chunks.js",
        "/static/canvas/colours.js",
        "/static/canvas/keys.js",
        "/static/canvas/live.js",
        "/static/canvas/picture.js",
        "/static/canvas/pointer.js",
        "/static/canvas/sending.js",
        "/static/canvas/strokes.js",
        "/static/canvas/tools.js",
        "/static/canvas/view.js",
    ],
};

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and content of each file.
const CONTENTS: [(&str, &str, &str); 13] = [
    ("canvas.css", "text/css; charset=utf-8", include_str!("canvas.css")),
    ("canvas.js", SCRIPT, include_str!("canvas.js")),
    ("cell.js", SCRIPT, include_str!("cell.js")),
    ("chunks.js", SCRIPT, include_str!("chunks.js")),
    ("colours.js", SCRIPT, include_str!("colours.js")),
    ("keys.js", SCRIPT, include_str!("keys.js")),
    ("live.js", SCRIPT, include_str!("live.js")),
    ("picture.js", SCRIPT, include_str!("picture.js")),
    ("pointer.js", SCRIPT, include_str!("pointer.js")),
    ("sending.js", SCRIPT, include_str!("sending.js")),
    ("strokes.js", SCRIPT, include_str!("strokes.js")),
    ("tools.js", SCRIPT, include_str!("tools.js")),
    ("view.js", SCRIPT, include_str!("view.js")),
];

/// The files, compressed at the first look.
static SERVED: LazyLock<Vec<(&str, File)>> = LazyLock::new(|| {
    let served = |(name, content_type, content): (&'static str, _, &'static str)| {
        (name, File::new(content_type, content.as_bytes(), Caching::Revalidated))
    };
    CONTENTS.map(served).into()
});

/// Answers a request for the file of this name; nothing where there is none.
#[must_use]
pub fn file(name: &str, head: &Head<'_>) -> Option<Response> {
    SERVED.iter().find(|(known, _)| *known == name).map(|(_, file)| file.answer(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_is_imported_is_served_and_loaded_ahead() {
        let name = |path: &'static str| path.rsplit('/').next().unwrap();
        let ahead: Vec<_> = FRONT.modules.iter().map(|path| name(path)).collect();
        let mut imported: Vec<&str> = CONTENTS
            .iter()
            .flat_map(|(_, _, text)| text.split(" from \"./").skip(1))
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        imported.sort_unstable();
        imported.dedup();
        assert_eq!(imported, ahead);
        for path in FRONT.modules.iter().chain([&FRONT.style, &FRONT.script]) {
            assert!(CONTENTS.iter().any(|(known, ..)| *known == name(path)), "{path}");
        }
        assert_eq!(CONTENTS.len(), ahead.len() + 2, "a file that nobody asks for");
    }

    #[test]
    fn the_part_of_the_page_holds_no_script_and_no_style() {
        let html = FRONT.html;
        assert!(html.contains("<canvas ") && !html.contains("<script") && !html.contains("style="));
        assert!(!html.contains("://"), "everything is from here");
    }
}
