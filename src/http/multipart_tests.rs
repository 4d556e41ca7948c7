use proptest::prelude::*;

use super::*;

const BODY: &[u8] = b"preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nhi\r\n--X\r\n--XX \t\r\n\
content-disposition: FORM-DATA; name=\"file\"; filename=\"a \\\"b\\\".png\"\r\nContent-Type: image/png\r\n\r\n\
\r\r\n\r\n-\r\n--X\r\n--XX\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n--XX--\r\nepilogue";

/// A form as name, file name and content of each part; or why it is none.
type Form = Result<Vec<(PartHead, Vec<u8>)>, MultipartError>;

/// Feeds the pieces one after the other.
fn read<'a>(boundary: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Form {
    let mut multipart = Multipart::new(boundary);
    let (mut form, mut is_open) = (Vec::new(), false);
    for mut piece in pieces {
        loop {
            let (consumed, event) = multipart.next(piece)?;
            piece = &piece[consumed..];
            match event {
                Event::NeedMore => break assert!(piece.is_empty()),
                Event::Part(head) => {
                    assert!(!std::mem::replace(&mut is_open, true), "a part begins in another one");
                    form.push((head, Vec::new()));
                }
                Event::Data(bytes) => {
                    assert!(is_open && !bytes.is_empty());
                    form.last_mut().expect("a part is open").1.extend_from_slice(bytes);
                }
                Event::PartEnd => assert!(std::mem::replace(&mut is_open, false), "ended twice"),
            }
        }
    }
    multipart.end()?;
    assert!(!is_open);
    Ok(form)
}

fn whole(body: &[u8]) -> Form {
    read("XX", [body])
}

fn file(filename: &str) -> String {
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{filename}\"\r\n\r\n\r\n--XX--"
    );
    whole(body.as_bytes()).expect("a form")[0].0.filename.clone().expect("a file name")
}

#[test]
fn parts_with_their_names_and_bytes() {
    let form = whole(BODY).expect("a form");
    let shown: Vec<_> =
        form.iter().map(|(head, bytes)| (&*head.name, head.filename.as_deref(), &**bytes)).collect();
    assert_eq!(
        shown,
        [
            ("message", None, &b"hi\r\n--X"[..]),
            ("file", Some("a \"b\".png"), b"\r\r\n\r\n-\r\n--X"),
            ("empty", None, b"")
        ]
    );
    assert_eq!(form[1].0.content_type.as_deref(), Some("image/png"));
    assert_eq!(whole(b"--XX--"), Ok(vec![]), "a form without parts");
    assert_eq!(file("../../etc/passwd"), "../../etc/passwd", "a name is a text; who keeps it is on guard");
    assert_eq!(file("na\u{ef}ve.png"), "na\u{ef}ve.png");
}

#[test]
fn a_name_that_is_spelled_out_wins() {
    let named = |parameters: &str| {
        let body = format!("--XX\r\nContent-Disposition: form-data; name=f{parameters}\r\n\r\n\r\n--XX--");
        whole(body.as_bytes()).expect("a form")[0].0.filename.clone()
    };
    let spelled_out = "; filename*=utf-8''%E2%82%AC%20a.png";
    for parameters in [
        spelled_out.to_owned(),
        format!("; filename=\"=?utf-8?B?4oKsIGEucG5n?=\"{spelled_out}"),
        format!("{spelled_out}; filename=\"EURO a.png\""),
        format!("{spelled_out}; filename*=utf-8''%FF"),
    ] {
        assert_eq!(named(&parameters).as_deref(), Some("\u{20ac} a.png"), "{parameters}");
    }
    // One that can't be read leaves the other one.
    assert_eq!(named("; filename=\"a.png\"; filename*=utf-8''%FF").as_deref(), Some("a.png"));
    assert_eq!(named("; filename*=utf-8''%FF"), None);
    let long = format!("; filename*=utf-8''{}", "n".repeat(MULTIPART_NAME_BYTES_MAX + 1));
    let body = format!("--XX\r\nContent-Disposition: form-data; name=f{long}\r\n\r\n\r\n--XX--");
    assert_eq!(whole(body.as_bytes()), Err(MultipartError::HeadLong));
}

#[test]
fn every_split_into_two_and_every_single_byte() {
    let expected = whole(BODY);
    for cut in 0..=BODY.len() {
        assert_eq!(read("XX", [&BODY[..cut], &BODY[cut..]]), expected, "cut at {cut}");
    }
    assert_eq!(read("XX", BODY.chunks(1)), expected);
}

#[test]
fn a_body_that_is_cut_is_never_a_form() {
    let end = BODY.len() - b"\r\nepilogue".len();
    for cut in 0..end {
        assert_eq!(whole(&BODY[..cut]), Err(MultipartError::Cut), "cut at {cut}");
    }
    assert!(whole(&BODY[..end]).is_ok());
}

#[test]
fn what_is_refused() {
    let part = |head: &str| whole(format!("--XX\r\n{head}\r\n\r\nv\r\n--XX--").as_bytes()).err();
    assert_eq!(part("Content-Disposition: form-data; name=a"), None);
    for head in [
        "Content-Type: text/plain",
        "Content-Disposition: form-data",
        "Content-Disposition: attachment; name=a",
        "no colon",
        ": no name",
        "Content-Disposition: form-data; name=\"a\u{1}\"",
        "Content-Disposition: form-data; name=\"a\nb\"",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
        "",
    ] {
        assert_eq!(part(head), Some(MultipartError::Head), "{head:?}");
    }
    for body in ["--XXY\r\n", "--XX-\r\n", "--XX\n", "--XX\r\r\n", "--XX  x\r\n"] {
        assert_eq!(whole(body.as_bytes()), Err(MultipartError::Delimiter), "{body:?}");
    }
    let long = "n".repeat(MULTIPART_NAME_BYTES_MAX + 1);
    assert_eq!(part(&format!("Content-Disposition: form-data; name={long}")), Some(MultipartError::HeadLong));
    let long = "n".repeat(MULTIPART_HEAD_BYTES_MAX);
    assert_eq!(part(&format!("X: {long}")), Some(MultipartError::HeadLong));
    let part = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
    let many = part.repeat(MULTIPART_PARTS_MAX + 1) + "--XX--";
    assert_eq!(whole(many.as_bytes()), Err(MultipartError::FramingLong));
    for body in [
        vec![b'x'; MULTIPART_FRAMING_BYTES_MAX + 1],
        [&b"--XX--"[..], &[b'x'; MULTIPART_FRAMING_BYTES_MAX]].concat(),
    ] {
        assert_eq!(whole(&body), Err(MultipartError::FramingLong));
    }
}

#[test]
fn boundaries() {
    let of = |text: &str| boundary(text);
    assert_eq!(of("multipart/form-data; boundary=XX"), Ok("XX".to_owned()));
    assert_eq!(of("Multipart/Form-Data; charset=x; Boundary=\"a b:c\""), Ok("a b:c".to_owned()));
    assert_eq!(of("multipart/form-data"), Err(BoundaryError::Missing));
    assert_eq!(of("multipart/form-data; boundary="), Err(BoundaryError::Missing));
    assert_eq!(of("multipart/mixed; boundary=x"), Err(BoundaryError::OtherType));
    assert_eq!(of("application/json"), Err(BoundaryError::OtherType));
    assert_eq!(of("multipart/form-data; boundary=\"a \""), Err(BoundaryError::Invalid));
    assert_eq!(of("multipart/form-data; boundary=a;b"), Ok("a".to_owned()));
    assert_eq!(of("multipart/form-data; boundary=<a>"), Err(BoundaryError::Invalid));
    assert_eq!(of(&format!("multipart/form-data; boundary={}", "a".repeat(71))), Err(BoundaryError::Invalid));
}

/// Returns bytes that look like framing more often than chance has it.
fn dense() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        &b"\r\n--XX"[..],
        b"--XX--",
        b"\r\n",
        b"\r",
        b"\n",
        b"-",
        b"X",
        b"a",
        b":",
        b"Content-Disposition: form-data; name=a\r\n",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_input_split_anyhow_reads_the_same(body in dense(), has_start in any::<bool>(), cuts in prop::collection::vec(1..9_usize, 1..12)) {
        let start: &[u8] = if has_start { b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n" } else { b"" };
        let body = [start, &body, b"\r\n--XX--"].concat();
        let mut pieces = Vec::new();
        let (mut rest, mut cuts) = (&body[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let piece;
            (piece, rest) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            pieces.push(piece);
        }
        prop_assert_eq!(read("XX", pieces), whole(&body));
    }

    #[test]
    fn any_content_comes_out_as_it_went_in(contents in prop::collection::vec(dense(), 0..4)) {
        // A boundary that the contents do not hold.
        let mut body = Vec::new();
        for content in &contents {
            body.extend_from_slice(b"--YY\r\nContent-Disposition: form-data; name=a\r\n\r\n");
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--YY--");
        let found: Vec<_> = read("YY", [&body[..]]).unwrap().into_iter().map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(found, contents);
    }
}
