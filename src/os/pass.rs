//! Passing open sockets between two processes of this program: a channel of messages, each a text and some descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Most descriptors of one message; the kernel takes 253.
pub const DESCRIPTORS_MAX: usize = 64;
/// Bytes of a message's text.
const TEXT_MAX: usize = 512;

/// One end.
pub struct Channel(OwnedFd);

/// What arrived.
#[derive(Debug)]
pub struct Message {
    /// The text.
    pub text: String,
    /// What came with it.
    pub descriptors: Vec<OwnedFd>,
}

impl From<OwnedFd> for Channel {
    /// Returns the end of a channel that somebody kept.
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl Channel {
    /// Returns two ends of a new channel.
    ///
    /// # Errors
    /// Returns the error of socketpair.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// Returns the end that another process gave us as our standard input.
    ///
    /// # Errors
    /// Returns the error of duplicating a descriptor.
    pub fn from_stdin() -> io::Result<Self> {
        Ok(Self(io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// Sends a message; the descriptors stay open here. Waits while the other end is behind.
    ///
    /// # Errors
    /// Fails with `BrokenPipe` when the other process has ended.
    pub fn send(&self, text: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_with(text, descriptors, SendFlags::NOSIGNAL)
    }

    /// Puts a message into the channel, for somebody who reads it later.
    ///
    /// # Errors
    /// Fails with `WouldBlock` when the channel is full.
    pub fn put(&self, text: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_with(text, descriptors, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn send_with(&self, text: &str, descriptors: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
        debug_assert!(descriptors.len() <= DESCRIPTORS_MAX && text.len() <= TEXT_MAX);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
            debug_assert!(fits, "the space is for as many as there may be");
        }
        sendmsg(&self.0, &[IoSlice::new(text.as_bytes())], &mut control, flags)?;
        Ok(())
    }

    /// Returns the next message; nothing once the other end is closed.
    ///
    /// # Errors
    /// Fails with `TimedOut` after `patience`, if one is given.
    pub fn receive(&self, patience: Option<Duration>) -> io::Result<Option<Message>> {
        if let Some(patience) = patience {
            let timeout = Timespec::try_from(patience).map_err(|_| io::ErrorKind::InvalidInput)?;
            if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut text = [0; TEXT_MAX];
        let received = loop {
            let mut places = [IoSliceMut::new(&mut text)];
            match recvmsg(&self.0, &mut places, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                // The other process was killed with messages of ours unread.
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                result => break result?,
            }
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        Ok(Some(Message { text: String::from_utf8_lossy(&text[..received.bytes]).into_owned(), descriptors }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_listener_arrives_with_what_waits_in_its_queue() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel(theirs);
        assert_eq!(ours.receive(Some(Duration::ZERO)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ours.send("listener", &[listener.as_fd()]).unwrap();
        drop(listener);
        let message = theirs.receive(None).unwrap().unwrap();
        assert_eq!((message.text.as_str(), message.descriptors.len()), ("listener", 1));
        let listener = TcpListener::from(message.descriptors.into_iter().next().unwrap());
        assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
        drop(ours);
        assert!(theirs.receive(None).unwrap().is_none());
        assert!(theirs.send("anybody?", &[]).is_err());
    }
}
