//! actix-web with one worker.

use actix_web::{App, HttpResponse, HttpServer, web};

async fn pixel(body: web::Bytes) -> HttpResponse {
    if peer_store::keep(&body) {
        HttpResponse::Ok().content_type("application/json").body(peer_store::OK)
    } else {
        HttpResponse::UnprocessableEntity().finish()
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(|| App::new().route("/pixel", web::post().to(pixel)))
        .workers(1)
        .bind(peer_store::address())?
        .run()
        .await
}
