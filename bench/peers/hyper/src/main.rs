//! hyper on one thread, flushing the answers of a pipeline together.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::convert::Infallible;

async fn pixel(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let kept = match request.into_body().collect().await {
        Ok(body) => peer_store::keep(&body.to_bytes()),
        Err(_) => false,
    };
    let response = Response::builder()
        .status(if kept { 200 } else { 422 })
        .header("Content-Type", "application/json")
        .body(Full::new(Bytes::from_static(peer_store::OK.as_bytes())));
    Ok(response.expect("constant parts"))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = tokio::net::TcpListener::bind(peer_store::address()).await.expect("a free port");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            drop(stream.set_nodelay(true));
            tokio::task::spawn_local(async move {
                let io = hyper_util::rt::TokioIo::new(stream);
                let mut server = hyper::server::conn::http1::Builder::new();
                drop(server.pipeline_flush(true).serve_connection(io, service_fn(pixel)).await);
            });
        }
    });
}
