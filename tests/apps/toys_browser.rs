//! The shop's page in a real browser: each of its six buttons is clicked, and the answer appears below it.

use crate::browser;
use crate::process;

use browser::Browser;
use process::Server;
use serde_json::{Value, json};

/// Clicks the button of a call and waits for the answer below it: its text, and the note about it.
fn call(browser: &Browser, call: &str) -> (String, String) {
    let form = format!("form[data-call={call}]");
    browser.evaluate(&format!("document.querySelector('{form} output').replaceChildren()"));
    browser.click(&format!("{form} button"));
    let answer = browser.wait_for(&format!(
        "const output = document.querySelector('{form} output'); return output.childNodes.length < 2 ? null : \
         [output.firstChild.textContent, output.querySelector('small').textContent]"
    ));
    let text = |at: usize| Value::as_str(&answer[at]).expect("a text").to_owned();
    (text(0), text(1))
}

#[test]
fn each_button_shows_its_answer_in_place() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "toys", "--toys-heavy-ms", "300", "--toys-order-ms", "300"]);
    let url = format!("http://{}/toys", server.address);
    browser.go_to(&url);

    let (text, note) = call(&browser, "ping");
    assert!(text == "ping" && note.starts_with("200 · "), "{text} {note}");
    let (text, _) = call(&browser, "time");
    assert!(text.starts_with("misc: 20") && text.len() == 32, "{text}");

    browser.fill("form[data-call=heavy] input", "Buzz & <Rex>");
    let (first, note) = call(&browser, "heavy");
    assert!(
        first.ends_with(": Woody -Buzz & <Rex>- Woody") && note.ends_with("made for you"),
        "{first} {note}"
    );
    let (second, note) = call(&browser, "heavy");
    assert!(second == first && note.contains("kept for"), "{second} {note}");

    let (text, _) = call(&browser, "last");
    assert!(text.ends_with("2 products (last=Joli train)"), "{text}");
    browser.fill("form[data-call=add] input", "\"Kite\" <b>");
    let (text, note) = call(&browser, "add");
    assert!(text == "\"Kite\" <b>" && note.ends_with("durability: disk"), "{text} {note}");
    let (text, _) = call(&browser, "last");
    assert!(text.ends_with("3 products (last=\"Kite\" <b>)"), "{text}");

    let (text, _) = call(&browser, "order");
    assert!(text.starts_with("Your process ") && text.ends_with(" with this product : Yoyo"), "{text}");

    // Nothing was refused by the page's policy, nothing was missing, and the picture is there.
    let looked = "const image = document.querySelector('img'); image.scrollIntoView(); await image.decode(); \
                  return [image.naturalWidth > 0, location.pathname, document.querySelectorAll('form.failed').length]";
    assert_eq!(
        browser.evaluate(&format!("return (async () => {{ {looked} }})()")),
        json!([true, "/toys", 0])
    );
    assert_eq!(browser.complaints(), json!([]), "the browser complains");
    browser.photograph("toys");
}

/// A screen gets the smallest picture that has as many pixels as it shows, and none before it is near.
#[test]
fn the_picture_is_as_large_as_the_screen_needs() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "toys", "--durability", "memory"]);
    for (width, picture) in
        [(320, "train-720."), (700, "train-720."), (1280, "train-1440."), (390, "train-720.")]
    {
        browser.go_to("about:blank");
        browser.look_as(width, "light");
        browser.go_to(&format!("http://{}/toys", server.address));
        let chosen = "const image = document.querySelector('img'); image.scrollIntoView(); \
                      return image.complete && image.naturalWidth > 0 && image.currentSrc";
        let chosen = browser.wait_for(chosen);
        assert!(chosen.as_str().is_some_and(|path| path.contains(picture)), "{width}: {chosen}");
        let box_of = "const box = document.querySelector('img').getBoundingClientRect(); \
                      return Math.abs(box.width / box.height - 16 / 9) < 0.01";
        assert_eq!(browser.evaluate(box_of), true);
        assert_eq!(browser.evaluate("return document.querySelector('img').loading"), "lazy");
    }
}
