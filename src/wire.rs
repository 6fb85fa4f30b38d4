//! What host and launcher say to each other, compiled into both.
//!
//! The host sends one [`Header`] with the file descriptors, then the encoded list of [`Step`]s. Init
//! answers with [`Record`]s; after the plan the host may send [`Command`]s. Both sides come
//! from one build, so there is no version and all numbers are in the machine's own byte order.
//!
//! The file is `no_std`: nothing here allocates, and decoding never panics, because the launcher turns
//! a panic into a link error.
#![allow(dead_code)] // Each side encodes or decodes; neither does all.

use core::ffi::CStr;

/// The number of the control socket in the launcher.
pub const CONTROL_FD: i32 = 3;

/// The number in the launcher of the pidfd of the host program.
pub const HOST_FD: i32 = 4;

/// `SCM_MAX_FD`: the most descriptors that one message carries.
pub const MAX_FDS: usize = 253;

/// The most bytes that steps which come later, and the pointer tables of their `execve`, can take: more than the
/// kernel allows for arguments and environment.
pub const ROOM: usize = 24 << 20;

/// Stands for "no descriptor" where a step may have one.
pub const NO_FD: u32 = u32::MAX;

/// The plan's fixed part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of encoded steps that follow.
    pub body: u64,
    /// Bytes of scratch memory needed for the pointer tables of `execve`.
    pub scratch: u64,
    /// Number of descriptors sent along.
    pub fds: u64,
    /// Nanoseconds of wall time after which the workload is ended; 0 for no limit.
    pub wall_limit: u64,
    /// Nanoseconds of CPU time after which the workload is ended; 0 for no limit.
    pub cpu_limit: u64,
    /// How many CPUs the workload can use at once.
    pub cpus: u64,
    /// The descriptor of a file that tells the CPU time of the workload's cgroup, or [`NO_FD`].
    pub meter: u64,
    /// The descriptor of `cgroup.kill` of that group, or [`NO_FD`].
    pub killer: u64,
    /// The offset of the workload's monotonic clock against init's, in nanoseconds.
    pub clock_offset: i64,
    /// What becomes of the listener of the workload's seccomp filter, see [`listener`].
    pub listener: u64,
    /// Whether the host wants to hear of the start of a run in a slot (1) or only of its end (0).
    pub announce: u64,
}

/// What the listener of a seccomp filter is for.
pub mod listener {
    /// There is none.
    pub const NONE: u64 = 0;
    /// Init ends the container at the first call.
    pub const KILL: u64 = 1;
    /// Init notes the calls and lets them through.
    pub const REPORT: u64 = 2;
    /// The host program gets it.
    pub const HOST: u64 = 3;
    /// Init notes what a slot must replace after the run, and lets the calls through.
    pub const WATCH: u64 = 4;
}

impl Header {
    /// Size of the encoded form.
    pub const SIZE: usize = 88;

    /// The bytes to send.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let offset = self.clock_offset as u64;
        let (body, scratch, fds) = (self.body, self.scratch, self.fds);
        let (wall, cpu, cpus) = (self.wall_limit, self.cpu_limit, self.cpus);
        let (meter, killer, listener) = (self.meter, self.killer, self.listener);
        let words = [body, scratch, fds, wall, cpu, cpus, meter, killer, offset, listener, self.announce];
        put_words(&mut out, &words);
        out
    }

    /// Reads the bytes received.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let [body, scratch, fds, wall_limit, cpu_limit, cpus, meter, killer, offset, listener, announce] =
            get_words(bytes);
        Header {
            body,
            scratch,
            fds,
            wall_limit,
            cpu_limit,
            cpus,
            meter,
            killer,
            clock_offset: offset as i64,
            listener,
            announce,
        }
    }
}

fn put_words(out: &mut [u8], words: &[u64]) {
    for (chunk, word) in out.chunks_exact_mut(8).zip(words) {
        for (byte, value) in chunk.iter_mut().zip(word.to_ne_bytes()) {
            *byte = value;
        }
    }
}

fn get_words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut raw = [0; 8];
        for (to, from) in raw.iter_mut().zip(chunk) {
            *to = *from;
        }
        *word = u64::from_ne_bytes(raw);
    }
    words
}

/// What the host tells init after the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The id maps that init asked for are written.
    IdMapsWritten,
    /// End the workload and everything it started.
    Kill,
    /// Go on without the host: its end is no longer a reason to end.
    Detach,
    /// The workload wrote more than may be captured: end it.
    OutputExceeded,
    /// From now on this is the limit of wall time, in nanoseconds; 0 for none.
    WallLimit(u64),
    /// From now on this is the limit of CPU time, in nanoseconds; 0 for none.
    CpuLimit(u64),
    /// Stop all processes (`SIGSTOP`).
    Stop,
    /// Let all processes go on (`SIGCONT`).
    Continue,
    /// Run a further command: a header with descriptors and steps follows. The first descriptor is the socket of
    /// that command alone.
    Exec,
    /// Carry out the steps that follow, with a header and descriptors, before the next run of a slot.
    Prepare,
    /// Copy out the files that the steps that follow name, after a run of a slot.
    Collect,
    /// Make the slot as new and wait for the next run. With a number that is not 0 a header follows with so many
    /// descriptors, in place of those of the cgroups that the plan came with.
    Renew(u64),
}

impl Command {
    /// Size of the encoded form.
    pub const SIZE: usize = 16;

    /// The bytes to send.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let words = match *self {
            Command::IdMapsWritten => [1, 0],
            Command::Kill => [2, 0],
            Command::Detach => [3, 0],
            Command::OutputExceeded => [4, 0],
            Command::WallLimit(limit) => [5, limit],
            Command::CpuLimit(limit) => [6, limit],
            Command::Stop => [7, 0],
            Command::Continue => [8, 0],
            Command::Exec => [9, 0],
            Command::Prepare => [10, 0],
            Command::Collect => [11, 0],
            Command::Renew(count) => [12, count],
        };
        let mut out = [0; Self::SIZE];
        put_words(&mut out, &words);
        out
    }

    /// Reads the bytes received; `None` where they are no command.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let [code, value] = get_words(bytes);
        match code {
            1 => Some(Command::IdMapsWritten),
            2 => Some(Command::Kill),
            3 => Some(Command::Detach),
            4 => Some(Command::OutputExceeded),
            5 => Some(Command::WallLimit(value)),
            6 => Some(Command::CpuLimit(value)),
            7 => Some(Command::Stop),
            8 => Some(Command::Continue),
            9 => Some(Command::Exec),
            10 => Some(Command::Prepare),
            11 => Some(Command::Collect),
            12 => Some(Command::Renew(value)),
            _ => None,
        }
    }
}

/// Why the workload ended, as far as init knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u64)]
pub enum Ending {
    /// By itself: the wait status says how.
    #[default]
    Own = 0,
    /// Init ended it at the limit of wall time.
    WallTime = 1,
    /// Init ended it because the host asked, or is gone.
    Killed = 2,
    /// Init ended it at the limit of CPU time.
    CpuTime = 3,
    /// Init ended it because it wrote too much.
    Output = 4,
    /// Init ended it because of a system call.
    Seccomp = 5,
}

impl Ending {
    fn decode(word: u64) -> Option<Self> {
        let all =
            [Ending::Own, Ending::WallTime, Ending::Killed, Ending::CpuTime, Ending::Output, Ending::Seccomp];
        all.into_iter().find(|ending| *ending as u64 == word)
    }
}

/// What init reports when everything in the container has ended. The figures of getrusage(2) are those of all
/// processes that were reaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub ending: Ending,
    /// The status of the workload, as `wait4` gave it.
    pub status: i32,
    /// Nanoseconds from the moment before `execve` to the moment the workload was reaped.
    pub wall: u64,
    /// Nanoseconds of CPU time that the workload's process had used before `execve`.
    pub setup: u64,
    /// Nanoseconds of user CPU time.
    pub user: u64,
    /// Nanoseconds of system CPU time.
    pub system: u64,
    /// The largest `ru_maxrss` of any process, in KiB.
    pub max_rss: u64,
    /// `ru_minflt`.
    pub minor_faults: u64,
    /// `ru_majflt`.
    pub major_faults: u64,
    /// `ru_inblock`, blocks of 512 bytes.
    pub blocks_read: u64,
    /// `ru_oublock`, blocks of 512 bytes.
    pub blocks_written: u64,
    /// `ru_nvcsw`.
    pub voluntary_switches: u64,
    /// `ru_nivcsw`.
    pub involuntary_switches: u64,
    /// One more than the number of the system call for which init ended the workload; 0 where it did not.
    pub violation: u64,
    /// The system calls that a filter only reports.
    pub reported: Calls,
}

/// A set of system calls, by number. Those beyond the last bit count as the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    words: [u64; Calls::WORDS],
}

impl Calls {
    const WORDS: usize = 8;
    /// The last number.
    pub const LAST: u32 = 64 * Self::WORDS as u32 - 1;

    /// Adds a call.
    pub fn insert(&mut self, number: u32) {
        let number = if number > Self::LAST { Self::LAST } else { number };
        if let Some(word) = self.words.get_mut(number as usize / 64) {
            *word |= 1 << (number % 64);
        }
    }

    /// Whether a call is in it.
    pub fn contains(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

impl End {
    /// Words of the encoded form.
    const WORDS: usize = 14 + Calls::WORDS;

    fn words(&self) -> [u64; Self::WORDS] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = self.reported.words;
        [
            self.ending as u64,
            self.status as u64,
            self.wall,
            self.setup,
            self.user,
            self.system,
            self.max_rss,
            self.minor_faults,
            self.major_faults,
            self.blocks_read,
            self.blocks_written,
            self.voluntary_switches,
            self.involuntary_switches,
            self.violation,
            r0,
            r1,
            r2,
            r3,
            r4,
            r5,
            r6,
            r7,
        ]
    }

    fn from_words(words: &[u64; Self::WORDS]) -> Option<Self> {
        let [
            ending,
            status,
            wall,
            setup,
            user,
            system,
            max_rss,
            minor,
            major,
            read,
            written,
            voluntary,
            forced,
            violation,
            ref reported @ ..,
        ] = *words;
        Some(End {
            ending: Ending::decode(ending)?,
            status: status as i32,
            wall,
            setup,
            user,
            system,
            max_rss,
            minor_faults: minor,
            major_faults: major,
            blocks_read: read,
            blocks_written: written,
            voluntary_switches: voluntary,
            involuntary_switches: forced,
            violation,
            reported: Calls { words: *reported },
        })
    }
}

/// What init sends to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// The new user namespace waits for its id maps.
    NeedIdMaps,
    /// The step of this index failed, nothing runs. `item` tells which part of the step.
    SetupFailed {
        /// Index into the plan.
        step: u32,
        /// The kernel's reason.
        errno: i32,
        /// Which of several things the step does, see [`item`].
        item: u32,
    },
    /// `execve` of the workload succeeded. Its pidfd comes with the message, then the listener of its filter if
    /// the host is to have that, and where the kernel lets init vouch for another process (`vouched`) its
    /// process id as well.
    Started {
        /// The credentials of the message are the workload's, not init's.
        vouched: bool,
    },
    /// Everything has ended.
    Ended(End),
    /// The slot waits for a run. What comes with the message is as with [`Record::Started`], of the process that
    /// will become the workload.
    Ready {
        /// As in [`Record::Started`].
        vouched: bool,
    },
    /// The slot cannot be made as new, see [`spoiled`].
    Spoiled {
        /// What the last run has left.
        why: u32,
    },
    /// What a run needs is in its place.
    Prepared,
    /// A file that was asked for comes with the message, or the reason why not.
    Collected {
        /// The kernel's reason; 0 for none.
        errno: i32,
    },
}

/// Why a slot cannot be used again.
pub mod spoiled {
    /// Settings of init, which every process inherits, have been changed.
    pub const INIT: u32 = 1;
    /// Process ids cannot begin anew.
    pub const PIDS: u32 = 2;
    /// The set of pseudo-terminals has been used.
    pub const TERMINALS: u32 = 3;
    /// The cgroup is still charged for memory.
    pub const MEMORY: u32 = 4;
    /// A run was sent that nobody has read.
    pub const SOCKET: u32 = 5;
}

/// The parts of a step that can fail for different reasons.
pub mod item {
    /// The step has one part, or the failing part does not matter.
    pub const WHOLE: u32 = 0;
    /// The source of a mount.
    pub const SOURCE: u32 = 1;
    /// The place a mount or file goes to.
    pub const TARGET: u32 = 2;
    /// The source is not what the host saw when it made the plan.
    pub const SOURCE_CHANGED: u32 = 3;
    /// The attributes of a mount (read-only and its kin).
    pub const ATTRIBUTES: u32 = 4;
    /// Attaching a finished mount to its place.
    pub const ATTACH: u32 = 5;
    /// The supplementary groups.
    pub const GROUPS: u32 = 6;
    /// The plan itself could not be read.
    pub const PLAN: u32 = 7;
    /// The creation of the process.
    pub const FORK: u32 = 8;
    /// The process ended before it could say why.
    pub const VANISHED: u32 = 9;
    /// Handing the listener of a filter over.
    pub const LISTENER: u32 = 10;
}

impl Record {
    /// Size of the encoded form: a code, and up to as many words as [`End`] has.
    pub const SIZE: usize = 8 * (1 + End::WORDS);

    /// The bytes to send.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let (code, words) = out.split_at_mut(8);
        match self {
            Record::NeedIdMaps => put_words(code, &[1]),
            Record::SetupFailed { step, errno, item } => {
                put_words(code, &[2]);
                put_words(words, &[u64::from(*step), *errno as u64, u64::from(*item)]);
            }
            Record::Started { vouched } => {
                put_words(code, &[3]);
                put_words(words, &[u64::from(*vouched)]);
            }
            Record::Ended(end) => {
                put_words(code, &[4]);
                put_words(words, &end.words());
            }
            Record::Ready { vouched } => {
                put_words(code, &[5]);
                put_words(words, &[u64::from(*vouched)]);
            }
            Record::Spoiled { why } => {
                put_words(code, &[6]);
                put_words(words, &[u64::from(*why)]);
            }
            Record::Prepared => put_words(code, &[7]),
            Record::Collected { errno } => {
                put_words(code, &[8]);
                put_words(words, &[*errno as u64]);
            }
        }
        out
    }

    /// Reads the bytes received; `None` where they are no record.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let (code, rest) = bytes.split_at(8);
        let [code] = get_words(code);
        let words: [u64; End::WORDS] = get_words(rest);
        let [first, second, third, ..] = words;
        match code {
            1 => Some(Record::NeedIdMaps),
            2 => Some(Record::SetupFailed {
                step: u32::try_from(first).ok()?,
                errno: second as i32,
                item: u32::try_from(third).ok()?,
            }),
            3 => Some(Record::Started { vouched: first != 0 }),
            4 => End::from_words(&words).map(Record::Ended),
            5 => Some(Record::Ready { vouched: first != 0 }),
            6 => Some(Record::Spoiled { why: first as u32 }),
            7 => Some(Record::Prepared),
            8 => Some(Record::Collected { errno: first as i32 }),
            _ => None,
        }
    }
}

/// Receives encoded bytes: a `Vec<u8>` in the host. The launcher only decodes.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

/// A cursor over encoded steps.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

/// A field of a step that can be written.
pub trait Put {
    /// Appends the encoded form.
    fn put(&self, out: &mut impl Sink);
}

/// A field of a step that can be read back.
pub trait Get<'a>: Sized {
    /// Reads the encoded form.
    fn get(reader: &mut Reader<'a>) -> Option<Self>;
}

macro_rules! number_field {
    ($($number:ty),*) => {$(
        impl Put for $number {
            fn put(&self, out: &mut impl Sink) {
                out.put(&self.to_ne_bytes());
            }
        }
        impl<'a> Get<'a> for $number {
            fn get(reader: &mut Reader<'a>) -> Option<Self> {
                reader.array().map(<$number>::from_ne_bytes)
            }
        }
    )*};
}
number_field!(u32, u64, i32, i64);

impl Put for [u8] {
    fn put(&self, out: &mut impl Sink) {
        (self.len() as u64).put(out);
        out.put(self);
    }
}

impl<'a> Get<'a> for &'a [u8] {
    fn get(reader: &mut Reader<'a>) -> Option<Self> {
        let length = u64::get(reader)?;
        reader.take(usize::try_from(length).ok()?)
    }
}

impl<'a> Get<'a> for &'a CStr {
    fn get(reader: &mut Reader<'a>) -> Option<Self> {
        let bytes = <&[u8]>::get(reader)?;
        CStr::from_bytes_with_nul(bytes).ok()
    }
}

/// Declares [`Step`], its encoding and its names from one list.
macro_rules! steps {
    ($(
        $(#[doc = $doc:literal])+
        $code:literal $variant:ident $name:literal {
            $( $(#[doc = $field_doc:literal])+ $field:ident : $type:ty, )*
        }
    )*) => {
        /// One prepared act of the launcher. `S` holds strings and `B` bytes: owned ones in the host,
        /// borrowed ones in the launcher.
        ///
        /// Descriptors are given as indexes into the list of those sent along.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Step<S, B> {
            $( $(#[doc = $doc])+ $variant { $( $(#[doc = $field_doc])+ $field: $type, )* }, )*
        }

        impl<S, B> Step<S, B> {
            /// The name of the step, the same in errors, in `explain()` and in the documentation.
            pub fn name(&self) -> &'static str {
                match self { $( Step::$variant { .. } => $name, )* }
            }
        }

        impl<S: Put, B: Put> Step<S, B> {
            /// Appends the encoded form.
            pub fn encode(&self, out: &mut impl Sink) {
                match self { $( Step::$variant { $($field),* } => {
                    u32::put(&$code, out);
                    $( $field.put(out); )*
                } )* }
            }
        }

        impl<'a> Step<&'a CStr, &'a [u8]> {
            /// Reads the next step; `None` where the bytes are no step.
            #[inline(never)]
            pub fn decode(reader: &mut Reader<'a>) -> Option<Self> {
                match u32::get(reader)? {
                    $( $code => Some(Step::$variant { $( $field: Get::get(reader)? ),* }), )*
                    _ => None,
                }
            }
        }
    };
}

steps! {
    /// Enter existing namespaces (setns(2)) through a namespace descriptor or a pidfd.
    1 JoinNamespace "join-namespace" {
        /// The descriptor.
        fd: u32,
        /// `CLONE_NEW*` flags of the namespaces to enter.
        kinds: u32,
    }
    /// Create namespaces (unshare(2)).
    2 Unshare "unshare" {
        /// `CLONE_NEW*` flags.
        kinds: u32,
    }
    /// Wait until the host has written the id maps of the new user namespace.
    3 IdMaps "id-maps" {}
    /// Fork once more, so that init is inside the PID namespace just joined.
    4 ForkInit "fork-init" {}
    /// Take the ids that init has inside.
    5 InitIdentity "init-identity" {
        /// User id inside.
        uid: u32,
        /// Group id inside.
        gid: u32,
        /// Whether setgroups(2) is allowed, so that the caller's groups can be dropped.
        groups: u32,
    }
    /// Set the clock offsets of the new time namespace.
    6 TimeOffsets "time-offsets" {
        /// What is written to `timens_offsets`.
        lines: S,
    }
    /// Cut the copied mounts off from the host's (`MS_REC | MS_PRIVATE`).
    10 PrivateMounts "private-mounts" {}
    /// Mount a small tmpfs where overlays are put together.
    11 Stage "stage" {
        /// Its size in bytes, in digits.
        size: S,
    }
    /// Bind a file or directory; at target `/` it is the root file system.
    12 Bind "bind" {
        /// The path on the host.
        source: S,
        /// A detached mount made by the host, or [`NO_FD`] to open `source`.
        fd: u32,
        /// The device number that the source must have.
        device: u64,
        /// The inode number that the source must have.
        inode: u64,
        /// The path inside.
        target: S,
        /// `MOUNT_ATTR_*`.
        attributes: u64,
    }
    /// Mount a tmpfs; at target `/` it is the root file system.
    26 Tmpfs "tmpfs" {
        /// The path inside.
        target: S,
        /// The mode of its root, in octal digits.
        mode: S,
        /// Its size in bytes, in digits.
        size: S,
        /// Its number of inodes, in digits.
        inodes: S,
        /// `MOUNT_ATTR_*`.
        attributes: u64,
    }
    /// Mount the tmpfs whose parts several places share, on the stage.
    27 Pool "pool" {
        /// Its size in bytes, in digits.
        size: S,
        /// Its number of inodes, in digits.
        inodes: S,
    }
    /// Mount a new directory of the pool.
    28 PooledDirectory "pooled-directory" {
        /// The path inside.
        target: S,
        /// Its name in the pool.
        name: S,
        /// Its mode.
        mode: u32,
        /// `MOUNT_ATTR_*`.
        attributes: u64,
    }
    /// Make a mount point in the lowest layer of the root overlay.
    13 Skeleton "skeleton" {
        /// The path inside.
        path: S,
        /// Whether it is a directory.
        directory: u32,
    }
    /// Make one lower directory of the next overlay reachable from the stage.
    14 OverlayLayer "overlay-layer" {
        /// The name on the stage.
        name: S,
        /// The path on the host, for the error.
        source: S,
        /// A detached mount made by the host.
        fd: u32,
    }
    /// Mount an overlay; at target `/` it is the root file system.
    15 Overlay "overlay" {
        /// The path inside.
        target: S,
        /// The mount options, with host paths and names on the stage.
        options: S,
        /// The name on the stage of the tmpfs that holds the upper directory in memory; may be empty.
        memory: S,
        /// That tmpfs's size in bytes, in digits.
        size: S,
        /// That tmpfs's number of inodes, in digits.
        inodes: S,
        /// The name on the stage where it is mounted first.
        place: S,
        /// `MOUNT_ATTR_*`.
        attributes: u64,
    }
    /// Mount a new /proc.
    16 Proc "proc" {
        /// The path inside.
        target: S,
        /// Whether the /proc of the caller serves where the kernel forbids a new one.
        outer: u32,
    }
    /// Hide a path of the new /proc behind /dev/null or an empty directory. What does not exist needs no
    /// hiding.
    17 Mask "mask" {
        /// The path from /proc on.
        path: S,
    }
    /// Make a path of the new /proc read-only, with all below it. What does not exist needs no protection.
    18 ReadOnly "read-only" {
        /// The path from /proc on.
        path: S,
    }
    /// Mount a private set of pseudo-terminals.
    19 Devpts "devpts" {
        /// The path inside.
        target: S,
    }
    /// Mount the POSIX message queues of the IPC namespace.
    20 Mqueue "mqueue" {
        /// The path inside.
        target: S,
    }
    /// Create a directory with its parents.
    21 Directory "directory" {
        /// The path inside.
        path: S,
        /// Mode bits of the last component.
        mode: u32,
    }
    /// Create a file with content. Outside file systems of init's own it is bound over its place, so that
    /// what the host has there stays as it is.
    22 File "file" {
        /// The path inside.
        path: S,
        /// Mode bits.
        mode: u32,
        /// A file of memory with the content, or [`NO_FD`].
        fd: u32,
        /// The content, where it is short.
        content: B,
        /// `MOUNT_ATTR_*`, where it is bound over its place.
        bound: u64,
    }
    /// Create a symbolic link.
    23 Symlink "symlink" {
        /// What it points to.
        target: S,
        /// The path inside.
        path: S,
    }
    /// Make one mount read-only, without those below it, now that it is filled.
    24 SealMount "seal-mount" {
        /// The path inside of the mount.
        path: S,
    }
    /// Make the new root the root (pivot_root(2)) and drop the host's mounts.
    25 EnterRoot "pivot-root" {}
    /// Set the host name.
    30 HostName "hostname" {
        /// The name.
        name: S,
    }
    /// Bring the loopback interface up.
    31 Loopback "loopback" {}
    /// Open what is needed of the host's /proc while it can still be reached.
    32 HostProc "host-proc" {}
    /// Be a slot: the steps from here to `park` are carried out before each run.
    33 Serve "serve" {
        /// The socket on which runs come.
        runs: u32,
        /// A file that tells what memory the cgroup is charged for, or [`NO_FD`].
        charge: u32,
        /// The bytes that a group without processes may be charged for.
        residue: u64,
        /// Whether the network namespace is the slot's own.
        network: u32,
    }
    /// Take away what is mounted at a path since the last run, if anything is.
    34 Unmount "unmount" {
        /// The path inside.
        path: S,
    }
    /// Set a counter of a cgroup to zero.
    38 SetToZero "set-to-zero" {
        /// The file, opened by the host.
        fd: u32,
    }
    /// Look whether the file systems that a run could write to have been used; if they have not, the steps from here to
    /// `park` are not needed.
    37 Used "used" {
        /// The paths inside where they are mounted, each ended by a NUL.
        paths: B,
        /// Whether they are empty before a run.
        are_empty: u32,
    }
    /// Let a file system forget what has been looked up in it (a remount that changes nothing).
    35 Forget "forget" {
        /// The path inside.
        path: S,
        /// The flags of the mount, as mount(2) has them.
        flags: u64,
    }
    /// Create the process that becomes the workload of the next run; the steps that follow are its own.
    36 Park "park" {
        /// As in `start-workload`.
        cgroup: u32,
    }
    /// Wait for the run; the steps that come with it follow.
    63 AwaitRun "await-run" {}
    /// Copy a file out, for the host.
    80 Collect "collect" {
        /// The path inside.
        path: S,
        /// The most bytes that it may have.
        most: u64,
    }
    /// Create the process that becomes the workload; the steps that follow are its own.
    40 StartWorkload "start-workload" {
        /// The directory of the cgroup (v2) that it is created in where the kernel allows that to init, or
        /// [`NO_FD`].
        cgroup: u32,
    }
    /// Leave the session keyring of the host program for a new one (keyctl(2)).
    61 SessionKeyring "session-keyring" {}
    /// Enter a cgroup by writing `0` to its `cgroup.procs`.
    41 Cgroup "cgroup" {
        /// `cgroup.procs`, opened by the host.
        fd: u32,
        /// The directory, for the error.
        path: S,
        /// Nothing is left to do where the process was created in the cgroup of `start-workload`.
        of_start: u32,
    }
    /// Start a new session without controlling terminal.
    42 Session "session" {}
    /// Move all descriptors out of the way of the numbers to be assigned.
    43 LiftDescriptors "lift-descriptors" {
        /// The lowest number allowed.
        above: u32,
    }
    /// Give a descriptor its number.
    44 Descriptor "descriptor" {
        /// The descriptor.
        fd: u32,
        /// Its number in the workload.
        target: u32,
    }
    /// Set a resource limit (setrlimit(2)).
    45 ResourceLimit "rlimit" {
        /// `RLIMIT_*`.
        resource: u32,
        /// Soft limit.
        soft: u64,
        /// Hard limit.
        hard: u64,
    }
    /// Set the nice value (setpriority(2)).
    46 Nice "nice" {
        /// -20 to 19.
        value: i32,
    }
    /// Bind to CPUs (sched_setaffinity(2)).
    47 Affinity "affinity" {
        /// The CPU mask.
        mask: B,
    }
    /// Set how eagerly the out-of-memory killer picks the workload.
    48 OomScoreAdj "oom-score-adj" {
        /// The value, in digits.
        value: S,
    }
    /// Set the execution domain (personality(2)).
    49 Personality "personality" {
        /// The persona.
        persona: u32,
    }
    /// Set the file mode creation mask.
    50 Umask "umask" {
        /// The mask.
        mask: u32,
    }
    /// Drop capabilities from the bounding set.
    51 BoundingSet "bounding-set" {
        /// The capabilities that stay.
        keep: u64,
    }
    /// Say what being root is worth (prctl(2), `PR_SET_SECUREBITS`).
    62 Securebits "securebits" {
        /// `SECBIT_*`.
        bits: u32,
    }
    /// Set the supplementary groups.
    52 Groups "groups" {
        /// Group ids, four bytes each.
        gids: B,
    }
    /// Take the workload's ids.
    53 Identity "identity" {
        /// User id inside.
        uid: u32,
        /// Group id inside.
        gid: u32,
    }
    /// Set the capability sets.
    54 Capabilities "capabilities" {
        /// Effective set.
        effective: u64,
        /// Permitted set.
        permitted: u64,
        /// Inheritable set.
        inheritable: u64,
        /// Ambient set.
        ambient: u64,
    }
    /// Set `no_new_privs`.
    55 NoNewPrivs "no-new-privs" {}
    /// Enter the working directory, as the workload's user.
    56 WorkingDirectory "working-directory" {
        /// The path inside.
        path: S,
    }
    /// End with init, for a workload that is not in a PID namespace of its own.
    57 ParentDeath "parent-death" {}
    /// Unblock all signals; init has set all to their default.
    58 DefaultSignals "default-signals" {}
    /// Attach the filter of system calls (seccomp(2)).
    60 Seccomp "seccomp" {
        /// `struct sock_filter` after `struct sock_filter`.
        program: B,
        /// What its listener is for, see [`listener`].
        listener: u32,
        /// What the launcher's own calls from then on carry, so that the filter lets them pass.
        pass_1: u64,
        /// The second part of it.
        pass_2: u64,
        /// The third part of it.
        pass_3: u64,
    }
    /// Become the program: the first of the candidates that exists.
    59 Execute "exec" {
        /// Number of candidate paths.
        candidates: u32,
        /// Number of arguments, the program's name among them.
        arguments: u32,
        /// Number of environment variables.
        environment: u32,
        /// Candidates, arguments and environment, each ended by a NUL.
        strings: B,
    }
    /// Give rights to a path, as the workload sees it, in a ruleset of Landlock (landlock_add_rule(2)).
    70 LandlockRule "landlock-rule" {
        /// The ruleset.
        fd: u32,
        /// The path inside.
        path: S,
        /// `LANDLOCK_ACCESS_FS_*`.
        access: u64,
    }
    /// Restrict the process, and all that it starts, to a ruleset of Landlock (landlock_restrict_self(2)).
    71 LandlockRestrict "landlock" {
        /// The ruleset.
        fd: u32,
        /// What it covers, for the error.
        policy: S,
    }
}
