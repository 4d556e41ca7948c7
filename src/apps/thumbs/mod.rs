//! The thumbnail service: its parts that need no server yet. Pictures are made small in [`super::pictures`].

pub mod base64;
