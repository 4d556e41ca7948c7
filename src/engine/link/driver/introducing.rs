//! How two hosts come to know each other: one says the secret of its invitation, the other one takes its key.

use mio::Token;

use super::Driver;
use crate::base::secret::{SECRET_BYTES, Secret};
use crate::engine::link::pairing::{self, Answer};
use crate::engine::link::trouble::Trouble;
use crate::engine::shared::peering::Peering;
use crate::os::clock::wall_us;

impl Driver {
    /// Says the secret to the host that has invited this one, once its key was verified, and takes its answer.
    pub(super) fn introduce(&mut self, token: Token, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let remote = connection.remote();
        match pairing::read_answer(&connection.heard) {
            Answer::Refused(reason) => {
                let trouble = Trouble::of_invitation(remote, Some(&reason));
                self.lose(token, Some(trouble), peering, now_us);
            }
            Answer::Paired => {
                tracing::info!(%remote, "paired with the host that has invited this one");
                if let Err(error) = self.pairing.proven() {
                    tracing::warn!(%error, "the secret of the invitation, which is used, could not be removed");
                }
                self.lose(token, None, peering, now_us);
            }
            Answer::More => {
                let is_new =
                    connection.wire.is_secured() && !std::mem::replace(&mut connection.has_asked, true);
                if let (true, Some(secret)) = (is_new, self.pairing.secret()) {
                    connection.words.extend_from_slice(&secret.0);
                }
            }
        }
    }

    /// Takes the key of a host that says the secret of an invitation, or tells it why not.
    pub(super) fn admit(&mut self, token: Token, peering: &Peering, now_us: u64) {
        let has_peer = self.connections.active().is_some_and(|active| !active.is_suspect(now_us));
        let Some(connection) = self.connections.get(token) else { return };
        let said = connection.heard.first_chunk::<SECRET_BYTES>().copied().map(Secret);
        let (Some(secret), Some(key)) = (said, connection.wire.introduced()) else { return };
        let remote = connection.remote();
        let outcome = self.pairing.admit(secret, key, has_peer, wall_us());
        match &outcome {
            Ok(()) => tracing::info!(%key, %remote, "paired with the host that was invited"),
            Err(refused) => self.words.not_admitted(refused, remote, now_us),
        }
        connection.wire.part(&pairing::answer(&outcome));
        self.lose(token, None, peering, now_us);
    }
}
