//! Numbers and layouts of the kernel's interface that the launcher needs. A unit test of the library
//! compares them with the libc crate's.

/// System call numbers.
#[cfg(target_arch = "x86_64")]
pub mod nr {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const FSTAT: usize = 5;
    pub const PPOLL: usize = 271;
    pub const LSEEK: usize = 8;
    pub const MMAP: usize = 9;
    pub const MEMFD_CREATE: usize = 319;
    pub const MUNMAP: usize = 11;
    pub const MADVISE: usize = 28;
    pub const SCHED_GETATTR: usize = 315;
    pub const IOPRIO_GET: usize = 252;
    pub const PRLIMIT64: usize = 302;
    pub const PWRITE64: usize = 18;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const IOCTL: usize = 16;
    pub const SENDFILE: usize = 40;
    pub const GETPID: usize = 39;
    pub const SOCKET: usize = 41;
    pub const SENDMSG: usize = 46;
    pub const RECVMSG: usize = 47;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const EXIT_GROUP: usize = 231;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const FCNTL: usize = 72;
    pub const CHDIR: usize = 80;
    pub const FCHDIR: usize = 81;
    pub const FCHMOD: usize = 91;
    pub const FSTATFS: usize = 138;
    pub const UMASK: usize = 95;
    pub const GETRUSAGE: usize = 98;
    pub const GETUID: usize = 102;
    pub const GETGID: usize = 104;
    pub const SETSID: usize = 112;
    pub const SETGROUPS: usize = 116;
    pub const SETRESUID: usize = 117;
    pub const SETRESGID: usize = 119;
    pub const CAPGET: usize = 125;
    pub const CAPSET: usize = 126;
    pub const PERSONALITY: usize = 135;
    pub const SETPRIORITY: usize = 141;
    pub const PIVOT_ROOT: usize = 155;
    pub const PRCTL: usize = 157;
    pub const CHROOT: usize = 161;
    pub const MOUNT: usize = 165;
    pub const UMOUNT2: usize = 166;
    pub const SETHOSTNAME: usize = 170;
    pub const SCHED_SETAFFINITY: usize = 203;
    pub const CLOCK_GETTIME: usize = 228;
    pub const OPENAT: usize = 257;
    pub const MKDIRAT: usize = 258;
    pub const MKNODAT: usize = 259;
    pub const UNLINKAT: usize = 263;
    pub const SYMLINKAT: usize = 266;
    pub const UNSHARE: usize = 272;
    pub const SIGNALFD4: usize = 289;
    pub const DUP3: usize = 292;
    pub const PREAD64: usize = 17;
    pub const WAITID: usize = 247;
    pub const SCHED_GETAFFINITY: usize = 204;
    pub const SCHED_SETATTR: usize = 314;
    pub const SETRLIMIT: usize = 160;
    pub const STATX: usize = 332;
    pub const SETNS: usize = 308;
    pub const SOCKETPAIR: usize = 53;
    pub const KEYCTL: usize = 250;
    pub const SECCOMP: usize = 317;
}

/// System call numbers.
#[cfg(target_arch = "aarch64")]
pub mod nr {
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const CLOSE: usize = 57;
    pub const FSTAT: usize = 80;
    pub const PPOLL: usize = 73;
    pub const LSEEK: usize = 62;
    pub const MMAP: usize = 222;
    pub const MEMFD_CREATE: usize = 279;
    pub const MUNMAP: usize = 215;
    pub const MADVISE: usize = 233;
    pub const SCHED_GETATTR: usize = 275;
    pub const IOPRIO_GET: usize = 31;
    pub const PRLIMIT64: usize = 261;
    pub const PWRITE64: usize = 68;
    pub const RT_SIGACTION: usize = 134;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const IOCTL: usize = 29;
    pub const SENDFILE: usize = 71;
    pub const GETPID: usize = 172;
    pub const SOCKET: usize = 198;
    pub const SENDMSG: usize = 211;
    pub const RECVMSG: usize = 212;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const EXIT_GROUP: usize = 94;
    pub const WAIT4: usize = 260;
    pub const KILL: usize = 129;
    pub const FCNTL: usize = 25;
    pub const CHDIR: usize = 49;
    pub const FCHDIR: usize = 50;
    pub const FCHMOD: usize = 52;
    pub const FSTATFS: usize = 44;
    pub const UMASK: usize = 166;
    pub const GETRUSAGE: usize = 165;
    pub const GETUID: usize = 174;
    pub const GETGID: usize = 176;
    pub const SETSID: usize = 157;
    pub const SETGROUPS: usize = 159;
    pub const SETRESUID: usize = 147;
    pub const SETRESGID: usize = 149;
    pub const CAPGET: usize = 90;
    pub const CAPSET: usize = 91;
    pub const PERSONALITY: usize = 92;
    pub const SETPRIORITY: usize = 140;
    pub const PIVOT_ROOT: usize = 41;
    pub const PRCTL: usize = 167;
    pub const CHROOT: usize = 51;
    pub const MOUNT: usize = 40;
    pub const UMOUNT2: usize = 39;
    pub const SETHOSTNAME: usize = 161;
    pub const SCHED_SETAFFINITY: usize = 122;
    pub const CLOCK_GETTIME: usize = 113;
    pub const OPENAT: usize = 56;
    pub const MKDIRAT: usize = 34;
    pub const MKNODAT: usize = 33;
    pub const UNLINKAT: usize = 35;
    pub const SYMLINKAT: usize = 36;
    pub const UNSHARE: usize = 97;
    pub const SIGNALFD4: usize = 74;
    pub const DUP3: usize = 24;
    pub const PREAD64: usize = 67;
    pub const WAITID: usize = 95;
    pub const SCHED_GETAFFINITY: usize = 123;
    pub const SCHED_SETATTR: usize = 274;
    pub const SETRLIMIT: usize = 164;
    pub const STATX: usize = 291;
    pub const SETNS: usize = 268;
    pub const SOCKETPAIR: usize = 199;
    pub const KEYCTL: usize = 219;
    pub const SECCOMP: usize = 277;
}

/// System calls newer than the common numbering have one number everywhere.
pub mod nr_common {
    pub const PIDFD_SEND_SIGNAL: usize = 424;
    pub const OPEN_TREE: usize = 428;
    pub const MOVE_MOUNT: usize = 429;
    pub const FSOPEN: usize = 430;
    pub const FSCONFIG: usize = 431;
    pub const FSMOUNT: usize = 432;
    pub const CLOSE_RANGE: usize = 436;
    pub const CLONE3: usize = 435;
    pub const OPENAT2: usize = 437;
    pub const MOUNT_SETATTR: usize = 442;
    pub const LANDLOCK_ADD_RULE: usize = 445;
    pub const LANDLOCK_RESTRICT_SELF: usize = 446;
}

pub const EPERM: i32 = 1;
pub const ENOENT: i32 = 2;
pub const EINTR: i32 = 4;
pub const E2BIG: i32 = 7;
pub const EFBIG: i32 = 27;
pub const EAGAIN: i32 = 11;
pub const EACCES: i32 = 13;
pub const EEXIST: i32 = 17;
pub const ENOTDIR: i32 = 20;
pub const EINVAL: i32 = 22;
pub const EROFS: i32 = 30;
pub const ENOSYS: i32 = 38;
pub const ELOOP: i32 = 40;
pub const ESTALE: i32 = 116;

pub const O_RDONLY: i32 = 0;
pub const O_WRONLY: i32 = 1;
pub const O_CREAT: i32 = 0o100;
pub const O_TRUNC: i32 = 0o1000;
pub const O_NONBLOCK: i32 = 0o4000;
pub const MFD_CLOEXEC: u32 = 1;
pub const SEEK_SET: i32 = 0;
pub const O_CLOEXEC: i32 = 0o2_000_000;
pub const O_PATH: i32 = 0o10_000_000;
#[cfg(target_arch = "x86_64")]
pub const O_DIRECTORY: i32 = 0o200_000;
#[cfg(target_arch = "aarch64")]
pub const O_DIRECTORY: i32 = 0o40_000;
#[cfg(target_arch = "x86_64")]
pub const O_NOFOLLOW: i32 = 0o400_000;
#[cfg(target_arch = "aarch64")]
pub const O_NOFOLLOW: i32 = 0o100_000;

pub const AT_FDCWD: i32 = -100;
pub const AT_EMPTY_PATH: u32 = 0x1000;
pub const STATX_MNT_ID: u32 = 0x1000;
pub const STATX_BASIC_STATS: u32 = 0x7ff;
pub const AT_RECURSIVE: u32 = 0x8000;
pub const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
pub const RESOLVE_IN_ROOT: u64 = 0x10;

pub const OPEN_TREE_CLONE: u32 = 1;
pub const OPEN_TREE_CLOEXEC: u32 = O_CLOEXEC as u32;
pub const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
pub const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
pub const FSOPEN_CLOEXEC: u32 = 1;
pub const FSMOUNT_CLOEXEC: u32 = 1;
pub const FSCONFIG_SET_STRING: u32 = 1;
pub const FSCONFIG_CMD_CREATE: u32 = 6;
pub const MOUNT_ATTR_RDONLY: u64 = 0x01;
pub const MOUNT_ATTR_NOSUID: u64 = 0x02;
pub const MOUNT_ATTR_NODEV: u64 = 0x04;
pub const MOUNT_ATTR_NOEXEC: u64 = 0x08;
pub const MS_REC: u64 = 0x4000;
pub const MS_PRIVATE: u64 = 1 << 18;
pub const MS_REMOUNT: u64 = 32;
pub const UMOUNT_NOFOLLOW: i32 = 8;
pub const MNT_DETACH: i32 = 2;

pub const LANDLOCK_RULE_PATH_BENEATH: u32 = 1;
/// The rights of Landlock that apply to files that are no directories: to execute, write, read, truncate, and
/// ioctl(2) of devices.
pub const LANDLOCK_ACCESS_FILE: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;

pub const CLONE_NEWNET: u32 = 0x4000_0000;
pub const CLONE_VM: u64 = 0x100;
pub const CLONE_VFORK: u64 = 0x4000;
pub const CLONE_PIDFD: u64 = 0x1000;
pub const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

pub const SIG_SETMASK: i32 = 2;
pub const SIGKILL: i32 = 9;
pub const SIGCHLD: i32 = 17;
pub const SIGCONT: i32 = 18;
pub const SIGSTOP: i32 = 19;
pub const LAST_SIGNAL: i32 = 64;
/// Bytes in the largest mask of CPUs that a kernel has: 8192 of them.
pub const CPU_MASK: usize = 1024;
/// Bytes in the kernel's signal set.
pub const SIGSET_SIZE: usize = 8;
pub const SFD_CLOEXEC: i32 = O_CLOEXEC;
pub const SFD_NONBLOCK: i32 = 0o4000;

pub const WNOHANG: i32 = 1;
pub const WEXITED: i32 = 4;
pub const WNOWAIT: i32 = 0x0100_0000;
pub const P_PID: i32 = 1;
/// Wait for children whatever signal they end with.
pub const WALL: i32 = 0x4000_0000;
pub const RUSAGE_CHILDREN: i32 = -1;

pub const PROT_READ: i32 = 1;
pub const PROT_WRITE: i32 = 2;
pub const MAP_SHARED: i32 = 1;
pub const MAP_PRIVATE: i32 = 2;
pub const MAP_ANONYMOUS: i32 = 0x20;
pub const MAP_NORESERVE: i32 = 0x4000;
pub const MADV_DONTNEED: i32 = 4;

pub const SOL_SOCKET: i32 = 1;
pub const SCM_RIGHTS: i32 = 1;
pub const SCM_CREDENTIALS: i32 = 2;
pub const MSG_WAITALL: u32 = 0x100;
pub const MSG_NOSIGNAL: u32 = 0x4000;
pub const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;
pub const AF_UNIX: i32 = 1;
pub const AF_INET: i32 = 2;
pub const SOCK_STREAM: i32 = 1;
pub const SOCK_DGRAM: i32 = 2;
pub const SOCK_CLOEXEC: i32 = O_CLOEXEC;
pub const SIOCSIFFLAGS: u64 = 0x8914;
pub const IFF_UP: i16 = 1;
pub const IFF_RUNNING: i16 = 0x40;

pub const F_SETFD: i32 = 2;
pub const F_DUPFD_CLOEXEC: i32 = 1030;
pub const FD_CLOEXEC: i32 = 1;

pub const IOPRIO_WHO_PROCESS: i32 = 1;
/// Resource limits are numbered from 0.
pub const RLIM_NLIMITS: usize = 16;

pub const PR_SET_PDEATHSIG: i32 = 1;
pub const PR_SET_DUMPABLE: i32 = 4;
pub const PR_SET_KEEPCAPS: i32 = 8;
pub const PR_SET_NAME: i32 = 15;
pub const PR_CAPBSET_DROP: i32 = 24;
pub const PR_SET_SECUREBITS: i32 = 28;
pub const PR_SET_CHILD_SUBREAPER: i32 = 36;
pub const PR_SET_TIMERSLACK: i32 = 29;
pub const PR_SET_NO_NEW_PRIVS: i32 = 38;
pub const PR_CAP_AMBIENT: i32 = 47;
pub const PR_CAP_AMBIENT_RAISE: i32 = 2;
pub const PR_CAP_AMBIENT_CLEAR_ALL: i32 = 4;
pub const CAP_VERSION_3: u32 = 0x2008_0522;
/// Capabilities are bits of a 64-bit set.
pub const CAP_BITS: u32 = 64;
pub const CAP_KILL: u32 = 5;

pub const CLOCK_MONOTONIC: i32 = 1;
pub const CLOCK_REALTIME_COARSE: i32 = 5;
pub const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
/// With the complement of a process id above it: the clock of that process's CPU time.
pub const CPUCLOCK_SCHED: i32 = 2;
pub const POLLIN: i16 = 1;
pub const S_IFMT: u32 = 0o170_000;
pub const S_IFREG: u32 = 0o100_000;
pub const S_IFDIR: u32 = 0o040_000;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timespec {
    pub sec: i64,
    pub nsec: i64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timeval {
    pub sec: i64,
    pub usec: i64,
}

impl Timeval {
    pub fn plus(self, other: Timeval) -> Timeval {
        let usec = self.usec.wrapping_add(other.usec);
        let carry = i64::from(usec >= 1_000_000);
        Timeval {
            sec: self.sec.wrapping_add(other.sec).wrapping_add(carry),
            usec: usec.wrapping_sub(1_000_000 * carry),
        }
    }

    pub fn nanoseconds(self) -> u64 {
        (self.sec as u64).wrapping_mul(1_000_000_000).wrapping_add((self.usec as u64).wrapping_mul(1_000))
    }
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Rusage {
    pub user: Timeval,
    pub system: Timeval,
    pub max_rss: i64,
    pub unused: [i64; 3],
    pub minor_faults: i64,
    pub major_faults: i64,
    pub swaps: i64,
    pub blocks_read: i64,
    pub blocks_written: i64,
    pub messages: [i64; 2],
    pub signals: i64,
    pub voluntary_switches: i64,
    pub involuntary_switches: i64,
}

/// `struct clone_args` of clone3(2), up to `cgroup` (Linux 5.7).
#[repr(C)]
#[derive(Default)]
pub struct CloneArgs {
    pub flags: u64,
    pub pidfd: u64,
    pub child_tid: u64,
    pub parent_tid: u64,
    pub exit_signal: u64,
    pub stack: u64,
    pub stack_size: u64,
    pub tls: u64,
    pub set_tid: u64,
    pub set_tid_size: u64,
    pub cgroup: u64,
}

/// `struct sched_attr` of sched_setattr(2), as of Linux 3.14.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedAttr {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollFd {
    pub fd: i32,
    pub events: i16,
    pub revents: i16,
}

#[repr(C)]
pub struct OpenHow {
    pub flags: u64,
    pub mode: u64,
    pub resolve: u64,
}

#[repr(C)]
pub struct MountAttr {
    pub set: u64,
    pub clear: u64,
    pub propagation: u64,
    pub userns_fd: u64,
}

/// `struct landlock_path_beneath_attr`, which the kernel has packed.
#[repr(C, packed)]
pub struct LandlockPathBeneath {
    pub access: u64,
    pub parent: i32,
}

#[repr(C)]
pub struct IoVec {
    pub base: *mut u8,
    pub length: usize,
}

#[repr(C)]
pub struct MsgHdr {
    pub name: *mut u8,
    pub name_length: u32,
    pub iov: *mut IoVec,
    pub iov_count: usize,
    pub control: *mut u8,
    pub control_length: usize,
    pub flags: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct CmsgHdr {
    pub length: usize,
    pub level: i32,
    pub kind: i32,
}

/// The kernel's `struct sigaction`, not the C library's.
#[repr(C)]
#[derive(Default)]
pub struct SigAction {
    pub handler: usize,
    pub flags: u64,
    pub restorer: usize,
    pub mask: u64,
}

#[repr(C)]
pub struct CapHeader {
    pub version: u32,
    pub pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct CapData {
    pub effective: u32,
    pub permitted: u32,
    pub inheritable: u32,
}

#[repr(C)]
pub struct RLimit {
    pub soft: u64,
    pub hard: u64,
}

/// The start of `struct ifreq`: a name and flags.
#[repr(C)]
pub struct IfReq {
    pub name: [u8; 16],
    pub flags: i16,
    pub rest: [u8; 22],
}

/// `ST_RDONLY` of statfs(2).
pub const ST_RDONLY: i64 = 1;

/// `struct statfs`, of which the flags are read.
#[repr(C)]
#[derive(Default)]
pub struct Statfs {
    pub before: [i64; 10],
    pub flags: i64,
    pub after: [i64; 4],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct StatxTimestamp {
    pub sec: i64,
    pub nsec: u32,
    pub reserved: i32,
}

/// `struct statx`, of which times and the mount's number are read.
#[repr(C)]
#[derive(Default)]
pub struct Statx {
    pub mask: u32,
    pub before: [u32; 9],
    pub size: u64,
    pub between: [u32; 4],
    pub accessed: StatxTimestamp,
    pub born: StatxTimestamp,
    pub changed: StatxTimestamp,
    pub modified: StatxTimestamp,
    pub devices: [u32; 4],
    pub mount_id: u64,
    pub after: [u64; 13],
}

/// `struct stat`, of which device, inode and mode are read.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
#[derive(Default)]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    pub links: u64,
    pub mode: u32,
    pub rest: [u32; 29],
}

/// `struct stat`, of which device, inode and mode are read.
#[cfg(target_arch = "aarch64")]
#[repr(C)]
#[derive(Default)]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    pub mode: u32,
    pub rest: [u32; 27],
}

/// `linux/keyctl.h`.
pub const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;

pub const SECCOMP_SET_MODE_FILTER: u32 = 1;
pub const SECCOMP_FILTER_FLAG_NEW_LISTENER: u32 = 1 << 3;
pub const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;
pub const SECCOMP_USER_NOTIF_FLAG_CONTINUE: u32 = 1;
pub const SECCOMP_IOCTL_NOTIF_RECV: u64 = 0xc050_2100;
pub const SECCOMP_IOCTL_NOTIF_SEND: u64 = 0xc018_2101;

/// The instruction set, as filters are told: `AUDIT_ARCH_*` of `linux/audit.h`.
#[cfg(target_arch = "x86_64")]
pub const AUDIT_ARCH: u32 = 0xc000_003e;
/// The instruction set, as filters are told: `AUDIT_ARCH_*` of `linux/audit.h`.
#[cfg(target_arch = "aarch64")]
pub const AUDIT_ARCH: u32 = 0xc000_00b7;

/// `struct sock_filter`.
#[repr(C)]
pub struct SockFilter {
    pub code: u16,
    pub jumps: [u8; 2],
    pub operand: u32,
}

/// `struct sock_fprog`. The instructions need not be aligned: the kernel copies them.
#[repr(C)]
pub struct SockFprog {
    pub length: u16,
    pub filter: *const u8,
}

/// `struct seccomp_notif`, with `struct seccomp_data` in it.
#[repr(C)]
#[derive(Default)]
pub struct Notification {
    pub id: u64,
    pub pid: u32,
    pub flags: u32,
    pub number: i32,
    pub architecture: u32,
    pub instruction_pointer: u64,
    pub arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Default)]
pub struct NotificationAnswer {
    pub id: u64,
    pub value: i64,
    pub error: i32,
    pub flags: u32,
}
