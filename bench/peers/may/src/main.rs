//! may_minihttp with one worker of the coroutine scheduler.

use may_minihttp::{HttpServer, HttpService, Request, Response};
use std::io::{self, BufRead};

#[derive(Clone)]
struct Pixels;

impl HttpService for Pixels {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        let mut body = request.body();
        let kept = peer_store::keep(body.fill_buf()?);
        let used = body.fill_buf()?.len();
        body.consume(used);
        response.header("Content-Type: application/json");
        if kept {
            response.body(peer_store::OK);
        } else {
            response.status_code(422, "Unprocessable Content");
        }
        Ok(())
    }
}

fn main() {
    may::config().set_workers(1);
    let server = HttpServer(Pixels).start(peer_store::address()).expect("a free port");
    server.join().expect("a server");
}
