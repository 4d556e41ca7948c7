//! A measurement from its start to its exit code, and the tools around it.

pub mod baseline;
pub mod bootstrap;
pub mod build;
pub mod calibrate;
pub mod calibration;
pub mod chaos;
pub mod compare;
pub mod compared;
pub mod diff;
pub mod exit;
pub mod foreign;
pub mod judgement;
pub mod launch;
pub mod null;
pub mod output_file;
pub mod outputs;
pub mod peers;
pub mod published;
pub mod scratch;
pub mod search;
pub mod session;
pub mod verify;
