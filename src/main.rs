//! The `pixeld` binary.

fn main() {}
