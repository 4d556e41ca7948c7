//! The server's own bounds: a row for each field of [`Limits`].
//!
//! [`Limits`]: crate::base::limits::Limits

use super::table::{Row, whole};
use crate::base::limits::{DEFAULTS, HEADER_FIELDS_MAX};
use crate::base::setting::{Form, Setting};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const HOUR: u64 = 3_600_000;

macro_rules! limit {
    ($name:ident, $form:expr, $help:expr) => {
        Row {
            setting: Setting::limit(
                concat!("limits.", stringify!($name)),
                $help,
                $form,
                DEFAULTS.$name as u64,
            ),
            goes: |config, value| whole(value, &mut config.settings.limits.$name),
        }
    };
}

const fn bytes(least: u64, most: u64) -> Form {
    Form::Size(least, most, 1)
}

/// Every field of the limits but for those of applications, in its order.
pub static LIMITS: [Row; 22] = [
    limit!(request_line_bytes, bytes(256, 64 * KIB), "Request line; a longer one is answered 414"),
    limit!(header_bytes, bytes(KIB, MIB), "Header block; a longer one is answered 431"),
    limit!(header_field_bytes, bytes(256, MIB), "One header field; a longer one is answered 431"),
    limit!(
        header_fields,
        Form::Number(8, HEADER_FIELDS_MAX as u64),
        "Number of header fields; more are answered 431"
    ),
    limit!(
        unused_body_bytes,
        bytes(64, MIB),
        "Body that the path has no use for; a longer one is not read further, and the connection is closed after the answer"
    ),
    limit!(
        chunk_line_bytes,
        bytes(18, 4 * KIB),
        "Line with the size of a chunk and its extensions; a longer one is answered 400"
    ),
    limit!(trailer_bytes, bytes(0, 64 * KIB), "Trailers after a chunked body; longer ones are answered 431"),
    limit!(
        first_byte_ms,
        Form::Millis(10, HOUR),
        "From accepting a connection to the first byte of a request; then it is closed"
    ),
    limit!(
        header_ms,
        Form::Millis(10, HOUR),
        "From the first byte of a request to the end of its header block; then 408"
    ),
    limit!(body_grace_ms, Form::Millis(10, HOUR), "Grace before the rate of a body is checked"),
    limit!(
        body_rate_bytes,
        Form::Rate(0, MIB),
        "Least rate of a body after the grace, bytes per second; a slower one is answered 408"
    ),
    limit!(idle_ms, Form::Millis(10, HOUR), "Idle time between requests; then the connection is closed"),
    limit!(
        idle_crowded_ms,
        Form::Millis(10, HOUR),
        "Idle time between requests while over 80 % of the connections are used"
    ),
    limit!(
        write_stall_ms,
        Form::Millis(10, HOUR),
        "How long a client may read nothing of its answer; then the connection is reset"
    ),
    limit!(
        pipeline_requests,
        Form::Number(1, 4096),
        "Requests of one connection that wait for their commit; beyond that its socket is not read"
    ),
    limit!(
        output_bytes,
        bytes(4 * KIB, 64 * MIB),
        "Output of one connection that waits for its socket; beyond that the socket is not read"
    ),
    limit!(
        connections,
        Form::Number(1, 1_000_000),
        "Connections of the server, bounded by the limit of open files too; from 95 % on a new one is answered 503"
    ),
    limit!(
        connections_per_address,
        Form::Number(0, 1_000_000),
        "Connections of one client's address, or of one IPv6 network of 64 bits; beyond that 503. 0 for no bound"
    ),
    limit!(
        buffered_bytes,
        bytes(MIB, 64 * GIB),
        "Bodies that all connections together keep in memory; beyond that 503"
    ),
    limit!(
        lane_full_ms,
        Form::Millis(1, 60_000),
        "How long a full lane holds back a request before it is answered 503"
    ),
    limit!(
        peer_waiters,
        Form::Number(1, 10_000_000),
        "Requests of one worker that wait for the peer, or for the log; beyond that a write at both or cluster is answered 503"
    ),
    limit!(
        young_bytes,
        bytes(KIB, GIB),
        "Items of one application in memory; beyond that the oldest go to the disk"
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;

    #[test]
    fn every_field_has_its_row_in_order() {
        let shown = format!("{:?}", Limits::default());
        let fields =
            shown.trim_start_matches("Limits { ").split(", ").filter_map(|field| field.split(':').next());
        let rows: Vec<&str> = LIMITS.iter().map(|row| &row.setting.key["limits.".len()..]).collect();
        assert_eq!(rows, fields.filter(|field| *field != "apps").collect::<Vec<_>>());
    }
}
