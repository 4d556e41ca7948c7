//! `pixeld send`: posts a picture pixel by pixel, reads it back and says whether it is identical.
//!
//! Every pixel becomes three requests, one for each channel. A request that was not answered, because the server was
//! killed or the connection broke, is sent again: the server may then list a pixel twice, with the same value. *Identical*
//! therefore means that for each coordinate and channel the last listed value is the picture's.

pub mod draw;
pub mod error;
pub mod picture;
pub mod post;
pub mod readback;
pub mod run;
pub mod tally;
pub mod target;
