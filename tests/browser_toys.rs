//! The shop's page in a real browser: each of its six buttons is clicked, and the answer appears below it.
//!
//! The browser is driven by the WebDriver protocol (W3C), which is JSON over plain HTTP. Where there is no chromedriver
//! the test says that it skips; `scripts/test` installs one if it can.

mod process;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use process::{PATIENCE, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The name under which WebDriver answers with an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless browser of the test's own.
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// The browser's, which goes with it.
    profile: TempDir,
}

impl Browser {
    /// Starts one; nothing where there is none.
    fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        let mut driver = match command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
            Ok(driver) => driver,
            Err(error) => {
                eprintln!("skipped: no chromedriver ({error}); Debian's package is chromium-driver");
                return None;
            }
        };
        let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let rest = line.split_once("started successfully on port ")?.1;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().expect("a directory");
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("a port")));
        let mut browser = Self { driver, address, session: String::new(), profile };
        browser.open();
        Some(browser)
    }

    fn open(&mut self) {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let options = json!({"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1500", profile]});
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let opened = self.ask("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        self.session = format!("/session/{}", opened["sessionId"].as_str().expect("a session"));
    }

    /// One command; gives its value.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, value) = self.send(method, path, body).expect("an answer of the driver");
        assert_eq!(status, "200", "{method} {path}: {value}");
        value
    }

    /// The driver writes fields without the blank that our own client insists on, so this reads them itself.
    fn send(&self, method: &str, path: &str, body: &Value) -> io::Result<(String, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (session, length) = (&self.session, body.len());
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "{method} {session}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let (mut status, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(io::Error::other)?;
                }
                None if line.trim_end().is_empty() => break,
                None => status = line.split(' ').nth(1).unwrap_or_default().to_owned(),
                Some(_) => {}
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(io::Error::other)?;
        Ok((status, answer["value"].take()))
    }

    fn go_to(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    fn find(&self, selector: &str) -> String {
        let found = self.ask("POST", "/element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn click(&self, selector: &str) {
        self.ask("POST", &format!("/element/{}/click", self.find(selector)), &json!({}));
    }

    /// Clears a field and types into it.
    fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/clear"), &json!({}));
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// What a script gives. It runs in the page, with the driver's rights, whatever the page's policy is.
    fn evaluate(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Clicks the button of a call and waits for the answer below it: its text, and the note about it.
    fn call(&self, call: &str) -> (String, String) {
        let form = format!("form[data-call={call}]");
        self.evaluate(&format!("document.querySelector('{form} output').replaceChildren()"));
        self.click(&format!("{form} button"));
        let look = format!(
            "const output = document.querySelector('{form} output'); return output.childNodes.length < 2 ? null : \
             [output.firstChild.textContent, output.querySelector('small').textContent]"
        );
        let started = Instant::now();
        loop {
            if let [Value::String(text), Value::String(note)] =
                self.evaluate(&look).as_array().map_or(&[][..], Vec::as_slice)
            {
                return (text.clone(), note.clone());
            }
            assert!(started.elapsed() < PATIENCE, "no answer below the button {call}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, and then its driver; a test that fails has said so already.
        let _ = self.send("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[test]
fn each_button_shows_its_answer_in_place() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::fresh(&["--apps", "toys", "--toys-heavy-ms", "300", "--toys-order-ms", "300"]);
    let url = format!("http://{}/toys", server.address);
    browser.go_to(&url);

    let (text, note) = browser.call("ping");
    assert!(text == "ping" && note.starts_with("200 · "), "{text} {note}");
    let (text, _) = browser.call("time");
    assert!(text.starts_with("misc: 20") && text.len() == 32, "{text}");

    browser.fill("form[data-call=heavy] input", "Buzz & <Rex>");
    let (first, note) = browser.call("heavy");
    assert!(
        first.ends_with(": Woody -Buzz & <Rex>- Woody") && note.ends_with("made for you"),
        "{first} {note}"
    );
    let (second, note) = browser.call("heavy");
    assert!(second == first && note.contains("kept for"), "{second} {note}");

    let (text, _) = browser.call("last");
    assert!(text.ends_with("2 products (last=Joli train)"), "{text}");
    browser.fill("form[data-call=add] input", "\"Kite\" <b>");
    let (text, note) = browser.call("add");
    assert!(text == "\"Kite\" <b>" && note.ends_with("durability: disk"), "{text} {note}");
    let (text, _) = browser.call("last");
    assert!(text.ends_with("3 products (last=\"Kite\" <b>)"), "{text}");

    let (text, _) = browser.call("order");
    assert!(text.starts_with("Your process ") && text.ends_with(" with this product : Yoyo"), "{text}");

    // Nothing was refused by the page's policy, nothing was missing, and the picture is there.
    let looked = "const image = document.querySelector('img'); await image.decode(); \
                  return [image.naturalWidth, location.pathname, document.querySelectorAll('form.failed').length]";
    assert_eq!(
        browser.evaluate(&format!("return (async () => {{ {looked} }})()")),
        json!([2160, "/toys", 0])
    );
    let log = browser.ask("POST", "/se/log", &json!({"type": "browser"}));
    assert_eq!(log, json!([]), "the browser complains");

    let picture = browser.ask("GET", "/screenshot", &Value::Null);
    let picture = STANDARD.decode(picture.as_str().expect("base64")).expect("base64");
    std::fs::write(std::env!("CARGO_TARGET_TMPDIR").to_owned() + "/toys.png", picture).expect("a picture");
}
