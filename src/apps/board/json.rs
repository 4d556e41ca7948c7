//! Messages as JSON.

use serde_json::{Value, json};

use crate::http::date::Civil;

use super::key::Key;
use super::name;
use super::state::Message;

/// Returns a message as it is listed; the address of its picture starts with `public_base`.
pub fn message(key: &Key, message: &Message, public_base: &str) -> Value {
    let stored = name::stored(message.post.uuid, &message.post.name);
    json!({
        "id": key.id,
        "message": message.post.message,
        "image_url": format!("{public_base}/{}", name::encoded(&stored)),
        "create_time": time(message.time_us),
    })
}

/// Returns a time in UTC to the second, as the original writes it: `2024-07-30T02:56:27`.
fn time(time_us: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(time_us / 1_000_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_original_does() {
        assert_eq!(time(1_722_308_187_999_999), "2024-07-30T02:56:27");
    }
}
