//! A cable between two hosts that can be pulled, or that lets so much through and no more: nobody is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Where one host dials the other one.
pub struct Cable {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    is_pulled: AtomicBool,
    /// Bytes that still come through, of both directions.
    left: AtomicU64,
    /// Raised when what was connected then is to be let go.
    healed: AtomicU64,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Cable {
    /// A cable to `there`.
    pub fn to(there: SocketAddr) -> Self {
        Self::letting_through(there, u64::MAX)
    }

    /// A cable to `there` that is pulled as soon as `bytes` have come through, of both directions together.
    pub fn letting_through(there: SocketAddr, bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            is_pulled: AtomicBool::new(bytes == 0),
            left: AtomicU64::new(bytes),
            healed: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(far) = TcpStream::connect(there) {
                    shared.join(&near, &far);
                }
            }
        });
        Self { address, state }
    }

    /// Lets nothing through any more.
    pub fn pull(&self) {
        self.state.is_pulled.store(true, Ordering::Release);
    }

    /// Returns whether nothing comes through.
    pub fn is_pulled(&self) -> bool {
        self.state.is_pulled.load(Ordering::Acquire)
    }

    /// Lets everything through again; connections from before are gone.
    pub fn plug_in(&self) {
        self.state.healed.fetch_add(1, Ordering::AcqRel);
        self.state.close();
        self.state.is_pulled.store(false, Ordering::Release);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        self.state.close();
        // The one who accepts looks at it.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn close(&self) {
        for stream in self.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn join(self: &Arc<Self>, near: &TcpStream, far: &TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        self.open.lock().expect("no panic").extend([copy(near), copy(far)]);
        for (from, to) in [(copy(near), copy(far)), (copy(far), copy(near))] {
            let state = Arc::clone(self);
            thread::spawn(move || state.carry(from, to));
        }
    }

    /// Takes up to `length` bytes of what still comes through, and pulls the cable when that was the last of it.
    fn take(&self, length: usize) -> usize {
        let wanted = length as u64;
        let left = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
            Some(if left == u64::MAX { left } else { left.saturating_sub(wanted) })
        });
        let left = left.expect("it always gives a number");
        if left <= wanted {
            self.is_pulled.store(true, Ordering::Release);
        }
        left.min(wanted) as usize
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let (since, mut piece) = (self.healed.load(Ordering::Acquire), vec![0; 1 << 16]);
        while let Ok(length) = from.read(&mut piece) {
            // What is on its way stays there until the cable is plugged in, which ends this connection.
            while self.is_pulled.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(5));
            }
            let is_over = length == 0 || self.healed.load(Ordering::Acquire) != since;
            let through = self.take(length);
            if is_over || to.write_all(&piece[..through]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    }
}
