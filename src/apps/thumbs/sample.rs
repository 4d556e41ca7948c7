//! Records that tests fold.

use crate::app::floors;
use crate::apps::pictures::size::Fit;
use crate::apps::thumbs::tag::THUMBS_CUT;
use crate::base::blob::BlobId;

use super::media::{Frame, Media, Style};
use super::record::{Change, Picture, Thumbnail};
use super::state::ThumbsState;

/// Returns a record as the service might make it.
pub fn of(state: &ThumbsState, seed: u64) -> Vec<u8> {
    if seed.is_multiple_of(13) {
        return floors::sample(THUMBS_CUT, seed, &state.seen.keys().copied().collect::<Vec<_>>());
    }
    let thumbnail = Thumbnail { blob: BlobId([(seed % 3) as u8; 32]), bytes: 7 };
    // Words about what is there, about what was there, and about what is yet to come.
    let origins: Vec<_> = state.seen.iter().collect();
    if !seed.is_multiple_of(3) && !origins.is_empty() {
        let (origin, seen) = origins[(seed / 3) as usize % origins.len()];
        let place = (*origin, 1 + (seed / 7) % (seen + 3));
        let reason = || if seed.is_multiple_of(2) { "a reason" } else { "the reason" }.to_owned();
        return match seed / 11 % 4 {
            0 => Change::Attempt(place),
            1 => Change::Done(place, thumbnail),
            2 => Change::Failed(place, reason()),
            _ => Change::Delete(place),
        }
        .record();
    }
    let media = Media::ALL[seed as usize % Media::ALL.len()];
    let usual = Style::usual(media);
    let picture = Picture {
        uuid: [seed.to_le_bytes(), (!seed).to_le_bytes()].concat().try_into().expect("16 bytes"),
        media,
        frame: Frame::USUAL,
        style: if (seed / 13).is_multiple_of(3) { Style { fit: Fit::Cover, ..usual } } else { usual },
        raw: BlobId([(seed % 5) as u8 + 100; 32]),
        raw_bytes: seed,
    };
    let change =
        if seed.is_multiple_of(4) { Change::Known(picture, thumbnail) } else { Change::Submit(picture) };
    change.record()
}
