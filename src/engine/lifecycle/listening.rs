//! The listening sockets of a server: its own, or those that it was given by its predecessor or by systemd.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::starting::StartError;
use crate::engine::shared::settings::Settings;
use crate::engine::shared::steering::{self, Steer};
use crate::os::{socket, steer};

/// The sockets of one server.
pub(super) struct Listening {
    /// Where it listens, with the ports that port 0 became.
    pub addresses: Vec<SocketAddr>,
    /// For each worker, those it accepts from, each with the place of its address.
    pub of_workers: Vec<Vec<(usize, TcpListener)>>,
}

/// Makes a socket for each address and worker, or takes those of `inherited` that are on the address. A socket that was
/// inherited is never left out: connections may wait in its queue.
pub(super) fn listen(settings: &Settings, inherited: Vec<TcpListener>) -> Result<Listening, StartError> {
    let mut given: Vec<(SocketAddr, TcpListener)> = Vec::new();
    for listener in inherited {
        given.push((listener.local_addr()?, listener));
    }
    let mut of_workers: Vec<Vec<(usize, TcpListener)>> = (0..settings.workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for (place, wanted) in settings.listen.iter().map(|listen| listen.address).enumerate() {
        let refused = |source| StartError::Listen { address: wanted, source };
        let known = given.iter().map(|(at, _)| *at).find(|at| fits(wanted, *at));
        let address = known.map_or_else(|| socket::probe_free(wanted).map_err(refused), Ok)?;
        let (here, elsewhere) = given.into_iter().partition::<Vec<_>, _>(|(at, _)| *at == address);
        given = elsewhere;
        let here: Vec<TcpListener> = here.into_iter().map(|(_, listener)| listener).collect();
        share(&mut of_workers, place, address, here).map_err(refused)?;
        addresses.push(address);
    }
    for (address, _) in given {
        tracing::warn!(%address, "a listener that this process was given is not in its configuration; it is closed");
    }
    for (place, &address) in addresses.iter().enumerate() {
        let first = of_workers[0].iter().find(|(of, _)| *of == place);
        first.into_iter().for_each(|(_, listener)| apply_steering(settings, address, listener));
    }
    Ok(Listening { addresses, of_workers })
}

fn fits(wanted: SocketAddr, given: SocketAddr) -> bool {
    wanted == given || wanted.port() == 0 && wanted.ip() == given.ip()
}

/// Gives every worker a socket on `address`, and every socket a worker.
fn share(
    of_workers: &mut [Vec<(usize, TcpListener)>],
    place: usize,
    address: SocketAddr,
    given: Vec<TcpListener>,
) -> io::Result<()> {
    let workers = of_workers.len();
    if given.is_empty() {
        for own in of_workers {
            own.push((place, socket::listen_shared(address)?));
        }
        return Ok(());
    }
    // Fewer than workers: some share one, as all do the one that systemd opened.
    let count = given.len();
    for worker in count..workers {
        of_workers[worker].push((place, given[worker % count].try_clone()?));
    }
    for (number, listener) in given.into_iter().enumerate() {
        of_workers[number % workers].push((place, listener));
    }
    Ok(())
}

fn apply_steering(settings: &Settings, address: SocketAddr, first: &TcpListener) {
    if settings.steer == Steer::Off || settings.workers == 1 {
        return;
    }
    let why = steering::obstacle("/".as_ref(), address, settings.workers, &settings.cores);
    let why =
        why.or_else(|| steer::by_cpu(first, settings.workers as u32).err().map(|error| error.to_string()));
    match (why, settings.steer) {
        (None, _) => {
            tracing::info!(%address, "new connections go to the worker on the CPU that received them");
        }
        (Some(why), Steer::Cbpf) => tracing::warn!(%address, why, "connections are not steered by CPU"),
        // Nobody expects it there, and it would be the first that a newcomer reads.
        (Some(why), Steer::Auto | Steer::Off) if address.ip().is_loopback() => {
            tracing::debug!(%address, why, "connections are not steered by CPU");
        }
        (Some(why), _) => tracing::info!(%address, why, "connections are not steered by CPU"),
    }
}
