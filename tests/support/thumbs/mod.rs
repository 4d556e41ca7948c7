//! Pictures for the thumbnail service, and talking to it over a real socket.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, ImageFormat, RgbImage, Rgba, RgbaImage};
use serde_json::Value;

use crate::process::Server;
use crate::process::client::{Answer, Client, plain, request};

/// A picture of this size; with another seed it is another one.
pub fn picture(width: u32, height: u32, seed: u32, format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, (seed % 256) as u8])
    });
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).expect("a picture");
    // What stands behind the end is passed over.
    [out.into_inner(), seed.to_le_bytes().to_vec()].concat()
}

pub fn png(seed: u32) -> Vec<u8> {
    picture(40, 30, seed, ImageFormat::Png)
}

/// An animation: a square that moves.
pub fn animation(width: u32, height: u32, frames: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut out, 30);
    encoder.set_repeat(Repeat::Infinite).expect("a picture");
    for at in 0..frames {
        let left = at * (width - 40) / frames;
        let frame = RgbaImage::from_fn(width, height, |x, y| {
            let is_in = (left..left + 40).contains(&x) && (20..60).contains(&y);
            Rgba(if is_in { [200, 30, 30, 255] } else { [20, 20, 60, 255] })
        });
        let delay = Delay::from_numer_denom_ms(50, 1);
        encoder.encode_frame(Frame::from_parts(frame, 0, 0, delay)).expect("a picture");
    }
    drop(encoder);
    out
}

/// A picture that says it is 60,000 pixels wide and high.
pub fn bomb(seed: u8) -> Vec<u8> {
    let mut png = picture(1, 1, u32::from(seed), ImageFormat::Png);
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let mut check = flate2::Crc::new();
    check.update(&png[12..29]);
    png[29..33].copy_from_slice(&check.sum().to_be_bytes());
    png
}

/// The request that hands a picture in.
pub fn post_bytes(media_type: &str, content: &[u8]) -> Vec<u8> {
    request("POST", "/images", media_type, STANDARD.encode(content))
}

pub fn post(client: &mut Client, media_type: &str, content: &[u8]) -> Answer {
    client.send(post_bytes(media_type, content)).answer()
}

/// Hands a picture in that must be taken; gives its name.
pub fn submit(client: &mut Client, media_type: &str, content: &[u8]) -> String {
    let answer = post(client, media_type, content);
    assert_eq!(answer.status, 202, "{} {}", answer.head, answer.text());
    answer.json()["media_id"].as_str().expect("a name").to_owned()
}

pub fn get(client: &mut Client, path: &str) -> Answer {
    client.send(plain("GET", path)).answer()
}

/// Waits for a picture's end.
pub fn end_of(client: &mut Client, id: &str) -> Answer {
    loop {
        let answer = get(client, &format!("/images/{id}"));
        if answer.status != 202 {
            return answer;
        }
    }
}

/// A thumbnail as it is.
pub fn thumbnail(client: &mut Client, id: &str) -> Vec<u8> {
    let answer = get(client, &format!("/images/{id}/thumbnail"));
    assert_eq!(answer.status, 200, "{} {}", answer.head, answer.text());
    STANDARD.decode(answer.text()).expect("base64")
}

/// Width and height of a picture.
pub fn size_of(content: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(content).expect("a picture");
    (picture.width(), picture.height())
}

/// The whole list, page by page.
pub fn list(server: &Server) -> Vec<Value> {
    let mut client = server.connect();
    let (mut all, mut path) = (Vec::new(), "/images?limit=1000".to_owned());
    loop {
        let page = get(&mut client, &path).json();
        all.extend(page["images"].as_array().expect("a list").iter().cloned());
        let Some(next) = page["next"].as_str() else { return all };
        path = format!("/images?limit=1000&after={next}");
    }
}
