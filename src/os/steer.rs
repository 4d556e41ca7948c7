//! Steering of connections: which of the sockets that share an address gets a new one.

use std::io;
use std::net::TcpListener;

use nix::libc::{sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};

/// Gives each new connection to the socket whose place in the group is the CPU that its packet arrived on, modulo
/// `sockets`. `listener` is any of the group; places are in the order in which they began to listen.
///
/// # Errors
/// Returns the error of setsockopt (`SO_ATTACH_REUSEPORT_CBPF`, Linux 4.5).
pub fn by_cpu(listener: &TcpListener, sockets: u32) -> io::Result<()> {
    // kernel: networking/filter. A = the CPU; A %= sockets; give A.
    const LOAD_WORD_ABSOLUTE: u16 = 0x20;
    const MODULO_CONSTANT: u16 = 0x94;
    const GIVE_A: u16 = 0x16;
    const CPU: u32 = (-0x1000i32 + 36).cast_unsigned();
    let step = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    let mut program = [step(LOAD_WORD_ABSOLUTE, CPU), step(MODULO_CONSTANT, sockets), step(GIVE_A, 0)];
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    Ok(setsockopt(listener, AttachReusePortCbpf, &program)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::{socket, thread};
    use std::net::TcpStream;

    #[test]
    fn connections_go_to_the_socket_of_the_cpu_they_come_from() {
        let cores = thread::allowed_cores();
        let first = socket::listen_shared("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let second = socket::listen_shared(address).unwrap();
        by_cpu(&first, 2).unwrap();
        let listeners = [first, second];
        for core in cores.into_iter().take(4) {
            // Over loopback a packet is received on the CPU that sent it.
            let client = std::thread::spawn(move || {
                assert!(thread::pin_to(core));
                (0..20).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<_>>()
            });
            let clients = client.join().unwrap();
            for _ in &clients {
                listeners[core % 2].accept().expect("it waits at the socket of its CPU");
            }
            assert!(listeners[1 - core % 2].accept().is_err(), "and none at the other");
        }
    }
}
