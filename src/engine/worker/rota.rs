//! Whose turn it is: the lists of connections with something to do although the kernel has no news of them.

use super::connection::{Connection, Marks};
use crate::engine::shared::table::Key;

/// The lists of one worker. A connection is in each of them once at most.
#[derive(Default)]
pub(super) struct Rota {
    /// To be served in the next turn.
    again: Vec<Key>,
    /// Memory of the list that is gone through, for the next one.
    spare: Vec<Key>,
    /// With something to send.
    sending: Vec<Key>,
    /// With records that wait for room in the lane.
    stalled: Vec<Key>,
}

impl Rota {
    /// Puts a connection into the lists that its marks name; gives whether it waits for the lane from now on.
    #[inline]
    pub(super) fn note(&mut self, connection: &mut Connection) -> bool {
        let new = connection.marks.without(connection.listed);
        connection.listed.add(new);
        if new.has(Marks::SENDS) {
            self.sending.push(connection.key);
        }
        if new.has(Marks::AGAIN) {
            self.again.push(connection.key);
        }
        let stalls = new.has(Marks::STALLS);
        if stalls {
            self.stalled.push(connection.key);
        }
        stalls
    }

    /// Puts a connection that is marked as having something to send, and nothing else, into the list of those.
    #[inline]
    pub(super) fn note_output(&mut self, connection: &mut Connection) {
        debug_assert_eq!(connection.marks, Marks::SENDS);
        connection.marks = Marks::default();
        if !connection.listed.has(Marks::SENDS) {
            connection.listed.add(Marks::SENDS);
            self.sending.push(connection.key);
        }
    }

    /// Has the next turn come at once, because of this connection: something waits for a turn and not for the kernel.
    pub(super) fn turn_for(&mut self, key: Key) {
        self.again.push(key);
    }

    /// Takes the list of those to be served in this turn, if there are any; it comes back by [`Rota::served`].
    #[inline]
    pub(super) fn take_listed(&mut self) -> Option<Vec<Key>> {
        if self.again.is_empty() {
            return None;
        }
        Some(std::mem::replace(&mut self.again, std::mem::take(&mut self.spare)))
    }

    /// Gives the memory of a list back that was gone through.
    #[inline]
    pub(super) fn served(&mut self, mut list: Vec<Key>) {
        list.clear();
        self.spare = list;
    }

    /// Takes the list of those with something to send; it comes back by [`Rota::sent`].
    #[inline]
    pub(super) fn take_sending(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.sending)
    }

    /// Gives the memory of a list back that was gone through. A connection that has something to send again is for the next turn.
    #[inline]
    pub(super) fn sent(&mut self, mut list: Vec<Key>) {
        list.clear();
        if !self.sending.is_empty() {
            list.append(&mut self.sending);
        }
        self.sending = list;
    }

    /// Takes the list of those that wait for the lane.
    pub(super) fn take_stalled(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.stalled)
    }

    /// Returns whether a connection waits for the lane.
    #[inline]
    pub(super) fn has_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    /// Returns whether a connection is to be served in the next turn.
    #[inline]
    pub(super) fn has_next(&self) -> bool {
        !self.again.is_empty()
    }

    /// Returns whether a connection has something to send.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        !self.sending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::router::Router;
    use crate::apps::registry;
    use crate::engine::shared::entrance::Entrance;
    use crate::engine::shared::settings::ListenerKind;
    use crate::engine::shared::wire::Wire;

    fn connection() -> Connection {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let wire = Wire::new(mio::net::TcpStream::from_std(client)).expect("a socket");
        let root = Router::new(registry::all()).usual_root();
        let entrance = Entrance { root, kind: ListenerKind::Http };
        Connection::new(Key { place: 7, generation: 1 }, wire, entrance, 0)
    }

    #[test]
    fn a_connection_is_in_each_list_once_until_it_is_taken_off() {
        let (mut rota, mut connection) = (Rota::default(), connection());
        for _ in 0..2 {
            connection.owe();
            connection.stall();
            rota.note(&mut connection);
            connection.marks = Marks::default();
        }
        assert!(rota.has_output() && !rota.has_next());
        assert_eq!((rota.take_sending().len(), rota.take_stalled().len()), (1, 1));
        connection.listed.remove(Marks::SENDS);
        connection.owe();
        rota.note(&mut connection);
        assert_eq!((rota.take_sending(), rota.take_stalled()), (vec![connection.key], vec![]));
    }

    #[test]
    fn output_is_noted_once_as_any_other_mark_is() {
        let (mut rota, mut connection) = (Rota::default(), connection());
        for _ in 0..2 {
            connection.owe();
            rota.note_output(&mut connection);
            assert!(connection.marks.is_empty());
        }
        connection.owe();
        rota.note(&mut connection);
        assert_eq!(rota.take_sending(), [connection.key]);
    }

    #[test]
    fn what_is_owed_anew_while_a_list_is_gone_through_is_for_the_next_turn() {
        let (mut rota, mut connection) = (Rota::default(), connection());
        connection.serve_again();
        rota.note(&mut connection);
        let list = rota.take_listed().expect("one is to be served");
        connection.listed = Marks::default();
        rota.note(&mut connection);
        rota.served(list);
        assert!(rota.has_next());
        assert_eq!(rota.take_listed(), Some(vec![connection.key]));
        assert_eq!(rota.take_listed(), None);
    }
}
