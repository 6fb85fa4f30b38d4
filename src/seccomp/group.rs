//! System calls in groups, each with what it is for, or why it is denied.

/// Declares [`SyscallGroup`] and what belongs to each from one list.
macro_rules! groups {
    ($(
        $variant:ident $verdict:ident $reason:literal [ $($call:literal),* $(,)? ]
    )*) => {
        /// System calls that belong together. Every call that the library knows is in one group.
        ///
        /// ```
        /// use cofferdam::{Container, Seccomp, SyscallGroup};
        /// assert!(!SyscallGroup::Keyrings.is_allowed_by_default());
        /// let loosened = Seccomp::default().allow_group(SyscallGroup::Keyrings);
        /// assert!(Container::new().command("true").seccomp(loosened).status()?.success());
        /// # Ok::<(), cofferdam::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum SyscallGroup {
            $(
                #[doc = concat!($reason, " (", stringify!($verdict), " by default).")]
                $variant,
            )*
        }

        impl SyscallGroup {
            /// All of them.
            pub fn all() -> &'static [SyscallGroup] {
                &[$(SyscallGroup::$variant,)*]
            }

            /// The names of its system calls.
            pub fn syscalls(self) -> &'static [&'static str] {
                match self { $(SyscallGroup::$variant => &[$($call,)*],)* }
            }

            /// What they are for; of a group that is denied by default, why it is.
            pub fn reason(self) -> &'static str {
                match self { $(SyscallGroup::$variant => $reason,)* }
            }

            /// Whether [`Seccomp::default`](crate::Seccomp::default) allows them, if with conditions on some.
            pub fn is_allowed_by_default(self) -> bool {
                match self { $(SyscallGroup::$variant => groups!(@allowed $verdict),)* }
            }
        }
    };
    (@allowed allowed) => { true };
    (@allowed denied) => { false };
}

groups! {
    BasicIo allowed "Reading and writing what is open" [
            "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
            "pwritev2", "lseek", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "ioctl", "fstat",
            "fsync", "fdatasync", "ftruncate", "sync_file_range", "fallocate", "fadvise64", "readahead",
            "sendfile", "splice", "tee", "vmsplice", "copy_file_range", "flock", "getdents", "getdents64",
            "pipe", "pipe2"
    ]
    Poll allowed "Waiting for events" [
            "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl",
            "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "signalfd", "signalfd4",
            "timerfd_create", "timerfd_settime", "timerfd_gettime", "inotify_init", "inotify_init1",
            "inotify_add_watch", "inotify_rm_watch"
    ]
    Files allowed "Finding, opening and looking at files; the mounts decide which" [
            "open", "openat", "openat2", "creat", "stat", "lstat", "newfstatat", "statx", "access",
            "faccessat", "faccessat2", "readlink", "readlinkat", "statfs", "fstatfs", "getcwd", "chdir",
            "fchdir", "getxattr", "lgetxattr", "fgetxattr", "getxattrat", "listxattr", "llistxattr",
            "flistxattr", "listxattrat", "umask", "file_getattr"
    ]
    FileChanges allowed "Making, changing and removing files; the mounts decide where" [
            "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link",
            "linkat", "symlink", "symlinkat", "mknod", "mknodat", "chmod", "fchmod", "fchmodat",
            "fchmodat2", "chown", "lchown", "fchown", "fchownat", "utime", "utimes", "futimesat",
            "utimensat", "truncate", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr",
            "lremovexattr", "fremovexattr", "removexattrat", "sync", "syncfs", "file_setattr"
    ]
    Memory allowed "The process's own memory" [
            "mmap", "munmap", "mremap", "mprotect", "brk", "madvise", "msync", "mincore", "mlock",
            "mlock2", "mlockall", "munlock", "munlockall", "pkey_alloc", "pkey_free", "pkey_mprotect",
            "membarrier", "memfd_create", "memfd_secret", "mseal", "map_shadow_stack", "mbind",
            "set_mempolicy", "get_mempolicy", "set_mempolicy_home_node"
    ]
    Threads allowed "Threads, and what they wait on" [
            "futex", "futex_waitv", "futex_wake", "futex_wait", "futex_requeue", "set_tid_address",
            "set_robust_list", "get_robust_list", "gettid", "arch_prctl", "set_thread_area",
            "get_thread_area", "rseq", "sched_yield", "exit"
    ]
    Processes allowed "Making processes and waiting for them; without namespaces" [
            "clone", "clone3", "fork", "vfork", "execve", "execveat", "exit_group", "wait4", "waitid",
            "getpid", "getppid", "getpgid", "getpgrp", "setpgid", "getsid", "setsid", "kill", "tkill",
            "tgkill", "pidfd_open", "pidfd_send_signal", "prctl"
    ]
    Signals allowed "Signals" [
            "uprobe", "uretprobe", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigsuspend",
            "rt_sigtimedwait", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "sigaltstack", "pause",
            "restart_syscall"
    ]
    Clocks allowed "Telling the time, sleeping, timers" [
            "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
            "times", "alarm", "getitimer", "setitimer", "timer_create", "timer_settime", "timer_gettime",
            "timer_getoverrun", "timer_delete"
    ]
    Sockets allowed "Sockets of the families unix, inet, inet6 and netlink (routes only); the network namespace decides what they reach" [
            "socket", "socketpair", "bind", "listen", "accept", "accept4", "connect", "shutdown",
            "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "recvfrom", "sendmsg",
            "recvmsg", "sendmmsg", "recvmmsg"
    ]
    Ipc allowed "System V IPC and POSIX message queues, in the IPC namespace" [
            "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget",
            "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive",
            "mq_notify", "mq_getsetattr"
    ]
    Identity allowed "Ids and capabilities; there are none to be gained" [
            "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "setuid",
            "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
            "setfsgid", "capget", "capset"
    ]
    Scheduling allowed "Priorities and processors, within what the kernel allows an unprivileged process" [
            "sched_getparam", "sched_setparam", "sched_getscheduler", "sched_setscheduler",
            "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval",
            "sched_getaffinity", "sched_setaffinity", "sched_getattr", "sched_setattr", "getpriority",
            "setpriority", "ioprio_get", "ioprio_set", "getcpu", "getrlimit", "setrlimit", "prlimit64",
            "getrusage"
    ]
    System allowed "What the machine is, random numbers" [
            "uname", "sysinfo", "getrandom", "personality"
    ]
    Sandboxing allowed "Shutting oneself in further" [
            "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"
    ]
    Aio allowed "The old asynchronous I/O, of databases" [
            "io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents"
    ]
    Namespaces denied "Each new namespace opens kernel code that is meant for root; by clone(2) it is refused as well" [
            "unshare", "setns"
    ]
    Mounts denied "The files are what the plan says; mount calls have been the way into the kernel often" [
            "mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount",
            "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "statmount", "listmount"
    ]
    Keyrings denied "Keys belong to no namespace" [
            "keyctl", "add_key", "request_key"
    ]
    Bpf denied "Programs in the kernel" [
            "bpf"
    ]
    Perf denied "Counts what other processes do, too" [
            "perf_event_open"
    ]
    Userfaultfd denied "Stops the kernel in the middle of a copy: the usual help for exploits" [
            "userfaultfd"
    ]
    IoUring denied "Carries out calls that no filter sees" [
            "io_uring_setup", "io_uring_enter", "io_uring_register"
    ]
    FileHandles denied "Open files by number, past every mount" [
            "open_by_handle_at", "name_to_handle_at"
    ]
    Tracing denied "Reads and steers other processes" [
            "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "process_madvise",
            "process_mrelease", "kcmp"
    ]
    Machine denied "For whoever runs the machine: its start and end, modules, swap, quotas, accounting, log, names, ports" [
            "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot",
            "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "vhangup", "iopl", "ioperm",
            "sethostname", "setdomainname"
    ]
    ClockSetting denied "The wall clock is the machine's" [
            "settimeofday", "clock_settime", "adjtimex", "clock_adjtime"
    ]
    Fanotify denied "Watches whole file systems" [
            "fanotify_init", "fanotify_mark"
    ]
    PageMoving denied "Moves pages between NUMA nodes, of other processes too" [
            "move_pages", "migrate_pages"
    ]
    SecurityModules denied "Settings of security modules" [
            "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules"
    ]
    PageCache denied "Tells which files others have read" [
            "cachestat"
    ]
    Obsolete denied "Calls that nothing uses any more, some of them with a past" [
            "_sysctl", "uselib", "ustat", "sysfs", "remap_file_pages", "modify_ldt", "lookup_dcookie",
            "nfsservctl", "create_module", "get_kernel_syms", "query_module", "getpmsg", "putpmsg",
            "afs_syscall", "tuxcall", "security", "vserver", "epoll_ctl_old", "epoll_wait_old"
    ]
}
