//! The root file system and what is mounted in it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Size of the private `/tmp` unless set: 256 MiB.
pub(crate) const TMP_SIZE: u64 = 256 << 20;
/// Size of `/dev/shm`: 64 MiB.
pub(crate) const SHM_SIZE: u64 = 64 << 20;
/// Number of inodes of a tmpfs unless set.
pub(crate) const INODES: u64 = 65_536;

/// What the container sees at `/`.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// The host's /usr, its links, and what of /etc programs need.
    HostView,
    /// A directory of the host.
    Directory { path: PathBuf, writable: bool },
    /// An overlay whose target is `/`.
    Overlay(Overlay),
}

/// An act on the root file system, in call order.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Bind(Bind),
    Tmpfs(Tmpfs),
    Overlay(Overlay),
    Directory { path: PathBuf, mode: u32 },
    File { path: PathBuf, mode: u32, content: Arc<[u8]> },
    Symlink { target: PathBuf, path: PathBuf },
}

impl Operation {
    /// The path inside that it makes.
    pub fn target(&self) -> &Path {
        match self {
            Operation::Bind(bind) => &bind.target,
            Operation::Tmpfs(tmpfs) => &tmpfs.target,
            Operation::Overlay(overlay) => &overlay.target,
            Operation::Directory { path, .. }
            | Operation::File { path, .. }
            | Operation::Symlink { path, .. } => path,
        }
    }
}

/// A file or directory of the host that appears inside, with all mounts below it.
///
/// Read-only covers the submounts too (mount_setattr(2), Linux 5.12). Device nodes below it do not work and set-user-ID bits do not
/// count, unless [`allow_devices`](Self::allow_devices) says otherwise for the former.
///
/// ```
/// use cofferdam::{Bind, Container};
/// let container = Container::new().bind(Bind::read_only("/srv/problems", "/problems").optional());
/// ```
#[derive(Clone, Debug)]
pub struct Bind {
    pub(crate) source: BindSource,
    pub(crate) target: PathBuf,
    pub(crate) writable: bool,
    pub(crate) optional: bool,
    pub(crate) devices: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum BindSource {
    Path(PathBuf),
    Fd(Arc<OwnedFd>),
}

impl Bind {
    fn new(source: BindSource, target: &Path, writable: bool) -> Self {
        Bind { source, target: target.to_path_buf(), writable, optional: false, devices: false }
    }

    /// `source` on the host appears at `target`, an absolute path inside, and cannot be written. Where
    /// `target` or its parents are missing they are made, if the place can be written.
    ///
    /// A `source` that is a symbolic link stands for what it leads to. The workload reads what its user id on
    /// the host may read: run by root, what everybody may.
    pub fn read_only(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        Bind::new(BindSource::Path(source.as_ref().to_path_buf()), target.as_ref(), false)
    }

    /// As [`read_only`](Self::read_only), but the workload can write what its user id may write on the
    /// host. The workload of root has an id that owns nothing there, unless
    /// [`IdMapping::Host`](crate::IdMapping::Host) chooses one.
    pub fn writable(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        Bind::new(BindSource::Path(source.as_ref().to_path_buf()), target.as_ref(), true)
    }

    /// The file or directory that `fd` refers to (opened with `O_PATH`, or in any other way) appears
    /// read-only at `target`.
    pub fn read_only_fd(fd: impl Into<OwnedFd>, target: impl AsRef<Path>) -> Self {
        Bind::new(BindSource::Fd(Arc::new(fd.into())), target.as_ref(), false)
    }

    /// As [`read_only_fd`](Self::read_only_fd), writable.
    pub fn writable_fd(fd: impl Into<OwnedFd>, target: impl AsRef<Path>) -> Self {
        Bind::new(BindSource::Fd(Arc::new(fd.into())), target.as_ref(), true)
    }

    /// Left out, without error, where the source does not exist.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Device nodes at or below the source work.
    pub fn allow_devices(mut self) -> Self {
        self.devices = true;
        self
    }
}

/// A file system in memory, empty at the start of each run and gone at its end. See tmpfs(5).
///
/// What is written counts against the container's memory limit.
///
/// ```
/// use cofferdam::{Container, Tmpfs};
/// let container = Container::new().tmpfs(Tmpfs::new("/work").size(16 << 20).inodes(1000).mode(0o755));
/// ```
#[derive(Clone, Debug)]
pub struct Tmpfs {
    pub(crate) target: PathBuf,
    pub(crate) size: u64,
    pub(crate) inodes: u64,
    pub(crate) mode: u32,
}

impl Tmpfs {
    /// A writable directory at `target` with mode 1777, 256 MiB and 65,536 inodes.
    pub fn new(target: impl AsRef<Path>) -> Self {
        Tmpfs { target: target.as_ref().to_path_buf(), size: TMP_SIZE, inodes: INODES, mode: 0o1777 }
    }

    /// The most bytes it can hold, rounded up to pages. 0 is an error.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// The most files, directories and links it can hold, its root among them. 0 is an error.
    pub fn inodes(mut self, count: u64) -> Self {
        self.inodes = count;
        self
    }

    /// Mode bits of its root directory.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

/// Several directories shown as one, with writes kept apart from them. See the kernel's
/// `filesystems/overlayfs`; in a user namespace it needs Linux 5.11.
///
/// Files keep their owners and modes, also in copies that writing makes, and the workload may change only
/// what its user id on the host may. Run by root, with its new id, that is what is open to all; run by an
/// ordinary user, what belongs to that user. To change a tree that belongs to root, the host program must be
/// root and let root inside stand for it:
///
/// ```no_run
/// use cofferdam::{Container, IdMapping, Overlay};
/// let status = Container::new()
///     .rootfs_overlay(Overlay::new("/").lower("/srv/debian"))
///     .user(0, 0)
///     .id_mapping(IdMapping::Host { uid: 0, gid: 0 })
///     .command("touch")
///     .arg("/etc/changed")
///     .status()?;
/// # Ok::<(), cofferdam::Error>(())
/// ```
///
/// Several layers:
///
/// ```
/// use cofferdam::{Container, Overlay};
/// // The topmost layer first, as in the kernel's `lowerdir`.
/// let container = Container::new().rootfs_overlay(Overlay::new("/").lower("/srv/layers/app").lower("/srv/layers/base"));
/// ```
#[derive(Clone, Debug)]
pub struct Overlay {
    pub(crate) target: PathBuf,
    pub(crate) lower: Vec<PathBuf>,
    pub(crate) upper: Upper,
}

#[derive(Clone, Debug)]
pub(crate) enum Upper {
    Memory { size: u64, inodes: u64 },
    Directory { upper: PathBuf, work: PathBuf },
    None,
}

impl Overlay {
    /// An overlay at `target`, whose writes go to memory (256 MiB, 65,536 inodes) and are gone at the
    /// end of the run.
    pub fn new(target: impl AsRef<Path>) -> Self {
        let upper = Upper::Memory { size: TMP_SIZE, inodes: INODES };
        Overlay { target: target.as_ref().to_path_buf(), lower: Vec::new(), upper }
    }

    /// Adds a directory of the host below those added before.
    pub fn lower(mut self, directory: impl AsRef<Path>) -> Self {
        self.lower.push(directory.as_ref().to_path_buf());
        self
    }

    /// Writes go to memory, at most so many bytes and inodes. Neither may be 0.
    pub fn upper_in_memory(mut self, bytes: u64, inodes: u64) -> Self {
        self.upper = Upper::Memory { size: bytes, inodes };
        self
    }

    /// Writes go to the directory `upper` of the host and stay. `work` must be an empty directory on the
    /// same file system; one pair serves one running container at a time. Both must be writable to the
    /// workload's user id on the host.
    pub fn upper_directory(mut self, upper: impl AsRef<Path>, work: impl AsRef<Path>) -> Self {
        let (upper, work) = (upper.as_ref().to_path_buf(), work.as_ref().to_path_buf());
        self.upper = Upper::Directory { upper, work };
        self
    }

    /// Nothing can be written.
    pub fn read_only(mut self) -> Self {
        self.upper = Upper::None;
        self
    }
}

/// What `/proc` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proc {
    /// A new one that shows the container's processes. The kernel forbids it where the caller's own
    /// `/proc` is partly hidden, as in most containers: that is an error.
    #[default]
    New,
    /// A new one, or, where the kernel forbids it, the caller's: a loosening, because the workload then
    /// sees the process ids and names of the container that the caller lives in.
    NewOrOuter,
    /// None. Many programs then fail in odd ways.
    None,
}

/// All that concerns files.
#[derive(Clone, Debug)]
pub(crate) struct FileConfig {
    pub root: Root,
    pub operations: Vec<Operation>,
    pub proc: Proc,
    pub dev: bool,
    pub tmp_size: u64,
}

impl Default for FileConfig {
    fn default() -> Self {
        FileConfig {
            root: Root::HostView,
            operations: Vec::new(),
            proc: Proc::New,
            dev: true,
            tmp_size: TMP_SIZE,
        }
    }
}

impl FileConfig {
    /// Whether the workload can write to file systems of the host, which have bounds of their own or none.
    pub fn writes_to_host(&self) -> bool {
        let overlay = |overlay: &Overlay| matches!(overlay.upper, Upper::Directory { .. });
        let root = match &self.root {
            Root::HostView => false,
            Root::Directory { writable, .. } => *writable,
            Root::Overlay(root) => overlay(root),
        };
        let writes = |operation: &Operation| match operation {
            Operation::Bind(bind) => bind.writable,
            Operation::Overlay(layers) => overlay(layers),
            _ => false,
        };
        root || self.operations.iter().any(writes)
    }

    /// Bytes and inodes of every file system in memory that was asked for.
    pub fn bounds_in_memory(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let upper = |overlay: &Overlay| match overlay.upper {
            Upper::Memory { size, inodes } => Some((size, inodes)),
            _ => None,
        };
        let root = match &self.root {
            Root::Overlay(root) => upper(root),
            _ => None,
        };
        let bounds = move |operation: &Operation| match operation {
            Operation::Tmpfs(tmpfs) => Some((tmpfs.size, tmpfs.inodes)),
            Operation::Overlay(overlay) => upper(overlay),
            _ => None,
        };
        root.into_iter().chain(self.operations.iter().filter_map(bounds))
    }
}
