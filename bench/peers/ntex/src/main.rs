//! ntex with one worker.

use ntex::util::Bytes;
use ntex::web;

async fn pixel(body: Bytes) -> web::HttpResponse {
    if peer_store::keep(&body) {
        web::HttpResponse::Ok().content_type("application/json").body(peer_store::OK)
    } else {
        web::HttpResponse::UnprocessableEntity().finish()
    }
}

#[ntex::main]
async fn main() -> std::io::Result<()> {
    web::HttpServer::new(async || web::App::new().route("/pixel", web::post().to(pixel)))
        .workers(1)
        .bind(peer_store::address())?
        .run()
        .await
}
