//! A real server of S3's protocol on loopback: moto (PyPI), a process that a test may stop or end.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{ANY_PORT, PATIENCE, Server, free_address};
use crate::skip::skip;

/// A server with the empty bucket `pictures`; killed when dropped.
pub struct Bucket {
    server: Child,
    address: SocketAddr,
}

impl Bucket {
    /// Nothing, with a word about it, where moto is not to be had. What is started later finds the bucket by the
    /// environment, so each test is a process of its own (nextest) or the only one.
    pub fn start() -> Option<Self> {
        let address = free_address();
        let program = std::env::var("MOTO_SERVER").unwrap_or_else(|_| "moto_server".to_owned());
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(server) = server else {
            skip(format_args!(
                "{program} is not there; `pip install 'moto[server,s3]'`, or name it in MOTO_SERVER"
            ));
            return None;
        };
        let mut bucket = Self { server, address };
        let began = Instant::now();
        while bucket.call("PUT", "/pictures").is_none() {
            assert!(began.elapsed() < PATIENCE, "moto does not answer");
            assert!(bucket.server.try_wait().expect("a child").is_none(), "moto ended");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Some(bucket)
    }

    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// One call without a signature, which moto does not ask for.
    pub fn call(&self, method: &str, path: &str) -> Option<String> {
        let mut stream = std::net::TcpStream::connect(self.address).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: s3.amazonaws.com\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request\r\nContent-Length: 0\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, head.as_bytes()).ok()?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).ok()?;
        answer.contains(" 200 ").then_some(answer)
    }

    /// Names of all objects.
    pub fn objects(&self) -> Vec<String> {
        let list = self.call("GET", "/pictures?list-type=2").expect("a list");
        let keys = list.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().unwrap_or_default().to_owned()).collect()
    }

    /// Removes an object.
    pub fn remove(&self, name: &str) {
        // 204, which is no 200.
        let _ = self.call("DELETE", &format!("/pictures/{name}"));
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).expect("the process is there");
    }

    /// Starts `pixeld serve` with the bucket's variables.
    pub fn serve(&self, data_dir: &Path, arguments: &[&str]) -> Server {
        Server::start_in(&self.variables(), ANY_PORT, data_dir, arguments)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
