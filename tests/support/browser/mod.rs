//! A real browser, driven by the WebDriver protocol (W3C), which is JSON over plain HTTP. Where there is no chromedriver
//! a test says that it skips.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::PATIENCE;
use crate::skip::skip;

/// The name under which WebDriver answers with an element.
pub const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Widths at which pages are looked at, in CSS pixels: a desk, a phone, a small phone.
pub const WIDTHS: [u32; 3] = [1280, 390, 320];

/// Colour schemes in which pages are looked at.
pub const SCHEMES: [&str; 2] = ["light", "dark"];

/// The script of axe-core, which looks for what keeps people from using a page; nothing where it was not fetched.
pub fn axe() -> Option<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).ok()
}

/// Says that pages were not looked at with axe-core, where that is so.
pub fn skip_without_axe() {
    if axe().is_none() {
        skip("pages without axe-core: npm install --prefix target/axe axe-core@4");
    }
}

/// A headless browser of the test's own.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// The browser's, which goes with it.
    profile: TempDir,
}

impl Browser {
    /// Starts one; nothing where there is none.
    pub fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        let mut driver = match command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
            Ok(driver) => driver,
            Err(error) => {
                skip(format_args!("no chromedriver ({error}); Debian's package is chromium-driver"));
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
        // Servers of tests have certificates of authorities that nobody knows.
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}, "acceptInsecureCerts": true});
        let opened = self.ask("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        self.session = format!("/session/{}", opened["sessionId"].as_str().expect("a session"));
    }

    /// One command; gives its value.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
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

    pub fn go_to(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    pub fn find(&self, selector: &str) -> String {
        let found = self.ask("POST", "/element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    pub fn click(&self, selector: &str) {
        self.ask("POST", &format!("/element/{}/click", self.find(selector)), &json!({}));
    }

    /// Clears a field and types into it.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/clear"), &json!({}));
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// What a script gives. It runs in the page, with the driver's rights, whatever the page's policy is.
    pub fn evaluate(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until a script gives something else than null or false; gives that.
    pub fn wait_for(&self, script: &str) -> Value {
        let started = Instant::now();
        loop {
            match self.evaluate(script) {
                Value::Null | Value::Bool(false) => {}
                value => return value,
            }
            assert!(started.elapsed() < PATIENCE, "in vain: {script}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Shows pages as a screen of that width and with that colour scheme does.
    pub fn look_as(&self, width: u32, scheme: &str) {
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.control("Emulation.setDeviceMetricsOverride", &screen);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.control("Emulation.setEmulatedMedia", &scheme);
    }

    /// Lets pages run their scripts, or not. Counts from the next page on.
    pub fn run_scripts(&self, may: bool) {
        self.control("Emulation.setScriptExecutionDisabled", &json!({ "value": !may }));
    }

    /// A command of the DevTools protocol, for what WebDriver can't do.
    pub fn control(&self, command: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Puts the path of a file into a file input.
    pub fn choose(&self, selector: &str, file: &Path) {
        let path = json!({ "text": file.display().to_string() });
        self.ask("POST", &format!("/element/{}/value", self.find(selector)), &path);
    }

    /// Types keys where the focus is: Tab is U+E004, Enter U+E007.
    pub fn press(&self, keys: &str) {
        let keys = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})));
        let actions = json!([{"type": "key", "id": "keyboard", "actions": keys.collect::<Vec<_>>()}]);
        self.ask("POST", "/actions", &json!({ "actions": actions }));
    }

    /// Says yes to the dialog that is open.
    pub fn accept(&self) {
        self.ask("POST", "/alert/accept", &json!({}));
    }

    /// Opens a further tab; gives its handle, and the one of the tab that was looked at.
    pub fn open_tab(&self, url: &str) -> (String, String) {
        let before = self.ask("GET", "/window", &Value::Null);
        let opened = self.ask("POST", "/window/new", &json!({"type": "tab"}));
        let text = |value: &Value| value.as_str().expect("a handle").to_owned();
        self.turn_to(&text(&opened["handle"]));
        self.go_to(url);
        (text(&opened["handle"]), text(&before))
    }

    /// Looks at another tab.
    pub fn turn_to(&self, handle: &str) {
        self.ask("POST", "/window", &json!({ "handle": handle }));
    }

    /// Elements that reach beyond an edge of the screen, or of the form, card or message they stand in, in words; a page has
    /// none.
    pub fn overflowing(&self) -> Value {
        self.evaluate(
            "const width = document.documentElement.clientWidth; const found = []; \
             if (document.documentElement.scrollWidth > width) found.push('the page'); \
             for (const one of document.body.querySelectorAll('*:not(option)')) { \
               const box = one.getBoundingClientRect(); \
               if (box.width <= 1 || box.height <= 1) continue; \
               const inside = one.parentElement.closest('form, section, article, output'); \
               const edge = inside ? Math.min(width, inside.getBoundingClientRect().right) : width; \
               if (box.right > edge + .5 || box.left < -.5) \
                 found.push(one.localName + '#' + one.id + ' ' + box.left + '..' + box.right); } \
             return found",
        )
    }

    /// What axe-core finds wrong with the page, a line each.
    pub fn violations(&self, axe: &str) -> Vec<String> {
        // A page animates what is new; colours are measured when it is at rest.
        self.evaluate("document.getAnimations().forEach((one) => one.finish())");
        self.evaluate(axe);
        let found = self.evaluate(
            "return axe.run(document).then(({ violations }) => violations.map((one) => one.id + ': ' + one.help + ' ' + \
             one.nodes.map((node) => node.html.slice(0, 200) + ' ' + node.failureSummary).join('; ')))",
        );
        serde_json::from_value(found).expect("a list of texts")
    }

    /// What the browser complained about since it was asked last.
    pub fn complaints(&self) -> Value {
        self.ask("POST", "/se/log", &json!({"type": "browser"}))
    }

    /// Puts a picture of the page into the directory of test results.
    pub fn photograph(&self, name: &str) {
        let picture = self.ask("GET", "/screenshot", &Value::Null);
        let picture = STANDARD.decode(picture.as_str().expect("base64")).expect("base64");
        std::fs::write(format!("{}/{name}.png", env!("CARGO_TARGET_TMPDIR")), picture).expect("a picture");
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
