//! `pixeld bench`: the generator against servers that behave and servers that don't, and the tools around a measurement.

#[path = "../support/measured/mod.rs"]
mod measured;
#[path = "../support/skip.rs"]
mod skip;

mod agents;
mod codes;
mod ends;
mod figures;
mod https;
mod judgements;
mod kept;
mod load;
mod outputs;
mod pages;
mod protocol;
mod reach;
mod refusals;
mod requests;
mod schema;
mod screen;
mod sending;
mod status;
mod strangers;
mod terminal;
mod tools;
mod verify;
