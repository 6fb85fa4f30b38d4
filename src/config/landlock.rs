//! Landlock: rights that a process gives up for itself and for all that it starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bitflags::bitflags;

/// The version of the kernel's Landlock interface that a policy is written for. See landlock(7).
///
/// It decides which rights a [`Landlock`] policy takes away. A kernel with a lower version is an error when the
/// container is started; what a newer kernel could take away besides stays as it is, so that a policy means the
/// same on all kernels. ABI 8 (Linux 7.0) has no further right. Not covered is that of ABI 9 (Linux 7.1):
/// connecting to Unix sockets that are files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LandlockAbi {
    /// Linux 5.13: reading, writing, executing, making and removing files. Moving and linking files from one
    /// directory to another is always denied.
    V1 = 1,
    /// Linux 5.19: and [`FileAccess::REFER`].
    V2 = 2,
    /// Linux 6.2: and [`FileAccess::TRUNCATE`].
    V3 = 3,
    /// Linux 6.7: and TCP ports.
    V4 = 4,
    /// Linux 6.10: and [`FileAccess::IOCTL_DEV`].
    V5 = 5,
    /// Linux 6.12: and scopes of signals and of abstract Unix sockets.
    V6 = 6,
    /// Linux 6.15: no further right; the kernel can log denials (audit).
    V7 = 7,
}

/// What each version has brought.
const HISTORY: [(LandlockAbi, &str, &str); 7] = [
    (LandlockAbi::V1, "5.13", "rules for files"),
    (LandlockAbi::V2, "5.19", "leave to move and link files between directories"),
    (LandlockAbi::V3, "6.2", "truncation of files"),
    (LandlockAbi::V4, "6.7", "TCP ports"),
    (LandlockAbi::V5, "6.10", "ioctl(2) on devices"),
    (LandlockAbi::V6, "6.12", "scopes of signals and of abstract Unix sockets"),
    (LandlockAbi::V7, "6.15", "audit records of denials"),
];

impl LandlockAbi {
    /// All that this crate knows, from the oldest on.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        HISTORY.iter().map(|(abi, ..)| *abi)
    }

    /// The number by which the kernel knows it.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The first version of Linux that has it, such as `6.7`.
    ///
    /// ```
    /// use cofferdam::LandlockAbi;
    /// assert_eq!((LandlockAbi::V4.number(), LandlockAbi::V4.linux()), (4, "6.7"));
    /// ```
    pub fn linux(self) -> &'static str {
        let version = HISTORY.iter().find(|(abi, ..)| *abi == self);
        version.map_or("", |(_, linux, _)| linux)
    }

    /// All rights to files that this version knows.
    ///
    /// ```
    /// use cofferdam::{FileAccess, LandlockAbi};
    /// let gained = LandlockAbi::V3.file_access() - LandlockAbi::V2.file_access();
    /// assert_eq!(gained, FileAccess::TRUNCATE);
    /// ```
    pub fn file_access(self) -> FileAccess {
        let later = [
            (LandlockAbi::V2, FileAccess::REFER),
            (LandlockAbi::V3, FileAccess::TRUNCATE),
            (LandlockAbi::V5, FileAccess::IOCTL_DEV),
        ];
        let unknown = later.into_iter().filter(|(since, _)| self < *since);
        unknown.fold(FileAccess::all(), |known, (_, right)| known - right)
    }

    /// What a kernel of ABI `number` lacks for this one, in words.
    pub(crate) fn lacking(self, number: u32) -> Vec<String> {
        let newer = HISTORY.iter().filter(|(abi, ..)| abi.number() > number && *abi <= self);
        newer.map(|(abi, _, what)| format!("{what} (ABI {})", abi.number())).collect()
    }
}

bitflags! {
    /// Rights to files and directories, as in landlock(7). Those that name a directory apply to what is in it.
    ///
    /// ```
    /// use cofferdam::{FileAccess, Landlock, LandlockAbi};
    /// let list_only = Landlock::new(LandlockAbi::V1).path("/srv", FileAccess::READ_DIR);
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FileAccess: u64 {
        /// Execute a file; it must be readable too.
        const EXECUTE = 1 << 0;
        /// Open a file for writing.
        const WRITE_FILE = 1 << 1;
        /// Open a file for reading.
        const READ_FILE = 1 << 2;
        /// Open a directory, or list it.
        const READ_DIR = 1 << 3;
        /// Remove an empty directory, or rename one.
        const REMOVE_DIR = 1 << 4;
        /// Remove or rename a file.
        const REMOVE_FILE = 1 << 5;
        /// Make a character device.
        const MAKE_CHAR = 1 << 6;
        /// Make a directory.
        const MAKE_DIR = 1 << 7;
        /// Make an ordinary file.
        const MAKE_REG = 1 << 8;
        /// Make a Unix socket.
        const MAKE_SOCK = 1 << 9;
        /// Make a named pipe.
        const MAKE_FIFO = 1 << 10;
        /// Make a block device.
        const MAKE_BLOCK = 1 << 11;
        /// Make a symbolic link.
        const MAKE_SYM = 1 << 12;
        /// Move or link a file from or to another directory, where that gives no file more rights: ABI 2.
        const REFER = 1 << 13;
        /// Truncate a file, also by `O_TRUNC`: ABI 3. With an older ABI anybody may who may write the file by
        /// its mode bits.
        const TRUNCATE = 1 << 14;
        /// ioctl(2) on a device that is opened: ABI 5.
        const IOCTL_DEV = 1 << 15;
    }
}

impl FileAccess {
    /// Reading files and listing directories.
    const READ: FileAccess = FileAccess::READ_FILE.union(FileAccess::READ_DIR);

    /// The names, in lower case and with hyphens; what has none in digits.
    pub(crate) fn names(self) -> String {
        let known = self.iter_names().map(|(name, _)| name.to_lowercase().replace('_', "-"));
        let unknown = self.difference(FileAccess::all()).bits();
        let digits = (unknown != 0).then(|| format!("{unknown:#x}"));
        known.chain(digits).collect::<Vec<_>>().join(" ")
    }
}

/// A policy of Landlock (landlock(7)), for [`Container::landlock`](crate::Container::landlock): what the workload
/// may still do with files, TCP ports, signals and abstract Unix sockets.
///
/// The kernel holds it for the workload and all that it starts, beside all other checks: it takes rights away and
/// gives none. It needs no privilege and no namespace, so that it also serves where a host forbids those.
///
/// - **Files** are restricted as soon as there is one rule for a path: then every right that the ABI knows is
///   denied, on every file, but where a rule gives it. Rules add up. **The program must have a rule** that lets it
///   be read and executed, and so must its dynamic loader or the interpreter of a script; libraries must be
///   readable. [`read_execute`](Self::read_execute) of `/usr` and [`read`](Self::read) of `/etc` do for most
///   programs of the host; many also want to write `/dev/null`.
/// - **TCP** is restricted as soon as there is a rule for a port, or [`deny_tcp`](Self::deny_tcp): then bind(2) and
///   connect(2) of TCP sockets are both denied, but for the ports listed. ABI 4.
/// - **Signals** and **abstract Unix sockets** are restricted on request. ABI 6.
///
/// Restricting any of these also keeps the workload from tracing processes outside (ptrace(2)), and restricting
/// files from changing mounts, whatever capabilities it has.
///
/// Paths are as the workload sees them, with all its mounts, absolute and without `..`. They must exist and are
/// opened by the workload's user, links followed, when the container starts; a rule belongs to the file or
/// directory that was found, and to everything below a directory, mounts included. For what is no directory the
/// rights that only apply to directories are left out of the rule; a rule of which nothing remains is an error.
/// A [limit of open files](crate::Resource::OpenFiles) must be high enough for that: 32, and one for each descriptor
/// handed in, are.
///
/// It is strict: a kernel whose ABI is lower than the one stated is an error, which names what is lacking.
/// [`Host::probe`](crate::Host::probe) tells in advance.
///
/// # What no ABI covers
///
/// What a policy itself leaves open is told by [`uncovered`](Self::uncovered), and by
/// [`explain`](crate::Container::explain). Beyond that Landlock does not restrict: looking at a file's attributes
/// (stat(2), access(2)) and changing them (chmod(2), chown(2), utime(2), setxattr(2)), chdir(2), files that are
/// open already, the standard streams among them; connecting to Unix sockets that are files; UDP and other
/// protocols; accept(2), and listen(2) on a TCP socket without bind(2), for which the kernel chooses a port.
///
/// ```
/// use cofferdam::{Container, Landlock, LandlockAbi};
/// let policy = Landlock::new(LandlockAbi::V4)
///     .read_execute("/usr")
///     .read("/etc")
///     .read("/tmp")
///     .write("/tmp")
///     .deny_tcp();
/// let container = Container::new().command("sh").landlock(policy);
/// let output = container.args(["-c", "echo a > /tmp/a && cat /tmp/a; ls /proc"]).output()?;
/// assert_eq!(output.stdout, b"a\n");
/// assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"));
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a policy does nothing until a container has it"]
pub struct Landlock {
    pub(crate) abi: LandlockAbi,
    pub(crate) files: Vec<(PathBuf, FileAccess)>,
    pub(crate) tcp: Option<TcpPorts>,
    pub(crate) signals: bool,
    pub(crate) abstract_sockets: bool,
}

/// The ports that are still allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct TcpPorts {
    pub bind: BTreeSet<u16>,
    pub connect: BTreeSet<u16>,
}

impl Landlock {
    /// A policy for this ABI that restricts nothing yet. One that restricts nothing in the end is an error.
    pub fn new(abi: LandlockAbi) -> Self {
        Landlock { abi, files: Vec::new(), tcp: None, signals: false, abstract_sockets: false }
    }

    /// Files at or below `path` can be read, and directories be listed.
    pub fn read(self, path: impl AsRef<Path>) -> Self {
        self.path(path, FileAccess::READ)
    }

    /// As [`read`](Self::read), and files can be executed.
    pub fn read_execute(self, path: impl AsRef<Path>) -> Self {
        self.path(path, FileAccess::READ | FileAccess::EXECUTE)
    }

    /// All that the ABI knows but to read, list and execute: files at or below `path` can be written and
    /// truncated, all kinds of files made and removed, files moved and linked between directories that both have
    /// the right, and devices be used by ioctl(2).
    ///
    /// It does not include [`read`](Self::read), without which a file cannot be opened for both.
    pub fn write(self, path: impl AsRef<Path>) -> Self {
        let access = self.abi.file_access() - FileAccess::READ - FileAccess::EXECUTE;
        self.path(path, access)
    }

    /// Exactly these rights, at or below `path`. No right, or one that the ABI does not know, is an error.
    pub fn path(mut self, path: impl AsRef<Path>, access: FileAccess) -> Self {
        self.files.push((path.as_ref().to_owned(), access));
        self
    }

    /// TCP sockets can be bound to this port; all that is not listed is denied. Port 0 stands for the ports that
    /// the kernel chooses for those who bind to 0 (ip(7), `ip_local_port_range`). Needs ABI 4.
    pub fn tcp_bind(self, port: u16) -> Self {
        self.tcp(|ports| ports.bind.insert(port))
    }

    /// TCP sockets can connect to this port, at any address; all that is not listed is denied. Port 0 is an
    /// error. Needs ABI 4.
    pub fn tcp_connect(self, port: u16) -> Self {
        self.tcp(|ports| ports.connect.insert(port))
    }

    /// TCP sockets can be bound and connected to no port but those listed. Needs ABI 4.
    pub fn deny_tcp(self) -> Self {
        self.tcp(|_| true)
    }

    fn tcp(mut self, change: impl FnOnce(&mut TcpPorts) -> bool) -> Self {
        change(self.tcp.get_or_insert_default());
        self
    }

    /// The workload can signal no process outside itself and what it starts. Needs ABI 6.
    ///
    /// With a new [`PID`](crate::Namespaces::PID) namespace there is only init to protect.
    pub fn scope_signals(mut self) -> Self {
        self.signals = true;
        self
    }

    /// The workload can connect and send to no abstract Unix socket (unix(7)) that was made outside. Needs ABI 6.
    ///
    /// With a new [`NET`](crate::Namespaces::NET) namespace there are none.
    pub fn scope_abstract_sockets(mut self) -> Self {
        self.abstract_sockets = true;
        self
    }

    /// What this policy leaves unrestricted, because it was not asked for or because the ABI does not know it;
    /// for the latter with the ABI that does. What no ABI covers is listed [above](Self#what-no-abi-covers).
    ///
    /// ```
    /// use cofferdam::{Landlock, LandlockAbi};
    /// let policy = Landlock::new(LandlockAbi::V2).read("/usr");
    /// assert!(policy.uncovered().contains(&"truncation of files (ABI 3, Linux 6.2)"));
    /// let policy = Landlock::new(LandlockAbi::V6).read("/usr").deny_tcp().scope_signals();
    /// assert_eq!(policy.uncovered(), ["abstract Unix sockets"]);
    /// ```
    pub fn uncovered(&self) -> Vec<&'static str> {
        let parts = self.parts().into_iter();
        let open = parts.filter(|part| !self.covers(part));
        open.map(|part| if self.abi < part.since { part.newer } else { part.name }).collect()
    }

    /// What this policy restricts.
    pub(crate) fn covered(&self) -> Vec<&'static str> {
        self.parts().iter().filter(|part| self.covers(part)).map(|part| part.name).collect()
    }

    fn covers(&self, part: &Part) -> bool {
        part.asked && self.abi >= part.since
    }

    /// Everything that a policy can restrict, and whether this one asks for it. Moving files between directories
    /// is not among it: what an ABI does not know of that it denies.
    fn parts(&self) -> [Part; 6] {
        use LandlockAbi::{V1, V3, V4, V5, V6};
        let files = !self.files.is_empty();
        let part = |asked, since, name, newer| Part { asked, since, name, newer };
        [
            part(files, V1, "files", "files"),
            part(files, V3, "truncation of files", "truncation of files (ABI 3, Linux 6.2)"),
            part(self.tcp.is_some(), V4, "TCP ports", "TCP ports (ABI 4, Linux 6.7)"),
            part(files, V5, "ioctl(2) on devices", "ioctl(2) on devices (ABI 5, Linux 6.10)"),
            part(self.signals, V6, "signals", "signals (ABI 6, Linux 6.12)"),
            part(
                self.abstract_sockets,
                V6,
                "abstract Unix sockets",
                "abstract Unix sockets (ABI 6, Linux 6.12)",
            ),
        ]
    }
}

/// Something that a policy can restrict.
struct Part {
    asked: bool,
    since: LandlockAbi,
    name: &'static str,
    /// The name, with the ABI that it needs.
    newer: &'static str,
}
