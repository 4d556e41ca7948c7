//! axum on one thread.

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;

async fn pixel(body: Bytes) -> impl IntoResponse {
    let status = if peer_store::keep(&body) { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, [(header::CONTENT_TYPE, "application/json")], peer_store::OK)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(peer_store::address()).await.expect("a free port");
        let router = axum::Router::new().route("/pixel", post(pixel));
        axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), router)
            .await
            .expect("a server");
    });
}
