//! Nothing that is hidden in a picture is served: a text in each place of five formats, posted, fetched and looked for.

use std::path::Path;
use std::process::Command;

use image::ImageFormat;

use crate::board::{blob_files, post};
use crate::hidden::{Way, found, plain as plain_picture, ways};
use crate::process::Server;
use crate::process::client::{Client, plain};
use crate::process::pair::await_that;
use crate::skip::skip;

const APPS: [&str; 2] = ["--apps", "board"];

/// Posts a picture and fetches it; the sentence of the answer if it is refused.
fn served(client: &mut Client, picture: &[u8]) -> Result<Vec<u8>, String> {
    let answer = post(client, "x", "a.png", picture);
    if answer.status != 200 {
        return Err(format!("{} {}", answer.status, answer.text()));
    }
    let url = format!("/media/{}", answer.json()["filename"].as_str().expect("a name"));
    Ok(client.send(plain("GET", &url)).answer().body)
}

/// All that a decoder makes of a picture: its frames, or why there are none.
fn decoded(picture: &[u8]) -> Result<Vec<image::RgbaImage>, String> {
    use image::AnimationDecoder;
    use image::codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
    let text = |error: image::ImageError| error.to_string();
    let source = std::io::Cursor::new(picture);
    let frames = |frames: image::Frames<'_>| {
        frames.map(|frame| frame.map(image::Frame::into_buffer)).collect::<Result<Vec<_>, _>>().map_err(text)
    };
    match image::guess_format(picture).map_err(text)? {
        image::ImageFormat::Gif => frames(GifDecoder::new(source).map_err(text)?.into_frames()),
        image::ImageFormat::WebP
            if WebPDecoder::new(source.clone()).is_ok_and(|webp| webp.has_animation()) =>
        {
            frames(WebPDecoder::new(source).map_err(text)?.into_frames())
        }
        image::ImageFormat::Png
            if PngDecoder::new(source.clone()).is_ok_and(|png| png.is_apng().is_ok_and(|is| is)) =>
        {
            frames(PngDecoder::new(source).map_err(text)?.apng().map_err(text)?.into_frames())
        }
        _ => image::load_from_memory(picture).map(|picture| vec![picture.into_rgba8()]).map_err(text),
    }
}

/// What a way comes to; nothing if all is as it should be.
fn fault(client: &mut Client, way: &Way, directory: &Path, number: usize) -> Option<String> {
    if !way.name.contains("profile") && !way.name.contains("EXIF") {
        assert!(
            found(&way.picture).is_some() || way.name.contains("tIME"),
            "{}: nothing is hidden",
            way.name
        );
    }
    let served = match served(client, &way.picture) {
        Ok(served) => served,
        Err(answer) => return Some(format!("refused: {answer}")),
    };
    std::fs::write(directory.join(format!("{number}.bin")), &served).expect("a file");
    if let Some(place) = found(&served) {
        return Some(format!("the text is served, {place}"));
    }
    let (is, should) = (decoded(&served), decoded(&way.plain));
    if is != should {
        let short = |what: Result<Vec<image::RgbaImage>, String>| what.map(|frames| frames.len());
        return Some(format!("other pixels: {:?} frames instead of {:?}", short(is), short(should)));
    }
    None
}

#[test]
fn what_is_hidden_in_a_picture_is_not_served_and_its_pixels_are() {
    let server = Server::fresh(&APPS);
    let mut client = server.connect();
    let directory = tempfile::tempdir().expect("a directory");
    let ways = ways();
    assert!(ways.len() >= 100, "{}", ways.len());
    let faults: Vec<String> = ways
        .iter()
        .enumerate()
        .filter_map(|(number, way)| {
            fault(&mut client, way, directory.path(), number).map(|fault| format!("{}: {fault}", way.name))
        })
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), ways.len(), faults.join("\n"));
    examine(directory.path(), ways.len());
}

const LOSSLESS: &str = "a JPEG without loss is not supported (save it as a usual JPEG or PNG)";
const OWN_CHUNKS: &str =
    "a PNG with chunks of its own kind among its pixels is not supported (save it as a usual JPEG or PNG)";

/// Pictures that can't be cleaned, and why.
fn unclean() -> Vec<(Vec<u8>, &'static str)> {
    let jpeg = plain_picture(ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame");
    let mut lossless = jpeg.clone();
    lossless[frame + 1] = 0xC3;
    let png = plain_picture(ImageFormat::Png);
    let unknown = [&png[..33], &crate::hidden::png::chunk(b"SECR", b"x"), &png[33..]].concat();
    let reading = "it can't be read up to its pixels";
    // Whole by its lengths, and the pixels end early.
    let mut webp = include_bytes!("../data/webp/lossy.webp").to_vec();
    webp.truncate(webp.len() / 2 * 2 - 40);
    let length = webp.len() as u32;
    webp[4..8].copy_from_slice(&(length - 8).to_le_bytes());
    webp[16..20].copy_from_slice(&(length - 20).to_le_bytes());
    vec![
        (jpeg[..200].to_vec(), reading),
        (png[..40].to_vec(), reading),
        (plain_picture(ImageFormat::Gif)[..20].to_vec(), reading),
        (plain_picture(ImageFormat::WebP)[..20].to_vec(), reading),
        (plain_picture(ImageFormat::Bmp)[..54].to_vec(), reading),
        (webp, reading),
        (lossless, LOSSLESS),
        (unknown, OWN_CHUNKS),
    ]
}

#[test]
fn what_cannot_be_cleaned_is_refused_with_a_sentence() {
    let server = Server::fresh(&APPS);
    let mut client = server.connect();
    for (picture, reason) in unclean() {
        let answer = post(&mut client, "x", "a.png", &picture);
        let sentence = format!("The metadata of this picture can't be removed: {reason}; nothing was stored");
        assert_eq!((answer.status, answer.json()["detail"][0]["msg"].as_str()), (422, Some(&*sentence)));
    }
    assert_eq!(client.send(plain("GET", "/readMessages")).answer().text(), "[]");
    // The writer takes away what it wrote beside the answer.
    await_that("nothing to be left", || blob_files(server.data_dir()).len(), |count| *count == 0);
}

#[test]
fn what_cannot_be_cleaned_is_kept_where_that_is_wanted_and_the_answer_says_so() {
    let server = Server::fresh(&["--apps", "board", "--board-unclean", "keep"]);
    let mut client = server.connect();
    for (picture, reason) in unclean() {
        let answer = post(&mut client, "x", "a.png", &picture);
        let sentence = format!("The picture is kept with its metadata: {reason}");
        assert_eq!((answer.status, answer.json()["unclean"].as_str()), (200, Some(&*sentence)));
        assert!(served(&mut client, &picture) == Ok(picture));
    }
    // What can be cleaned is cleaned all the same.
    let way = &ways()[0];
    let answer = post(&mut client, "x", "a.png", &way.picture);
    assert_eq!((answer.status, answer.json().get("unclean")), (200, None));
    assert!(served(&mut client, &way.picture) == Ok(way.plain.clone()));
}

/// Lets exiftool look through everything that was served.
fn examine(directory: &Path, count: usize) {
    let output = Command::new("exiftool")
        .args(["-a", "-u", "-U", "-G1", "-s", "-ee3", "-ext", "*"])
        .arg(directory)
        .output();
    let Ok(output) = output else { return skip("exiftool is not installed") };
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("======== ").count(), count, "each one is looked at");
    for word in ["Ada L", "Lovelace", "13.3777", "Artist", "GPS"] {
        assert!(!text.contains(word), "exiftool finds {word}");
    }
}
