//! What the service says.

use crate::app::answer;
use crate::http::response::Response;

use super::digits;
use super::numbers::Line;

/// Content-Type of everything but `/state`.
pub const TEXT: &str = "text/plain; charset=utf-8";

const ROOT: &str = "\
The Fibonacci numbers, one step at a time.

/current   the number where we stand
/next      a step on: the number there
/previous  a step back: the number there
/reset     back to the beginning
";

/// Returns what `/` shows.
pub fn root() -> Response {
    Response::fixed(200, TEXT, ROOT.as_bytes())
}

/// Returns the answer with F(`n`), which is short enough to be made at once.
pub fn short(n: u64) -> Response {
    let line = match digits::small(n) {
        Some(number) => {
            let mut digits = itoa::Buffer::new();
            [digits.format(number).as_bytes(), b"\n"].concat()
        }
        None => format!("{}\n", digits::text(n)).into_bytes(),
    };
    number(line)
}

/// Returns a number as it was kept.
pub fn kept(line: &Line) -> Response {
    number(line.to_vec())
}

fn number(line: Vec<u8>) -> Response {
    Response::new(200, TEXT, line)
}

/// Returns what `/reset` says: a JSON string with JSON in it, as the original does.
pub fn reset(hits: u64) -> Response {
    let state =
        format!(r#""{{\"Current\":0,\"Hitcount\":{hits},\"Next\":1,\"Position\":0,\"Previous\":0}}""#);
    Response::new(200, TEXT, state + "\n")
}

/// Returns what `/state` says.
pub fn state(hits: u64, position: u64) -> Response {
    let digits = digits::count(position);
    answer::json(200, format!(r#"{{"hits":{hits},"position":{position},"digits":{digits}}}"#))
}

/// Returns the answer to a step beyond the last position.
pub fn at_end(last: u64) -> Response {
    let end =
        format!("Position {last} is the last one (pex.max_position): /previous and /reset lead back.\n");
    Response::new(409, TEXT, end)
}

/// Returns the answer to a number beyond `last`, which is not made.
pub fn beyond(last: u64) -> Response {
    Response::new(409, TEXT, format!("The largest n is {last} (pex.max_position).\n"))
}

/// Returns the answer to a position that is not a number.
pub fn no_number(last: u64) -> Response {
    Response::new(400, TEXT, format!("n is a whole number from 0 to {last}, in decimal.\n"))
}

/// Returns the answer while too many requests wait; `stored` says whether a step was made for this one.
pub fn too_many(stored: bool) -> Response {
    if stored {
        let sentence = "The step is stored, do not send it again; too many requests wait for numbers to be told here \
                        which one it led to.\n";
        return Response::new(504, TEXT, sentence);
    }
    Response::new(503, TEXT, "Too many requests wait for numbers. Send again later.\n")
        .with("Retry-After", "1")
}

/// Returns the answer to a path that nobody serves.
pub fn not_found() -> Response {
    Response::new(404, TEXT, "404 page not found\n").with("X-Content-Type-Options", "nosniff")
}

/// Returns the answer to a request that is refused by its head.
pub fn refusal(status: u16, sentence: &str) -> Response {
    Response::new(status, TEXT, format!("{sentence}\n")).with("X-Content-Type-Options", "nosniff")
}

/// Returns the answer to a method that the path does not have.
pub fn method_not_allowed() -> Response {
    Response::new(405, TEXT, Vec::new())
}
