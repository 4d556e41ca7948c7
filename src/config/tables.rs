//! The tables of the file that belong to one application, or to the place of blobs: `[pex]`, `[toys]`, `[thumbs]`, `[board]`,
//! `[blobs]`.

use std::time::Duration;

use super::place;
use super::read::Reader;
use super::units;
use crate::apps::board::settings::{BoardSettings, MEDIA_PATH};
use crate::apps::pex::settings::PexSettings;
use crate::apps::thumbs::settings::{self as thumbs, ThumbsSettings};
use crate::apps::toys::settings::{TIME_MS_MAX, ToysSettings};
use crate::base::limits::PEX_POSITION_MAX;
use crate::engine::shared::settings::BlobPlace;

impl Reader {
    pub(super) fn pex(&mut self) -> PexSettings {
        let default = PexSettings::default().max_position;
        PexSettings { max_position: self.number("pex.max_position", default, PEX_POSITION_MAX) }
    }

    pub(super) fn toys(&mut self) -> ToysSettings {
        let default = ToysSettings::default();
        ToysSettings {
            heavy_ms: self.wait_ms("toys.heavy_ms", default.heavy_ms),
            db_ms: self.wait_ms("toys.db_ms", default.db_ms),
            order_ms: self.wait_ms("toys.order_ms", default.order_ms),
        }
    }

    /// A time that may be none, and in whose name the unit stands already.
    fn wait_ms(&mut self, key: &str, default: u64) -> u64 {
        let most = units::show_duration(TIME_MS_MAX);
        let allowed = format!("{} (a number alone is milliseconds) of at most {most}", units::DURATION_FORM);
        self.one(key, &units::show_duration(default), &allowed, |text| {
            text.parse().ok().or_else(|| units::duration_ms(text)).filter(|ms| *ms <= TIME_MS_MAX)
        })
    }

    pub(super) fn thumbs(&mut self) -> ThumbsSettings {
        let default = ThumbsSettings::default();
        let workers = format!("auto (as many as job_threads), or a number from 1 to {}", thumbs::WORKERS_MAX);
        ThumbsSettings {
            deadline: self.time("thumbs.deadline", thumbs::DEADLINE_MIN, default.deadline),
            takeover: self.time("thumbs.takeover", Duration::ZERO, default.takeover),
            status_hold: self.time("thumbs.status_hold", Duration::ZERO, default.status_hold),
            max_pixels: self.number("thumbs.max_pixels", default.max_pixels, thumbs::PIXELS_MAX),
            workers: self.one("thumbs.workers", "auto", &workers, |text| match text {
                "auto" => Some(None),
                _ => text.parse().ok().filter(|count| (1..=thumbs::WORKERS_MAX).contains(count)).map(Some),
            }),
        }
    }

    /// A time of the thumbnail service.
    fn time(&mut self, key: &str, least: Duration, default: Duration) -> Duration {
        let show = |time: Duration| units::show_duration(time.as_millis() as u64);
        let most = thumbs::TIME_MAX;
        let allowed = format!("{} from {} to {}", units::DURATION_FORM, show(least), show(most));
        self.one(key, &show(default), &allowed, |text| {
            let time = units::duration_ms(text).map(Duration::from_millis);
            time.filter(|time| (least..=most).contains(time))
        })
    }

    pub(super) fn blobs(&mut self) -> BlobPlace {
        self.one("blobs.store", "files", place::ALLOWED, place::read)
    }

    pub(super) fn board(&mut self) -> BoardSettings {
        let form = "a path such as /media, or an address such as https://cdn.example.net/board, without a slash at its end";
        let public_base = self.one("board.public_base", MEDIA_PATH, form, |text| {
            let is_address =
                text.starts_with('/') || text.starts_with("https://") || text.starts_with("http://");
            // It stands in a policy's list of sources and before a name in addresses.
            let is_plain =
                text.bytes().all(|byte| byte.is_ascii_graphic() && !b";,\"'<>\\?#".contains(&byte));
            (is_address && is_plain && !text.ends_with('/')).then(|| text.to_owned())
        });
        let keep_metadata =
            self.one("board.keep_metadata", "false", "true or false", |text| text.parse().ok());
        BoardSettings { public_base, keep_metadata }
    }
}
