//! The applications over HTTP, as their clients and browsers see them.

#[path = "../support/board/mod.rs"]
mod board;
#[path = "../support/browser/mod.rs"]
mod browser;
#[path = "../support/canvas/mod.rs"]
mod canvas_seen;
#[path = "../support/hidden/mod.rs"]
mod hidden;
#[path = "../support/journal/mod.rs"]
mod journal;
#[path = "../support/process/mod.rs"]
mod process;
#[path = "../support/secured.rs"]
mod secured;
#[path = "../support/sim_disk/mod.rs"]
mod sim_disk;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/terminal.rs"]
mod terminal;
#[path = "../support/thumbs/mod.rs"]
mod thumbs;

mod backup;
mod board_browser;
mod board_events;
mod board_hostile;
mod board_live;
mod board_metadata;
mod board_old;
mod board_pictures;
mod board_scrub;
mod board_sending;
mod board_surface;
mod board_two_hosts;
mod board_uploads;
mod caching;
mod canvas;
mod canvas_browser;
mod damaged;
mod descriptors;
mod film;
mod index_page;
mod jpeg_forms;
mod keep;
mod notes;
mod pages_browser;
mod pex_import;
mod pex_surface;
mod photograph;
mod pictures;
mod pixel_answers;
mod pixel_cut;
mod pixel_json;
mod pixel_keep;
mod pixel_list;
mod pixel_surface;
mod sixth;
mod thumbs_decoders;
mod thumbs_kill;
mod thumbs_old;
mod thumbs_surface;
mod token_browser;
mod too_old;
mod toys_browser;
mod toys_keys;
mod toys_old;
mod toys_page;
mod toys_surface;
mod uploads;
