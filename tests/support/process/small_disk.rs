//! A small disk of a test's own, to be filled.

use crate::skip::skip;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// What a small disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tmpfs,
    /// A tmpfs that runs out of inodes before it runs out of blocks.
    Inodes,
    Ext4,
    Xfs,
    Btrfs,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Tmpfs, Self::Inodes, Self::Ext4, Self::Xfs, Self::Btrfs];

    /// How its file system is made in an image, and the smallest that it can be, MiB.
    fn maker(self) -> (&'static [&'static str], u64) {
        match self {
            Self::Tmpfs | Self::Inodes => (&[], 0),
            Self::Ext4 => (&["mkfs.ext4", "-q", "-m", "0"], 96),
            Self::Xfs => (&["mkfs.xfs", "-q", "-m", "reflink=1"], 320),
            Self::Btrfs => (&["mkfs.btrfs", "-q", "-M"], 192),
        }
    }
}

/// A file system of a test's own, unmounted when dropped.
pub struct SmallDisk {
    directory: tempfile::TempDir,
    /// What it is in, unless it is in memory.
    _image: Option<tempfile::NamedTempFile>,
    kind: Kind,
}

impl SmallDisk {
    /// A tmpfs of 40 MiB; nothing where we may not mount.
    pub fn new() -> Option<Self> {
        Self::of(Kind::Tmpfs)
    }

    /// Nothing, with a word about it, where there is no such thing.
    pub fn of(kind: Kind) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let image = match kind {
            Kind::Tmpfs | Kind::Inodes => None,
            _ => match image(kind) {
                Some(image) => Some(image),
                None => {
                    skip(format_args!("a {kind:?} can't be made here"));
                    return None;
                }
            },
        };
        let mut mount = Command::new("mount");
        match &image {
            None if kind == Kind::Inodes => {
                mount.args(["-t", "tmpfs", "-o", "size=64m,nr_inodes=64", "pixeld-test"])
            }
            None => mount.args(["-t", "tmpfs", "-o", "size=40m", "pixeld-test"]),
            Some(image) => mount.args(["-o", "loop"]).arg(image.path()),
        };
        mount.arg(directory.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self { directory, _image: image, kind }),
            _ => {
                skip(format_args!("a {kind:?} can't be mounted here"));
                None
            }
        }
    }

    /// Lets another program take every block, or every inode, that there is. A file system gives blocks back some time after
    /// their files have gone, so it goes on until there is nothing to take any more.
    pub fn fill(&self) {
        let mut before = u64::MAX;
        for _ in 0..20 {
            self.take_what_there_is();
            let disk = std::fs::File::open(self.directory.path()).expect("a directory");
            rustix::fs::syncfs(&disk).expect("synced");
            let left = rustix::fs::fstatvfs(&disk).expect("figures").f_bfree;
            if left == before {
                return;
            }
            before = left;
        }
        panic!("{:?}: there are free blocks again and again", self.kind);
    }

    fn take_what_there_is(&self) {
        if self.kind == Kind::Inodes {
            let names = || (0..).map(|number: u32| self.directory.path().join(format!("ballast-{number}")));
            assert!(names().take(1000).any(|name| std::fs::File::create(name).is_err()), "64 inodes");
            return;
        }
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(self.ballast()).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![1; size];
            while file.write_all(&piece).and_then(|()| file.sync_data()).is_ok() && size > 1 {}
        }
        // Btrfs keeps blocks for metadata, into which small files go.
        let directory = self.directory.path().join("ballast.d");
        if std::fs::create_dir(&directory).is_ok() || directory.exists() {
            let taken = std::fs::read_dir(&directory).expect("a directory").count();
            for number in taken..10_000 {
                let written = std::fs::write(directory.join(number.to_string()), [1; 1500]);
                if written.and_then(|()| file.sync_all()).is_err() {
                    break;
                }
            }
        }
    }

    /// Mounts it again so that nothing can be written, or everything.
    pub fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(self.directory.path());
        assert!(mount.status().expect("it runs").success(), "remount,{how}");
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.directory.path().join("ballast")
    }

    /// Lets another program take everything but about this many bytes.
    pub fn fill_up_to(&self, left: usize) {
        let mut size = 32 << 20;
        while size > left {
            let grown = std::fs::metadata(self.ballast()).map_or(0, |meta| meta.len());
            if std::fs::write(self.ballast(), vec![1; grown as usize + size]).is_err() {
                // What could be written of it is there; one that does not fit at all leaves nothing.
                let _ = std::fs::write(self.ballast(), vec![1; grown as usize]);
                size /= 2;
            }
        }
    }

    /// Takes that away again.
    pub fn make_room(&self) {
        for entry in std::fs::read_dir(self.directory.path()).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            if name == "ballast.d" {
                std::fs::remove_dir_all(&path).expect("removed");
            } else if name.starts_with("ballast") {
                std::fs::remove_file(&path).expect("removed");
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}

/// A file with an empty file system in it.
fn image(kind: Kind) -> Option<tempfile::NamedTempFile> {
    let (maker, mebibytes) = kind.maker();
    let image = tempfile::NamedTempFile::new().expect("a file");
    image.as_file().set_len(mebibytes << 20).expect("a length");
    let made = Command::new(maker[0]).args(&maker[1..]).arg(image.path()).output();
    made.is_ok_and(|output| output.status.success()).then_some(image)
}
