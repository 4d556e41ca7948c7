//! Whether the servers sync what they acknowledge, as their monitoring says; the protocol of clients does not tell.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::base::limits::{SHARED_LOG_CALL_MS, SHARED_LOG_MONITOR_BYTES_MAX};
use crate::engine::shared::settings::SharedLogSettings;
use crate::engine::shared::shared_log::Synced;
use crate::os::address::Address;

/// Asks every server of `log.monitor`.
///
/// # Errors
/// Returns which one does not sync, in words for an operator, unless that is allowed.
pub(super) async fn look(settings: &SharedLogSettings) -> Result<Synced, String> {
    let mut synced = if settings.monitor.is_empty() { Synced::Unknown } else { Synced::Always };
    for server in &settings.monitor {
        match ask(server).await {
            Ok(true) => {}
            Ok(false) => {
                let why = format!(
                    "the server at {server} acknowledges before its disk has a message, so a power cut of all servers takes what was \
                     answered at `cluster`: set `sync_interval: always` in `jetstream {{ }}`, or start with --log-allow-weak"
                );
                if !settings.allow_weak {
                    return Err(why);
                }
                tracing::warn!(why, "`cluster` promises less, as log.allow_weak allows");
                return Ok(Synced::Lazily);
            }
            Err(why) => {
                tracing::warn!(%server, why, "the monitoring of the log does not say whether it syncs");
                synced = Synced::Unknown;
            }
        }
    }
    Ok(synced)
}

/// Returns whether a server syncs before it acknowledges.
async fn ask(server: &Address) -> Result<bool, String> {
    let answer = timeout(Duration::from_millis(SHARED_LOG_CALL_MS), fetch(server)).await;
    let answer = answer.map_err(|_| "no answer")?.map_err(|error| error.to_string())?;
    says(&answer)
}

async fn fetch(server: &Address) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server.to_string()).await?;
    let request = format!("GET /jsz?config=1 HTTP/1.0\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(SHARED_LOG_MONITOR_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Reads whether a server that answered so syncs before it acknowledges.
fn says(answer: &[u8]) -> Result<bool, String> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("it is no answer of HTTP")?;
    let body: serde_json::Value =
        serde_json::from_slice(&answer[end + 4..]).map_err(|error| format!("it is no JSON: {error}"))?;
    let config = body
        .get("config")
        .ok_or("it names no JetStream; is it the address of the monitoring (http_port)?")?;
    Ok(config["sync_always"] == true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_says_so_syncs_always() {
        let answer = |body: &str| says(format!("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{body}").as_bytes());
        assert_eq!(answer(r#"{"config":{"sync_always":true,"sync_interval":120}}"#), Ok(true));
        assert_eq!(answer(r#"{"config":{"sync_interval":120000000000}}"#), Ok(false));
        assert!(answer("{}").is_err() && answer("<html>").is_err() && says(b"SSH-2.0").is_err());
    }
}
