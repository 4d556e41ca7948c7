//! Forgetting: a host that does not come back is no member any more, and nothing waits for it. No server may be running on the
//! directory that is told so; the other hosts hear of it as of any record.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::offline::{self, OfflineError};
use crate::app::members::{Member, Members};
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::kinds::Kinds;
use crate::base::tag::{self, MEMBER};
use crate::engine::shared::understanding::{self, Understanding};
use crate::log::files::identity::Identity;
use crate::log::files::known_peer::KnownPeer;
use crate::log::files::newcomer::{self, Mark};
use crate::log::files::paired::Paired;
use crate::log::format::record;
use crate::log::recover::{self, OpenOptions, RecoverError, Replay, joining};
use crate::os::clock::wall_us;
use crate::os::datadir::{DataDir, DataDirError};
use crate::os::disk::{Disk, is_bad_medium};
use crate::os::files::RealDisk;
use crate::os::random;

/// Why no host was forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The directory is in use, or can't be opened.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// There is none.
    #[error("{} is not a data directory; `pixeld init` or `pixeld serve` makes one", path.display())]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// The host is the directory's own.
    #[error("{0} is this data directory itself: forget it on a host that stays")]
    Own(NodeId),
    /// The host is no member.
    #[error("{node} is no member of this cluster; {}", listed(members))]
    Unknown {
        /// The host.
        node: NodeId,
        /// The members that there are, but this host.
        members: Vec<(NodeId, Box<str>)>,
    },
    /// The directory waits for its first host.
    #[error(
        "this directory has not joined the first host yet: forget the host on that one, or `pixeld forget-peer` here"
    )]
    Joining,
    /// Its journal.
    #[error("the journal: {0}")]
    Journal(#[from] RecoverError),
    /// Nothing could be logged.
    #[error(transparent)]
    Unlogged(#[from] OfflineError),
    /// Its files.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Names members for an operator.
fn listed(members: &[(NodeId, Box<str>)]) -> String {
    let named = members.iter().map(|(node, name)| format!("{node} ({name})")).collect::<Vec<_>>();
    if named.is_empty() {
        "it lists no other host".to_owned()
    } else {
        format!("it lists {}", named.join(", "))
    }
}

/// What [`forget_peer`] has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The peer's directory, for which nothing is kept any more.
    pub node: Option<NodeId>,
    /// The directory was joining a first host, and does not wait for it any more.
    pub was_newcomer: bool,
    /// What it lacks of all that the first host had when the two met: of each stream the last record that is here, and
    /// the last one that the first host had.
    pub missing: Vec<(Origin, Seq, Seq)>,
}

/// A data directory that no server runs on.
struct Stopped {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    options: OpenOptions,
    /// The kinds of records that this program understands.
    own: Kinds,
    _lock: DataDir,
}

/// Makes the directory at `path` forget its peer, for which nothing is kept any more, and which is not waited for any
/// more. `own` are the kinds of records that this program understands.
///
/// # Errors
/// Fails as [`ForgetError`] says.
pub fn forget_peer(path: &Path, own: Kinds) -> Result<Forgotten, ForgetError> {
    let stopped = Stopped::open(path, own)?;
    let (disk, io) = (&*stopped.disk, |source| stopped.io(source));
    if joining::is_marked(disk).map_err(io)? {
        // A snapshot that did not come whole: nothing of it is worth anything without the rest.
        let no_segment = |error| io(std::io::Error::other(error));
        joining::undo(disk, stopped.options.segment_bytes).map_err(no_segment)?;
    }
    let (members, missing) = (stopped.members().unwrap_or_default(), stopped.missing());
    let known = stopped.known_peer()?.map(|known| known.node);
    // What the file said may be lost: of two hosts there is only one that it can be.
    let node = known.or_else(|| match *stopped.others(&members) {
        [(node, _)] => Some(node),
        _ => None,
    });
    if let Some(node) = node {
        stopped.log_forgotten(&members, node)?;
    }
    KnownPeer::forget(disk).map_err(io)?;
    Paired::forget(disk).map_err(io)?;
    Ok(Forgotten { node, was_newcomer: newcomer::clear(disk).map_err(io)?, missing })
}

/// Makes the directory at `path` forget the member `node`: nothing is kept for it any more, here and on all hosts that hear of it.
/// Gives what it was. `own` are the kinds of records that this program understands.
///
/// # Errors
/// Fails as [`ForgetError`] says.
pub fn forget_host(path: &Path, node: NodeId, own: Kinds) -> Result<Member, ForgetError> {
    let stopped = Stopped::open(path, own)?;
    let disk = &*stopped.disk;
    if node == stopped.options.node {
        return Err(ForgetError::Own(node));
    }
    let is_joining = newcomer::is_marked(disk).and_then(|is_new| Ok(is_new || joining::is_marked(disk)?));
    if is_joining.map_err(|source| stopped.io(source))? {
        return Err(ForgetError::Joining);
    }
    let members = stopped.members()?;
    let Some(member) = stopped.log_forgotten(&members, node)? else {
        return Err(ForgetError::Unknown { node, members: stopped.others(&members) });
    };
    if stopped.known_peer()?.is_some_and(|known| known.node == node) {
        KnownPeer::forget(disk).map_err(|source| stopped.io(source))?;
    }
    Ok(member)
}

impl Stopped {
    fn open(path: &Path, own: Kinds) -> Result<Self, ForgetError> {
        let io = |source| ForgetError::Io { path: path.to_owned(), source };
        let none = || ForgetError::None { path: path.to_owned() };
        if !path.is_dir() {
            return Err(none());
        }
        let stored = Identity::load(&RealDisk::open(path).map_err(io)?).map_err(io)?;
        let Identity { segment_bytes, cluster, node, .. } = stored.ok_or_else(none)?;
        let random = random::start().map_err(io)?;
        let lock = DataDir::open(path)?;
        let options = OpenOptions { segment_bytes, accept_loss: false, cluster, node, random };
        Ok(Self { path: path.to_owned(), disk: lock.disk(), options, own, _lock: lock })
    }

    fn io(&self, source: std::io::Error) -> ForgetError {
        ForgetError::Io { path: self.path.clone(), source }
    }

    /// Returns what the file `peer` says; nothing if it is damaged, when it says nothing that counts.
    fn known_peer(&self) -> Result<Option<KnownPeer>, ForgetError> {
        match KnownPeer::load(&*self.disk) {
            Err(error) if is_bad_medium(&error) => Ok(None),
            known => known.map_err(|source| self.io(source)),
        }
    }

    /// Returns the members as the journal lists them; changes nothing.
    fn members(&self) -> Result<Members, RecoverError> {
        let mut members = Members::default();
        recover::look(&self.disk, &self.options, &mut |replay| hear(&mut members, &self.own, &replay))?;
        Ok(members)
    }

    fn others(&self, members: &Members) -> Vec<(NodeId, Box<str>)> {
        let others = members.iter().filter(|(node, _)| *node != self.options.node);
        others.map(|(node, member)| (node, member.name.clone())).collect()
    }

    /// Logs that a member is forgotten, and gives what it was; nothing if it is none.
    fn log_forgotten(&self, members: &Members, node: NodeId) -> Result<Option<Member>, ForgetError> {
        let (Some(member), Some(said)) = (members.get(node), members.forget_record(node)) else {
            return Ok(None);
        };
        let understanding = Understanding::new(self.own);
        if let Some(known) = self.known_peer()?.filter(|known| known.node != node) {
            understanding.learn(known.node, known.kinds);
        }
        let mut opened = recover::open(&self.disk, &self.options, &mut |_| Ok(()))?;
        offline::log(&mut opened, &said, 1, &understanding, wall_us())?;
        Ok(Some(member.clone()))
    }

    /// Returns what a directory that is joining lacks; nothing where that can't be told, because it has met nobody or is damaged.
    fn missing(&self) -> Vec<(Origin, Seq, Seq)> {
        let Ok(Some(Mark { goal: Some(goal) })) = newcomer::load(&*self.disk) else { return Vec::new() };
        let looked = recover::look(&self.disk, &self.options, &mut |_| Ok(()));
        let Ok((opened, _)) = looked else { return Vec::new() };
        let here = opened.appender.vector();
        let lacks = goal.iter().map(|(origin, seq)| (origin, here.seq_of(origin), seq));
        lacks.filter(|(_, here, there)| here < there).collect()
    }
}

/// Takes what the journal says of members.
fn hear(members: &mut Members, own: &Kinds, replay: &Replay<'_>) -> Result<(), String> {
    match replay {
        Replay::Snapshot(snapshot) => {
            *members = snapshot.section(tag::app::MEMBERS).and_then(Members::read).unwrap_or_default();
        }
        Replay::Batch(batch) => {
            understanding::of_journal(batch, own)?;
            let said = record::records(batch.body).map_while(Result::ok).filter(|record| record[0] == MEMBER);
            said.for_each(|record| members.hear(batch.time_us, record::payload(record)));
        }
        Replay::Oldest(_) => {}
    }
    Ok(())
}
