//! The launcher's view of the kernel's interface against the libc crate's.

use super::abi::{self, nr, nr_common};
use super::{meter, sys};

/// Compares numbers that both sides define, whatever their types.
macro_rules! same {
    ($($ours:expr => $theirs:expr),* $(,)?) => {
        $( assert_eq!($ours as i128, $theirs as i128, stringify!($ours)); )*
    };
}

#[test]
fn system_call_numbers_are_those_of_libc() {
    same! {
        nr::READ => libc::SYS_read, nr::WRITE => libc::SYS_write, nr::CLOSE => libc::SYS_close,
        nr::FSTAT => libc::SYS_fstat, nr::PPOLL => libc::SYS_ppoll, nr::MMAP => libc::SYS_mmap,
        nr::LSEEK => libc::SYS_lseek, nr::MEMFD_CREATE => libc::SYS_memfd_create, nr::MUNMAP => libc::SYS_munmap, nr::MADVISE => libc::SYS_madvise,
        nr::SCHED_GETATTR => libc::SYS_sched_getattr, nr::IOPRIO_GET => libc::SYS_ioprio_get,
        nr::PRLIMIT64 => libc::SYS_prlimit64, nr::PWRITE64 => libc::SYS_pwrite64,
        nr::RT_SIGACTION => libc::SYS_rt_sigaction, nr::RT_SIGPROCMASK => libc::SYS_rt_sigprocmask,
        nr::IOCTL => libc::SYS_ioctl, nr::SENDFILE => libc::SYS_sendfile, nr::GETPID => libc::SYS_getpid, nr::SOCKET => libc::SYS_socket,
        nr::SENDMSG => libc::SYS_sendmsg, nr::RECVMSG => libc::SYS_recvmsg, nr::CLONE => libc::SYS_clone,
        nr::EXECVE => libc::SYS_execve, nr::EXIT_GROUP => libc::SYS_exit_group,
        nr::WAIT4 => libc::SYS_wait4, nr::KILL => libc::SYS_kill, nr::FCNTL => libc::SYS_fcntl,
        nr::CHDIR => libc::SYS_chdir, nr::FCHDIR => libc::SYS_fchdir, nr::FCHMOD => libc::SYS_fchmod, nr::FSTATFS => libc::SYS_fstatfs,
        nr::UMASK => libc::SYS_umask, nr::GETRUSAGE => libc::SYS_getrusage, nr::SETSID => libc::SYS_setsid,
        nr::GETUID => libc::SYS_getuid, nr::GETGID => libc::SYS_getgid,
        nr::SETGROUPS => libc::SYS_setgroups, nr::SETRESUID => libc::SYS_setresuid,
        nr::SETRESGID => libc::SYS_setresgid, nr::CAPGET => libc::SYS_capget, nr::CAPSET => libc::SYS_capset,
        nr::PERSONALITY => libc::SYS_personality, nr::SETPRIORITY => libc::SYS_setpriority,
        nr::PIVOT_ROOT => libc::SYS_pivot_root, nr::PRCTL => libc::SYS_prctl, nr::CHROOT => libc::SYS_chroot,
        nr::MOUNT => libc::SYS_mount, nr::UMOUNT2 => libc::SYS_umount2,
        nr::SETHOSTNAME => libc::SYS_sethostname, nr::SCHED_SETAFFINITY => libc::SYS_sched_setaffinity,
        nr::CLOCK_GETTIME => libc::SYS_clock_gettime, nr::OPENAT => libc::SYS_openat,
        nr::MKDIRAT => libc::SYS_mkdirat, nr::MKNODAT => libc::SYS_mknodat, nr::UNLINKAT => libc::SYS_unlinkat,
        nr::SYMLINKAT => libc::SYS_symlinkat, nr::UNSHARE => libc::SYS_unshare,
        nr::SIGNALFD4 => libc::SYS_signalfd4, nr::DUP3 => libc::SYS_dup3,
        nr::SETRLIMIT => libc::SYS_setrlimit, nr::STATX => libc::SYS_statx, nr::SETNS => libc::SYS_setns,
        nr::SOCKETPAIR => libc::SYS_socketpair, nr::KEYCTL => libc::SYS_keyctl, nr::SECCOMP => libc::SYS_seccomp,
        nr::PREAD64 => libc::SYS_pread64, nr::WAITID => libc::SYS_waitid, nr::SCHED_GETAFFINITY => libc::SYS_sched_getaffinity,
        nr::SCHED_SETATTR => libc::SYS_sched_setattr, nr_common::CLONE3 => libc::SYS_clone3,
        nr_common::PIDFD_SEND_SIGNAL => libc::SYS_pidfd_send_signal,
        nr_common::OPEN_TREE => libc::SYS_open_tree, nr_common::MOVE_MOUNT => libc::SYS_move_mount,
        nr_common::FSOPEN => libc::SYS_fsopen, nr_common::FSCONFIG => libc::SYS_fsconfig,
        nr_common::FSMOUNT => libc::SYS_fsmount, nr_common::CLOSE_RANGE => libc::SYS_close_range,
        nr_common::OPENAT2 => libc::SYS_openat2, nr_common::MOUNT_SETATTR => libc::SYS_mount_setattr,
        nr_common::LANDLOCK_ADD_RULE => libc::SYS_landlock_add_rule,
        nr_common::LANDLOCK_RESTRICT_SELF => libc::SYS_landlock_restrict_self,
    }
}

#[test]
fn constants_are_those_of_libc() {
    same! {
        abi::EPERM => libc::EPERM, abi::E2BIG => libc::E2BIG, abi::SEEK_SET => libc::SEEK_SET, abi::CLOCK_REALTIME_COARSE => libc::CLOCK_REALTIME_COARSE, abi::EFBIG => libc::EFBIG,
        abi::O_NONBLOCK => libc::O_NONBLOCK, abi::MFD_CLOEXEC => libc::MFD_CLOEXEC,
        abi::CLONE_NEWNET => libc::CLONE_NEWNET, abi::STATX_BASIC_STATS => libc::STATX_BASIC_STATS, abi::EAGAIN => libc::EAGAIN,
        abi::MAP_NORESERVE => libc::MAP_NORESERVE, abi::MADV_DONTNEED => libc::MADV_DONTNEED,
        abi::MS_REMOUNT => libc::MS_REMOUNT, abi::UMOUNT_NOFOLLOW => libc::UMOUNT_NOFOLLOW, abi::ENOENT => libc::ENOENT, abi::EINTR => libc::EINTR,
        abi::EACCES => libc::EACCES, abi::ENOTDIR => libc::ENOTDIR, abi::EINVAL => libc::EINVAL,
        abi::ESTALE => libc::ESTALE, abi::ST_RDONLY => libc::ST_RDONLY, abi::ENOSYS => libc::ENOSYS, abi::ELOOP => libc::ELOOP, abi::STATX_MNT_ID => libc::STATX_MNT_ID, abi::EEXIST => libc::EEXIST, abi::EROFS => libc::EROFS,
        abi::O_RDONLY => libc::O_RDONLY, abi::O_WRONLY => libc::O_WRONLY, abi::O_CREAT => libc::O_CREAT,
        abi::O_TRUNC => libc::O_TRUNC, abi::O_CLOEXEC => libc::O_CLOEXEC,
        abi::O_PATH => libc::O_PATH, abi::O_DIRECTORY => libc::O_DIRECTORY, abi::O_NOFOLLOW => libc::O_NOFOLLOW,
        abi::AT_FDCWD => libc::AT_FDCWD, abi::AT_EMPTY_PATH => libc::AT_EMPTY_PATH,
        abi::AT_RECURSIVE => libc::AT_RECURSIVE, abi::RESOLVE_IN_ROOT => libc::RESOLVE_IN_ROOT,
        abi::RESOLVE_NO_MAGICLINKS => libc::RESOLVE_NO_MAGICLINKS,
        abi::OPEN_TREE_CLONE => libc::OPEN_TREE_CLONE, abi::OPEN_TREE_CLOEXEC => libc::OPEN_TREE_CLOEXEC,
        abi::MOVE_MOUNT_F_EMPTY_PATH => libc::MOVE_MOUNT_F_EMPTY_PATH,
        abi::MOVE_MOUNT_T_EMPTY_PATH => libc::MOVE_MOUNT_T_EMPTY_PATH,
        abi::FSOPEN_CLOEXEC => libc::FSOPEN_CLOEXEC, abi::FSMOUNT_CLOEXEC => libc::FSMOUNT_CLOEXEC,
        abi::FSCONFIG_SET_STRING => libc::FSCONFIG_SET_STRING,
        abi::FSCONFIG_CMD_CREATE => libc::FSCONFIG_CMD_CREATE,
        abi::MOUNT_ATTR_RDONLY => libc::MOUNT_ATTR_RDONLY, abi::MOUNT_ATTR_NOSUID => libc::MOUNT_ATTR_NOSUID,
        abi::MOUNT_ATTR_NODEV => libc::MOUNT_ATTR_NODEV, abi::MOUNT_ATTR_NOEXEC => libc::MOUNT_ATTR_NOEXEC,
        abi::MS_REC => libc::MS_REC, abi::MS_PRIVATE => libc::MS_PRIVATE, abi::MNT_DETACH => libc::MNT_DETACH,
        abi::CLONE_VM => libc::CLONE_VM, abi::CLONE_VFORK => libc::CLONE_VFORK, abi::CLONE_PIDFD => libc::CLONE_PIDFD,
        abi::SIGSTOP => libc::SIGSTOP, abi::SIGCONT => libc::SIGCONT,
        abi::PR_SET_TIMERSLACK => libc::PR_SET_TIMERSLACK,
        abi::CLOCK_PROCESS_CPUTIME_ID => libc::CLOCK_PROCESS_CPUTIME_ID,
        abi::SIG_SETMASK => libc::SIG_SETMASK, abi::SIGKILL => libc::SIGKILL, abi::SIGCHLD => libc::SIGCHLD,
        abi::SFD_CLOEXEC => libc::SFD_CLOEXEC, abi::SFD_NONBLOCK => libc::SFD_NONBLOCK,
        abi::WNOHANG => libc::WNOHANG, abi::WEXITED => libc::WEXITED, abi::WNOWAIT => libc::WNOWAIT,
        abi::P_PID => libc::P_PID, abi::WALL => libc::__WALL, abi::RUSAGE_CHILDREN => libc::RUSAGE_CHILDREN,
        abi::PROT_READ => libc::PROT_READ, abi::PROT_WRITE => libc::PROT_WRITE,
        abi::MAP_SHARED => libc::MAP_SHARED, abi::MAP_PRIVATE => libc::MAP_PRIVATE,
        abi::MAP_ANONYMOUS => libc::MAP_ANONYMOUS,
        abi::SOL_SOCKET => libc::SOL_SOCKET, abi::SCM_RIGHTS => libc::SCM_RIGHTS, abi::SCM_CREDENTIALS => libc::SCM_CREDENTIALS,
        abi::MSG_WAITALL => libc::MSG_WAITALL, abi::MSG_NOSIGNAL => libc::MSG_NOSIGNAL,
        abi::MSG_CMSG_CLOEXEC => libc::MSG_CMSG_CLOEXEC, abi::AF_INET => libc::AF_INET,
        abi::AF_UNIX => libc::AF_UNIX, abi::SOCK_STREAM => libc::SOCK_STREAM,
        abi::PR_SET_SECUREBITS => libc::PR_SET_SECUREBITS,
        abi::KEYCTL_JOIN_SESSION_KEYRING => libc::KEYCTL_JOIN_SESSION_KEYRING,
        abi::SECCOMP_SET_MODE_FILTER => libc::SECCOMP_SET_MODE_FILTER,
        abi::SECCOMP_FILTER_FLAG_NEW_LISTENER => libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
        abi::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV => libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
        abi::SECCOMP_USER_NOTIF_FLAG_CONTINUE => libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE,
        abi::SECCOMP_IOCTL_NOTIF_RECV => libc::SECCOMP_IOCTL_NOTIF_RECV,
        abi::SECCOMP_IOCTL_NOTIF_SEND => libc::SECCOMP_IOCTL_NOTIF_SEND,
        abi::SOCK_DGRAM => libc::SOCK_DGRAM, abi::SOCK_CLOEXEC => libc::SOCK_CLOEXEC,
        abi::SIOCSIFFLAGS => libc::SIOCSIFFLAGS, abi::IFF_UP => libc::IFF_UP, abi::IFF_RUNNING => libc::IFF_RUNNING,
        abi::F_SETFD => libc::F_SETFD, abi::F_DUPFD_CLOEXEC => libc::F_DUPFD_CLOEXEC,
        abi::FD_CLOEXEC => libc::FD_CLOEXEC,
        abi::PR_SET_PDEATHSIG => libc::PR_SET_PDEATHSIG, abi::PR_SET_DUMPABLE => libc::PR_SET_DUMPABLE,
        abi::PR_SET_KEEPCAPS => libc::PR_SET_KEEPCAPS, abi::PR_SET_NAME => libc::PR_SET_NAME,
        abi::PR_CAPBSET_DROP => libc::PR_CAPBSET_DROP,
        abi::PR_SET_CHILD_SUBREAPER => libc::PR_SET_CHILD_SUBREAPER,
        abi::PR_SET_NO_NEW_PRIVS => libc::PR_SET_NO_NEW_PRIVS, abi::PR_CAP_AMBIENT => libc::PR_CAP_AMBIENT,
        abi::PR_CAP_AMBIENT_RAISE => libc::PR_CAP_AMBIENT_RAISE,
        abi::PR_CAP_AMBIENT_CLEAR_ALL => libc::PR_CAP_AMBIENT_CLEAR_ALL,
        abi::CLOCK_MONOTONIC => libc::CLOCK_MONOTONIC, abi::POLLIN => libc::POLLIN,
        abi::S_IFMT => libc::S_IFMT, abi::S_IFREG => libc::S_IFREG, abi::S_IFDIR => libc::S_IFDIR,
    }
}

#[test]
fn layouts_are_those_of_libc() {
    use std::mem::{offset_of, size_of};
    same! {
        size_of::<abi::Stat>() => size_of::<libc::stat>(),
        offset_of!(abi::Stat, device) => offset_of!(libc::stat, st_dev),
        offset_of!(abi::Stat, inode) => offset_of!(libc::stat, st_ino),
        offset_of!(abi::Stat, mode) => offset_of!(libc::stat, st_mode),
        size_of::<abi::Statfs>() => size_of::<libc::statfs>(),
        size_of::<abi::Statx>() => size_of::<libc::statx>(),
        offset_of!(abi::Statx, mask) => offset_of!(libc::statx, stx_mask),
        offset_of!(abi::Statx, size) => offset_of!(libc::statx, stx_size),
        offset_of!(abi::Statx, accessed) => offset_of!(libc::statx, stx_atime),
        offset_of!(abi::Statx, changed) => offset_of!(libc::statx, stx_ctime),
        offset_of!(abi::Statx, modified) => offset_of!(libc::statx, stx_mtime),
        size_of::<abi::StatxTimestamp>() => size_of::<libc::statx_timestamp>(),
        offset_of!(abi::Statx, mount_id) => offset_of!(libc::statx, stx_mnt_id),
        size_of::<abi::Rusage>() => size_of::<libc::rusage>(),
        offset_of!(abi::Rusage, max_rss) => offset_of!(libc::rusage, ru_maxrss),
        offset_of!(abi::Rusage, minor_faults) => offset_of!(libc::rusage, ru_minflt),
        offset_of!(abi::Rusage, blocks_read) => offset_of!(libc::rusage, ru_inblock),
        offset_of!(abi::Rusage, involuntary_switches) => offset_of!(libc::rusage, ru_nivcsw),
        size_of::<abi::CloneArgs>() => size_of::<libc::clone_args>(),
        offset_of!(abi::CloneArgs, exit_signal) => offset_of!(libc::clone_args, exit_signal),
        offset_of!(abi::CloneArgs, stack_size) => offset_of!(libc::clone_args, stack_size),
        offset_of!(abi::CloneArgs, cgroup) => offset_of!(libc::clone_args, cgroup),
        size_of::<abi::MsgHdr>() => size_of::<libc::msghdr>(),
        offset_of!(abi::MsgHdr, control) => offset_of!(libc::msghdr, msg_control),
        offset_of!(abi::MsgHdr, control_length) => offset_of!(libc::msghdr, msg_controllen),
        size_of::<abi::CmsgHdr>() => size_of::<libc::cmsghdr>(),
        size_of::<abi::PollFd>() => size_of::<libc::pollfd>(),
        size_of::<abi::IfReq>() => size_of::<libc::ifreq>(),
        size_of::<abi::MountAttr>() => size_of::<libc::mount_attr>(),
        size_of::<abi::OpenHow>() => size_of::<libc::open_how>(),
        // libc has no such struct; the kernel's is packed.
        size_of::<abi::LandlockPathBeneath>() => 12,
        offset_of!(abi::LandlockPathBeneath, parent) => 8,
        size_of::<abi::SockFilter>() => size_of::<libc::sock_filter>(),
        size_of::<abi::SockFprog>() => size_of::<libc::sock_fprog>(),
        offset_of!(abi::SockFprog, filter) => offset_of!(libc::sock_fprog, filter),
        size_of::<abi::Notification>() => size_of::<libc::seccomp_notif>(),
        offset_of!(abi::Notification, number) => offset_of!(libc::seccomp_notif, data),
        size_of::<abi::NotificationAnswer>() => size_of::<libc::seccomp_notif_resp>(),
        offset_of!(abi::NotificationAnswer, flags) => offset_of!(libc::seccomp_notif_resp, flags),
    }
}

#[test]
fn the_cpu_time_of_a_group_is_read_in_both_forms() {
    assert_eq!(meter::parse(b"123456789\n"), 123_456_789);
    assert_eq!(meter::parse(b"usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n"), 1_500_000);
    assert_eq!(meter::parse(b""), 0);
}

#[test]
fn the_clock_of_a_process_shows_its_cpu_time() {
    let before = sys::cpu_time_of(sys::getpid()).expect("the own clock");
    let work = (0..100_000u64).map(std::hint::black_box).sum::<u64>();
    let after = sys::cpu_time_of(sys::getpid()).expect("the own clock");

    assert!(work > 0 && after > before, "{before} {after}");
    assert!(sys::own_cpu_time(sys::Pass::default()) >= after);
}

#[test]
fn the_remaining_time_is_that_of_all_cpus_at_work_and_ends_at_the_limit() {
    let meter = |cpus, limit| meter::Meter::new(meter::Source::Process(sys::getpid()), 0, cpus, limit);
    let second = 1_000_000_000u64;
    let used = sys::own_cpu_time(sys::Pass::default());

    assert_eq!(meter(2, 0).remaining(), None, "no limit");
    assert_eq!(meter(2, 1).remaining(), Some(0), "reached");
    let (mut one, mut four) = (meter(1, used + 100 * second), meter(4, used + 100 * second));
    let (one, four) = (one.remaining().expect("a time"), four.remaining().expect("a time"));
    assert!(four * 4 <= one && four * 5 > one, "{one} {four}");
    assert!(one < 100 * second, "init looks before the end");
}

#[test]
fn a_workload_that_sleeps_below_its_limit_is_looked_at_less_and_less_often() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"999000000\n").expect("a figure that stands still");
    let source = meter::Source::Cgroup(sys::Fd(file.as_raw_fd()));
    let mut meter = meter::Meter::new(source, 0, 1, 1_000_000_000);

    let waits: Vec<_> = (0..10).filter_map(|_| meter.remaining()).collect();

    assert!(waits.len() == 10 && waits.is_sorted(), "{waits:?}");
    assert_eq!((waits[0], waits[9]), (1_000_000, 5_000_000));
}
