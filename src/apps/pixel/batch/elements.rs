//! Finds the elements of a JSON array in text that comes in pieces.
//!
//! Only as much syntax is known here as it takes to see where an element ends: brackets are counted and strings are
//! passed over. Each element's own text is judged by whoever takes it.

/// What comes next in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// White space, commas and the array's brackets; nothing to do.
    Nothing,
    /// The bytes up to `end` belong to an element that goes on in the next piece.
    Part,
    /// The bytes up to `end` are the rest of an element.
    Element,
    /// The text is no array.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Before,
    /// Behind the opening bracket: an element or the closing bracket.
    First,
    /// Behind a comma: an element.
    Next,
    Inside(Inside),
    /// Behind an element: a comma or the closing bracket.
    Behind,
    After,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Inside {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
}

/// The place reached in the text of an array.
#[derive(Clone, Copy, Debug)]
pub struct Elements {
    expected: Expected,
}

impl Default for Elements {
    fn default() -> Self {
        Self { expected: Expected::Before }
    }
}

impl Elements {
    /// Reads on in `bytes`; gives what was found and how far it reaches. Never stands still on a piece that is not
    /// empty, unless it is broken.
    pub fn next(&mut self, bytes: &[u8]) -> (Event, usize) {
        if let Expected::Inside(inside) = self.expected {
            return self.inside(inside, bytes);
        }
        for (at, &byte) in bytes.iter().enumerate() {
            self.expected = match (self.expected, byte) {
                (_, b' ' | b'\n' | b'\r' | b'\t') => continue,
                (Expected::Before, b'[') => Expected::First,
                (Expected::First | Expected::Behind, b']') => Expected::After,
                (Expected::Behind, b',') => Expected::Next,
                (Expected::First | Expected::Next, b',' | b']' | b'}' | b':') => return (Event::Broken, at),
                (Expected::First | Expected::Next, _) => {
                    self.expected = Expected::Inside(Inside::default());
                    return (Event::Nothing, at);
                }
                _ => return (Event::Broken, at),
            };
        }
        (Event::Nothing, bytes.len())
    }

    fn inside(&mut self, mut inside: Inside, bytes: &[u8]) -> (Event, usize) {
        for (at, &byte) in bytes.iter().enumerate() {
            if inside.in_string {
                inside.in_string = inside.is_escaped || byte != b'"';
                inside.is_escaped = !inside.is_escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => inside.in_string = true,
                b'{' | b'[' => inside.depth += 1,
                b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t' if inside.depth == 0 => {
                    self.expected = Expected::Behind;
                    return (Event::Element, at);
                }
                b'}' | b']' => {
                    inside.depth -= 1;
                    if inside.depth == 0 {
                        self.expected = Expected::Behind;
                        return (Event::Element, at + 1);
                    }
                }
                _ => {}
            }
        }
        self.expected = Expected::Inside(inside);
        (Event::Part, bytes.len())
    }

    /// Returns whether the text so far is a whole array.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.expected == Expected::After
    }

    /// Returns whether not even the opening bracket has come yet.
    #[must_use]
    pub fn is_before(&self) -> bool {
        self.expected == Expected::Before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the elements of `text` given in pieces of `size` bytes; nothing if it is no whole array.
    fn split(text: &str, size: usize) -> Option<Vec<String>> {
        let (mut elements, mut found, mut current) = (Elements::default(), Vec::new(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (event, end) = elements.next(rest);
                match event {
                    Event::Nothing => {}
                    Event::Part => current.extend_from_slice(&rest[..end]),
                    Event::Element => {
                        current.extend_from_slice(&rest[..end]);
                        found.push(String::from_utf8(std::mem::take(&mut current)).unwrap());
                    }
                    Event::Broken => return None,
                }
                rest = &rest[end..];
            }
        }
        elements.is_whole().then_some(found)
    }

    #[test]
    fn elements_are_found_whatever_the_pieces() {
        let text = "\n[ {\"a\":[1,{\"b\":\"]},\\\"\"}]} , 1,\"x,]\\\\\",[ ],null ] ";
        let expected = ["{\"a\":[1,{\"b\":\"]},\\\"\"}]}", "1", "\"x,]\\\\\"", "[ ]", "null"];
        for size in 1..=text.len() {
            assert_eq!(split(text, size).unwrap(), expected, "pieces of {size}");
        }
        assert_eq!(split("[]", 1), Some(vec![]));
    }

    #[test]
    fn what_is_no_array_is_seen() {
        for text in
            ["", " ", "{}", "1", "[", "[1", "[1,", "[1,]", "[,1]", "[1]]", "[1] x", "[1 2]", "[}", "[\"]"]
        {
            assert_eq!(split(text, 1), None, "{text}");
        }
    }
}
