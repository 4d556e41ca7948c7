//! What `pixeld inspect A B` says.

use std::process::ExitCode;

use super::blobs::Look;
use crate::base::blob::BlobId;
use crate::base::streams::FoldsDiffer;
use crate::log::blobs::check::Fault;
use crate::log::inspect::compare::{Agreement, Comparison, StreamComparison};

/// Returns the comparison for people: a line for each stream and one for all of it. `names` are what the two are called.
pub(super) fn describe(comparison: &Comparison, names: [&str; 2]) -> String {
    let mut lines: Vec<String> = [0, 1]
        .map(|index| {
            let side = &comparison.sides[index];
            format!("{} is node {} of cluster {}", names[index], side.node, side.cluster)
        })
        .into();
    if comparison.sides[0].cluster != comparison.sides[1].cluster {
        lines.push("different: they belong to different clusters".to_owned());
        return lines.join("\n") + "\n";
    }
    lines.extend(comparison.streams.iter().map(|stream| of_stream(stream, names)));
    lines.extend(comparison.folds.map(|FoldsDiffer { node, starts: [a, b] }| {
        let (one, other) = (names[0], names[1]);
        format!("earlier starts of {node} that are folded: {a} in {one}, {b} in {other}, and they are not the same")
    }));
    lines.push(match comparison.agreement() {
        Agreement::Same => "same: every stream ends at the same record, and all that both keep is equal to the byte".to_owned(),
        Agreement::Behind => "behind: all that both keep is equal to the byte, but one lacks records of the other".to_owned(),
        Agreement::Different => "different: a stream holds other bytes in one than in the other. This must not be; is one of them a \
             copy that was served from?".to_owned(),
    });
    lines.join("\n") + "\n"
}

fn of_stream(stream: &StreamComparison, names: [&str; 2]) -> String {
    let StreamComparison { origin, last: [a, b], common, differs_at } = *stream;
    let kept = match common {
        Some((first, last)) => format!("{first}..{last} kept by both"),
        None => "nothing kept by both".to_owned(),
    };
    let says = match differs_at {
        Some(0) => "DIFFERS: another history".to_owned(),
        Some(seq) => format!("DIFFERS from record {seq} on"),
        None if a == b => format!("same up to {a}"),
        None => {
            let (behind, ahead) = if a < b { (names[0], names[1]) } else { (names[1], names[0]) };
            format!("{behind} ends at {}, {ahead} at {}", a.min(b), a.max(b))
        }
    };
    format!("stream {origin}: {says}; {kept}")
}

/// Returns what is wrong with contents that records name, for people.
pub(super) fn blobs(names: [&str; 2], blobs: &[Option<Look>]) -> String {
    let line = |(name, look): (&str, &Option<Look>)| {
        let lines = look.iter().flat_map(Look::lines);
        lines.map(|line| format!("blob {line} in {name}\n")).collect::<String>()
    };
    names.into_iter().zip(blobs).map(line).collect()
}

/// Returns the applications whose states differ although both directories have the same records; nothing where that can't be told,
/// because they have not, or somebody serves from one.
pub(super) fn states_differ(looks: &[Option<Look>]) -> Option<Vec<u8>> {
    let [one, other] = [0, 1].map(|index| looks.get(index)?.as_ref()?.states.as_ref());
    let (one, other) = one.zip(other).filter(|(one, other)| one.vector == other.vector)?;
    let pairs = one.digests.iter().zip(&other.digests);
    Some(pairs.filter(|(one, other)| one != other).map(|((id, _), _)| *id).collect())
}

/// Returns a line about the states, for people.
pub(super) fn states(differ: Option<&[u8]>) -> String {
    match differ {
        None => String::new(),
        Some([]) => "states: every application has the same digest in both\n".to_owned(),
        Some(ids) => {
            let ids = ids.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            format!(
                "states: DIFFERENT digests of the applications with the ids {ids}, of the same records. This must not be\n"
            )
        }
    }
}

/// Returns the comparison for programs.
pub(super) fn json(comparison: &Comparison, names: [&str; 2], blobs: &[Option<Look>]) -> String {
    let side = |index: usize| {
        let side = &comparison.sides[index];
        serde_json::json!({
            "dir": names[index],
            "cluster": side.cluster.to_string(),
            "node": side.node.to_string(),
            "blobs": blobs[index].as_ref().map(of_blobs),
        })
    };
    let of_stream = |stream: &StreamComparison| {
        serde_json::json!({
            "node": stream.origin.node.to_string(),
            "inc": stream.origin.inc.to_string(),
            "verdict": word(stream.agreement()),
            "last": stream.last,
            "common": stream.common.map(|(first, last)| [first, last]),
            "differs_at": stream.differs_at,
        })
    };
    let value = serde_json::json!({
        "verdict": word(comparison.agreement()),
        "sides": [side(0), side(1)],
        "streams": comparison.streams.iter().map(of_stream).collect::<Vec<_>>(),
        "states_differ": states_differ(blobs),
        "folds_differ": comparison.folds.map(|folds| folds.node.to_string()),
    });
    format!("{value:#}\n")
}

fn of_blobs(look: &Look) -> serde_json::Value {
    let fault =
        |(id, fault): &(BlobId, Fault)| serde_json::json!({"name": id.to_string(), "is": fault.to_string()});
    serde_json::json!({"named": look.named, "faults": look.faults.iter().map(fault).collect::<Vec<_>>()})
}

fn word(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Same => "same",
        Agreement::Behind => "behind",
        Agreement::Different => "different",
    }
}

/// Returns the exit code: 0 same, 3 behind, 4 different; 1 is for a directory that can't be compared.
pub(super) fn exit_code(comparison: &Comparison, states_differ: Option<&[u8]>) -> ExitCode {
    if states_differ.is_some_and(|ids| !ids.is_empty()) {
        return ExitCode::from(4);
    }
    match comparison.agreement() {
        Agreement::Same => ExitCode::SUCCESS,
        Agreement::Behind => ExitCode::from(3),
        Agreement::Different => ExitCode::from(4),
    }
}
