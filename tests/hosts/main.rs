//! Two hosts: joined, cut apart, killed, balanced and compared.

#[path = "../process/mod.rs"]
mod process;

mod balancer;
mod both;
mod joining;
mod partition;
mod retention;
mod second_host;
mod two_hosts;
mod two_shops;
