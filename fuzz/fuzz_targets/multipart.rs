//! A form reads the same whole and in pieces, whatever it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pixeld::http::multipart::{Event, Multipart, MultipartError, PartHead};

type Form = Result<Vec<(PartHead, Vec<u8>)>, MultipartError>;

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Form {
    let mut multipart = Multipart::new("b");
    let mut form = Vec::new();
    for mut piece in pieces {
        loop {
            let (consumed, event) = multipart.next(piece)?;
            piece = &piece[consumed..];
            match event {
                Event::NeedMore => break,
                Event::Part(head) => form.push((head, Vec::new())),
                Event::Data(bytes) => form.last_mut().expect("a part is open").1.extend_from_slice(bytes),
                Event::PartEnd => {}
            }
        }
    }
    multipart.end()?;
    Ok(form)
}

fuzz_target!(|input: (Vec<u8>, usize)| {
    let (body, size) = input;
    let whole = read([&body[..]]);
    assert_eq!(read(body.chunks(1 + size % 64)), whole);
    assert_eq!(read(body.chunks(1)), whole);
});
