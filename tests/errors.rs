//! A container that cannot be set up is an error that names the step, what it worked on, the kernel's reason
//! and what helps; and nothing is left.

mod common;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cofferdam::{
    Bind, Container, Error, ErrorKind, IdMap, IdMapping, IoLimit, Namespaces, Overlay, Resource, Stdio, Tmpfs,
};
use common::helper::{is_helper, printed_by, run_helper, this_test, this_test_through};
use common::processes::{ProcessState, own_cgroups};
use common::{copy_program, is_root, needs_program, set_mode, sh, temp_dir, text};
use nix::sys::resource::{Resource as HostResource, getrlimit, setrlimit};

/// What each call that runs a program says; they must agree.
#[track_caller]
fn error_of(container: &Container) -> Error {
    let quiet = container.clone().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let error = quiet.spawn().expect_err("cannot work");
    let again = quiet.output().expect_err("cannot work");
    assert_eq!((error.kind(), error.step()), (again.kind(), again.step()));
    assert_eq!(error.to_string(), again.to_string());
    error
}

/// The error, whose text must hold step, subject, reason and remedy.
#[track_caller]
fn told(container: &Container, kind: ErrorKind, step: &str, errno: Option<i32>) -> Error {
    let error = error_of(container);
    assert_eq!((error.kind(), error.step(), error.raw_os_error()), (kind, step, errno), "{error}");
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("{step}: {}", error.subject())), "{shown}");
    if let Some(errno) = errno {
        assert!(shown.contains(&format!("(os error {errno})")), "{shown}");
    }
    if let Some(remedy) = error.remedy() {
        assert!(shown.ends_with(remedy), "{shown}");
    }
    error
}

#[test]
fn a_program_that_is_not_there() {
    let container = Container::new().command("/no/such/program").arg("x");

    let error = told(&container, ErrorKind::NotFound, "exec", Some(libc::ENOENT));

    assert!(error.subject().contains("/no/such/program"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("inside")), "{error}");
}

#[test]
fn a_program_that_is_only_on_the_host() {
    let directory = temp_dir();
    let program = directory.path().join("program");
    copy_program("/bin/true", &program);
    assert!(Command::new(&program).status().expect("the control: it runs outside").success());

    let error = told(&Container::new().command(&program), ErrorKind::NotFound, "exec", Some(libc::ENOENT));

    assert!(error.to_string().contains(&*program.to_string_lossy()), "{error}");
}

#[test]
fn a_name_that_is_in_no_directory_of_the_path() {
    let error =
        told(&Container::new().command("no-such-program"), ErrorKind::NotFound, "exec", Some(libc::ENOENT));
    assert!(error.subject().contains("no-such-program"), "{error}");

    let elsewhere = Container::new().command("true").env("PATH", "/etc:/tmp");
    told(&elsewhere, ErrorKind::NotFound, "exec", Some(libc::ENOENT));
    assert!(Container::new().command("true").status().expect("the control").success());
}

#[test]
fn a_file_that_is_not_executable() {
    let container = Container::new().file("/tmp/script", "#!/bin/sh\n").command("/tmp/script");

    let error = told(&container, ErrorKind::PermissionDenied, "exec", Some(libc::EACCES));

    assert!(error.remedy().is_some(), "{error}");
    let executable =
        Container::new().file_with_mode("/tmp/script", "#!/bin/sh\n", 0o755).command("/tmp/script");
    assert!(executable.status().expect("the control").success());
}

#[test]
fn a_directory_as_program() {
    let error =
        told(&Container::new().command("/usr"), ErrorKind::PermissionDenied, "exec", Some(libc::EACCES));

    assert!(error.subject().contains("/usr"), "{error}");
}

#[test]
fn a_script_whose_interpreter_is_missing() {
    let container = Container::new().file_with_mode("/tmp/script", "#!/no/such/interpreter\n", 0o755);

    let error = told(&container.command("/tmp/script"), ErrorKind::NotFound, "exec", Some(libc::ENOENT));

    assert!(error.remedy().is_some_and(|remedy| remedy.contains("interpreter")), "{error}");
}

#[test]
fn a_file_that_is_no_program() {
    let container = Container::new().file_with_mode("/tmp/data", "neither ELF nor script", 0o755);

    let error =
        told(&container.command("/tmp/data"), ErrorKind::PermissionDenied, "exec", Some(libc::ENOEXEC));

    assert!(error.remedy().is_some_and(|remedy| remedy.contains("#!")), "{error}");
}

#[test]
fn arguments_beyond_the_kernels_room() {
    let container = Container::new().command("/bin/true").arg("x".repeat(4 << 20));

    let error = told(&container, ErrorKind::Failed, "exec", Some(libc::E2BIG));

    assert!(error.to_string().len() < 4096, "the argument itself is not in the message");
}

#[test]
fn a_root_file_system_that_is_missing_or_no_directory() {
    let container = || Container::new().command("/bin/true");

    let error = told(&container().rootfs("/no/such/root"), ErrorKind::NotFound, "rootfs", Some(libc::ENOENT));
    assert!(error.subject().contains("/no/such/root"), "{error}");
    let error =
        told(&container().rootfs("/etc/passwd"), ErrorKind::InvalidInput, "rootfs", Some(libc::ENOTDIR));
    assert!(error.subject().contains("/etc/passwd"), "{error}");
    let lower = Overlay::new("/").lower("/no/such/layer");
    let error = told(&container().rootfs_overlay(lower), ErrorKind::NotFound, "overlay", Some(libc::ENOENT));
    assert!(error.subject().contains("/no/such/layer"), "{error}");
}

#[test]
fn the_source_of_a_bind_that_is_missing() {
    let container = Container::new().command("/bin/true").bind_read_only("/no/such/source", "/box");

    let error = told(&container, ErrorKind::NotFound, "bind", Some(libc::ENOENT));

    assert!(error.subject().contains("/no/such/source") && error.subject().contains("/box"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("optional")), "{error}");
    let optional = Bind::read_only("/no/such/source", "/box").optional();
    assert!(Container::new().command("/bin/true").bind(optional).status().expect("the control").success());
}

#[test]
fn a_working_directory_that_is_missing_or_a_file() {
    let container = Container::new().command("/bin/pwd").current_dir("/no/such/directory");

    let error = told(&container, ErrorKind::NotFound, "working-directory", Some(libc::ENOENT));

    assert!(error.subject().contains("/no/such/directory"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("directory")), "{error}");
    told(
        &container.clone().current_dir("/bin/sh"),
        ErrorKind::NotFound,
        "working-directory",
        Some(libc::ENOTDIR),
    );
    let made = container.directory("/no/such/directory").output().expect("the control");
    assert_eq!(text(&made.stdout), "/no/such/directory");
}

#[test]
fn a_nul_byte_in_any_string() {
    let nul = OsStr::from_bytes(b"a\0b");
    let path = Path::new("/a\0b");
    let base = || Container::new().command("/bin/true");
    let cases = [
        ("exec", base().command(nul)),
        ("exec", base().arg(nul)),
        ("exec", base().args([nul])),
        ("exec", base().env(nul, "value")),
        ("exec", base().env("KEY", nul)),
        ("exec", base().envs([("KEY", nul)])),
        ("working-directory", base().current_dir(path)),
        ("hostname", base().hostname(nul)),
        ("rootfs", base().rootfs(path)),
        ("rootfs", base().rootfs_writable(path)),
        ("bind", base().bind_read_only(path, "/box")),
        ("bind", base().bind_writable("/usr", path)),
        ("tmpfs", base().tmpfs(Tmpfs::new(path))),
        ("overlay", base().overlay(Overlay::new(path).lower("/usr"))),
        ("overlay", base().overlay(Overlay::new("/box").lower(path))),
        ("directory", base().directory(path)),
        ("file", base().file(path, "")),
        ("symlink", base().symlink(path, "/link")),
        ("symlink", base().symlink("/usr", path)),
    ];

    for (index, (step, container)) in cases.iter().enumerate() {
        let error = told(container, ErrorKind::InvalidInput, step, None);
        assert!(error.subject().contains("NUL"), "case {index}: {error}");
        assert!(container.explain().is_err(), "case {index}: explain() checks too");
    }
    // In a file's content it is no string's end.
    let content = Container::new().file("/tmp/file", b"a\0b").command("/bin/cat").arg("/tmp/file");
    assert_eq!(content.output().expect("the control").stdout, b"a\0b");
}

#[test]
fn paths_inside_that_are_relative_or_go_up() {
    let base = || Container::new().command("/bin/true");
    for path in ["relative", "./relative", "", "/a/../b", "/.."] {
        let cases = [
            ("working-directory", base().current_dir(path)),
            ("bind", base().bind_read_only("/usr", path)),
            ("tmpfs", base().tmpfs(Tmpfs::new(path))),
            ("overlay", base().overlay(Overlay::new(path).lower("/usr"))),
            ("directory", base().directory(path)),
            ("file", base().file(path, "")),
            ("symlink", base().symlink("/usr", path)),
        ];
        for (step, container) in cases {
            told(&container, ErrorKind::InvalidInput, step, None);
        }
    }
    let roots = [
        ("bind", base().bind_read_only("/usr", "/")),
        ("tmpfs", base().tmpfs(Tmpfs::new("/"))),
        ("file", base().file("/", "")),
    ];
    for (step, container) in roots {
        told(&container, ErrorKind::InvalidInput, step, None);
    }
}

#[test]
fn a_program_that_is_not_named() {
    let error = told(&Container::new(), ErrorKind::InvalidInput, "exec", None);
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("command")), "{error}");

    told(&Container::new().command(""), ErrorKind::InvalidInput, "exec", None);
    told(&sh("true").env("", "value"), ErrorKind::InvalidInput, "exec", None);
    told(&sh("true").env("A=B", "value"), ErrorKind::InvalidInput, "exec", None);
}

#[test]
fn limits_of_zero_and_of_nonsense() {
    let base = || Container::new().command("/bin/true");
    let cases = [
        base().memory_limit(0),
        base().memory_limit(u64::MAX),
        base().pids_limit(0),
        base().pids_limit(u64::MAX),
        base().cpus(0.0),
        base().cpus(-1.0),
        base().cpus(f64::NAN),
        base().cpus(f64::INFINITY),
        base().wall_time_limit(Duration::ZERO),
        base().wall_time_limit(Duration::MAX),
        base().cpu_time_limit(Duration::ZERO),
        base().cpu_time_limit(Duration::MAX),
        base().extra_time(Duration::from_secs(1)),
        base().memory_limit(64 << 20).extra_time(Duration::from_secs(1)),
        base().swap_limit(1 << 20),
        base().memory_limit(64 << 20).swap_limit(u64::MAX),
        base().cpu_weight(0),
        base().cpu_weight(10_001),
        base().io_weight(0),
        base().io_weight(10_001),
        base().cpuset([]),
        base().cpuset([0, 8192]),
        base().io_limit(IoLimit::new("/dev/null")),
        base().io_limit(IoLimit::new("/dev/null").read_bytes(1).write_operations(0)),
        base().io_limit(IoLimit::new("").read_bytes(1)),
        base().io_limit(IoLimit::new(OsStr::from_bytes(b"/dev/a\0b")).read_bytes(1)),
        base().hugetlb_limit(0, 0),
        base().hugetlb_limit(3 << 20, 0),
        base().hugetlb_limit(2048, 0),
    ];
    for container in cases {
        told(&container, ErrorKind::InvalidInput, "limits", None);
    }
    told(&base().tmpfs(Tmpfs::new("/box").size(0)), ErrorKind::InvalidInput, "tmpfs", None);
    told(&base().tmp_size(u64::MAX), ErrorKind::InvalidInput, "tmpfs", None);
    let unheard = base().output_limit(9).stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(error_of(&unheard).kind(), ErrorKind::InvalidInput, "nothing is captured");
    for (bytes, inodes) in [(0, 1), (1, 0), (u64::MAX, 1), (1, u64::MAX)] {
        told(&base().disk_limit(bytes, inodes), ErrorKind::InvalidInput, "disk", None);
    }
    for parent in [&b""[..], b"..", b"../other", b"/a/../b", b"a\0b"] {
        let container = base().pids_limit(8).cgroup_parent(OsStr::from_bytes(parent));
        told(&container, ErrorKind::InvalidInput, "cgroup", None);
        assert!(container.explain().is_err(), "explain() checks too");
    }
}

#[test]
fn limits_that_mean_nothing_yet_cannot_be_wrong() {
    let base = || Container::new().command("/bin/true");
    let fine = [
        base().wall_time_limit(Duration::from_secs(600)).extra_time(Duration::MAX),
        base().wall_time_limit(Duration::from_nanos(u64::MAX)),
        base().output_limit(0),
        base().output_limit(u64::MAX),
        base().file_size_limit(0),
        base().file_size_limit(u64::MAX),
        base().disk_limit(1, 1),
        base().best_effort([]),
        base().cgroup_parent("/no/such/group"),
        base().extra_time(Duration::ZERO),
    ];
    for (index, container) in fine.into_iter().enumerate() {
        let output = container.output().unwrap_or_else(|error| panic!("{index}: {error}"));
        assert!(output.status.success(), "{index}: {}", output.status);
    }
}

#[test]
fn id_maps_that_are_empty_or_overlap() {
    let range = |inside, outside, count| IdMap { inside, outside, count };
    let cases = [
        vec![],
        vec![range(0, 100_000, 0)],
        vec![range(0, 100_000, 10), range(9, 200_000, 10)],
        vec![range(0, 100_000, 10), range(10, 100_009, 10)],
        vec![range(u32::MAX, 100_000, 2)],
        vec![range(0, u32::MAX, 2)],
        (0..341).map(|index| range(index, 100_000 + index, 1)).collect(),
    ];

    for wrong in cases {
        let right = vec![range(0, 100_000, 10)];
        for (uids, gids) in [(wrong.clone(), right.clone()), (right, wrong)] {
            let mapping = IdMapping::Ranges { uids, gids };
            let container = Container::new().command("/bin/true").user(0, 0).id_mapping(mapping);
            told(&container, ErrorKind::InvalidInput, "id-maps", None);
        }
    }
    let unmapped = IdMapping::Ranges { uids: vec![range(0, 100_000, 10)], gids: vec![range(0, 100_000, 10)] };
    let container = Container::new().command("/bin/true").id_mapping(unmapped);
    let error = told(&container, ErrorKind::InvalidInput, "id-maps", None);
    assert!(error.subject().contains("1000"), "{error}");
}

#[test]
fn descriptors_that_cannot_be_given() {
    let null = || File::open("/dev/null").expect("/dev/null");
    for number in [0, 1, 2] {
        let error = told(&sh("true").fd(number, null()), ErrorKind::InvalidInput, "descriptor", None);
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("stdin")), "{error}");
    }
    let twice = sh("true").fd(7, null()).fd(7, null());
    told(&twice, ErrorKind::InvalidInput, "descriptor", None);
    told(&sh("true").fd(u32::MAX, null()), ErrorKind::InvalidInput, "descriptor", None);

    let many = |count: u32| {
        (3..3 + count).fold(sh("ls /proc/self/fd | wc -l"), |container, number| container.fd(number, null()))
    };
    told(&many(1000), ErrorKind::InvalidInput, "descriptor", None);
    let output = many(100).output().expect("the control");
    assert_eq!(text(&output.stdout), "104", "the given, the streams, and that of `ls`");
}

#[test]
fn a_descriptor_number_beyond_the_limit_of_open_files() {
    let (soft, _) = getrlimit(HostResource::RLIMIT_NOFILE).expect("getrlimit");
    let number = u32::try_from(soft).unwrap_or(1 << 20).min(1 << 20);
    let container = sh("true").fd(number, File::open("/dev/null").expect("/dev/null"));

    let error = error_of(&container);

    assert!(["descriptor", "lift-descriptors"].contains(&error.step()), "{error}");
    assert!(error.raw_os_error().is_some(), "{error}");
}

#[test]
fn namespaces_that_contradict_each_other() {
    let base = || Container::new().command("/bin/true");
    let cases = [
        ("time-offsets", base().share(Namespaces::TIME).monotonic_offset(10)),
        ("time-offsets", base().monotonic_offset(i64::MAX)),
        ("hostname", base().share(Namespaces::UTS).hostname("name")),
        ("hostname", base().hostname("")),
        ("hostname", base().hostname("x".repeat(65))),
        ("rootfs", base().share(Namespaces::MOUNT).rootfs("/usr")),
        ("join-namespace", base().join(Namespaces::empty(), "/proc/self/ns/net")),
        ("join-namespace", base().join(Namespaces::NET, "/proc/self/ns/net").namespaces(Namespaces::all())),
    ];
    for (step, container) in cases {
        told(&container, ErrorKind::InvalidInput, step, None);
    }
    let missing = base().join(Namespaces::NET, "/no/such/namespace");
    let error = told(&missing, ErrorKind::NotFound, "join-namespace", Some(libc::ENOENT));
    assert!(error.subject().contains("/no/such/namespace"), "{error}");
}

#[test]
fn an_error_converts_to_an_io_error_of_the_same_kind() {
    let error = Container::new().command("/no/such/program").spawn().expect_err("no program");
    let shown = error.to_string();

    let converted = std::io::Error::from(error);

    assert_eq!(converted.kind(), std::io::ErrorKind::NotFound);
    assert_eq!(converted.to_string(), shown);
}

#[test]
fn helper_fails_in_many_ways() {
    if !is_helper("helper_fails_in_many_ways") {
        return;
    }
    let base = || Container::new().command("/bin/true");
    let _keep = base().status().expect("the control");
    let failing = [
        Container::new().command("/no/such/program"),
        Container::new().command("/usr"),
        base().current_dir("/no/such/directory"),
        base().rootfs("/no/such/root"),
        base().bind_read_only("/no/such/source", "/box"),
        base().arg(OsStr::from_bytes(b"a\0b")),
        base().arg("x".repeat(4 << 20)),
        base().affinity([8191]),
        base().memory_limit(0),
        base().cgroup_parent("..").pids_limit(8),
        base().cgroup_parent("no-such-group").memory_limit(64 << 20),
        base().memory_limit(64 << 20).pids_limit(8).cpuset([8000]),
        base().memory_limit(64 << 20).pids_limit(8).io_limit(IoLimit::new("/dev/null").read_bytes(1)),
        base().disk_limit(1 << 20, 10).tmpfs(Tmpfs::new("/box").inodes(10)),
        base().user(5, 5).id_mapping(IdMapping::Ranges {
            uids: vec![IdMap { inside: 0, outside: u32::MAX - 20, count: 10 }],
            gids: vec![IdMap { inside: 0, outside: u32::MAX - 20, count: 10 }],
        }),
    ];
    let before = ProcessState::now();

    for container in failing.iter().cycle().take(50) {
        let piped = container.clone().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let result = piped.spawn();
        // Root can map ids that nobody else can.
        assert!(result.is_err() || is_root());
    }

    assert_eq!(ProcessState::now(), before);
    assert!(own_cgroups().is_empty(), "{:?}", own_cgroups());
}

#[test]
fn after_each_error_nothing_is_left() {
    run_helper("helper_fails_in_many_ways");
}

/// Writes a line for the test that started this process.
fn tell(container: &Container) {
    let before = state();
    match container.clone().command("/bin/true").status() {
        Ok(status) => println!("RESULT fine {status}"),
        Err(error) => println!("RESULT {:?} {} {:?} {error}", error.kind(), error.step(), error.remedy()),
    }
    assert_eq!(state(), before);
}

/// What this process holds, but for the launcher, of which the library keeps one.
fn state() -> ProcessState {
    let mut state = ProcessState::now();
    state.descriptors.retain(|descriptor| !descriptor.contains("memfd:cofferdam"));
    state
}

#[test]
fn helper_tells() {
    if is_helper("helper_tells") {
        tell(&Container::new());
    }
}

/// What the helper of this name told.
#[track_caller]
fn result_of(name: &str) -> String {
    result_in(&printed_by(&mut this_test(name), name))
}

#[track_caller]
fn result_in(printed: &str) -> String {
    let line = printed.lines().find_map(|line| line.split_once("RESULT "));
    line.unwrap_or_else(|| panic!("no result: {printed}")).1.to_owned()
}

/// Runs the helper in a user namespace in which this script has been run.
#[track_caller]
fn result_in_user_namespace(script: &str) -> String {
    let script = format!("{script}; exec \"$0\" \"$@\"");
    let arguments = ["--user", "--map-root-user", "/bin/sh", "-c", &script];
    let mut helper = this_test_through("/usr/bin/unshare", &arguments, "helper_tells");
    result_in(&printed_by(&mut helper, "helper_tells"))
}

/// The sysctl counts for each user namespace: that of the machine stays as it is.
#[test]
fn user_namespaces_that_are_used_up() {
    if !needs_program("/usr/bin/unshare") {
        return;
    }
    let before = fs::read_to_string("/proc/sys/user/max_user_namespaces").expect("the sysctl");

    let told = result_in_user_namespace("echo 0 > /proc/sys/user/max_user_namespaces");

    assert!(told.starts_with("ResourceExhausted clone"), "{told}");
    assert!(told.contains("user.max_user_namespaces is 0"), "{told}");
    assert_eq!(fs::read_to_string("/proc/sys/user/max_user_namespaces").expect("the sysctl"), before);
    assert!(!result_in_user_namespace("true").contains("sysctl"), "the control");
}

#[test]
fn network_namespaces_that_are_used_up() {
    if !needs_program("/usr/bin/unshare") {
        return;
    }

    let told = result_in_user_namespace("echo 0 > /proc/sys/user/max_net_namespaces");

    assert!(told.starts_with("ResourceExhausted clone"), "{told}");
    assert!(told.contains("user.max_net_namespaces is 0"), "{told}");
}

/// Answers EPERM to clone(2) and unshare(2) with any namespace flag, and ENOSYS to clone3(2), as Docker
/// does for programs without CAP_SYS_ADMIN.
mod filter {
    #![allow(unsafe_code)]

    use libc::sock_filter;

    const NAMESPACES: u32 = 0x7e02_0000;

    fn load(offset: u32) -> sock_filter {
        sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
    }

    fn jump(how: u32, value: u32, jt: u8, jf: u8) -> sock_filter {
        sock_filter { code: (libc::BPF_JMP | how | libc::BPF_K) as u16, jt, jf, k: value }
    }

    fn answer(value: u32) -> sock_filter {
        sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: value }
    }

    /// For this thread, or all threads of this process, and their children, for good.
    pub fn forbid_namespaces(all_threads: bool) {
        let error = |errno: i32| answer(libc::SECCOMP_RET_ERRNO | errno as u32);
        let mut program = [
            load(0),
            jump(libc::BPF_JEQ, libc::SYS_clone3 as u32, 5, 0),
            jump(libc::BPF_JEQ, libc::SYS_clone as u32, 1, 0),
            jump(libc::BPF_JEQ, libc::SYS_unshare as u32, 0, 4),
            // The low half of the first argument.
            load(16),
            jump(libc::BPF_JSET, NAMESPACES, 0, 2),
            error(libc::EPERM),
            error(libc::ENOSYS),
            answer(libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: numbers only.
        let locked = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        let flags = if all_threads { libc::SECCOMP_FILTER_FLAG_TSYNC } else { 0 };
        // SAFETY: `program` points to as many instructions as it says, alive during the call.
        let set = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        };
        assert_eq!((locked, set), (0, 0), "{}", std::io::Error::last_os_error());
    }
}

#[test]
fn helper_under_a_filter() {
    if is_helper("helper_under_a_filter") {
        filter::forbid_namespaces(true);
        tell(&Container::new());
    }
}

#[test]
fn a_seccomp_filter_that_forbids_namespaces() {
    let told = result_of("helper_under_a_filter");

    assert!(told.starts_with("NamespacesForbidden clone"), "{told}");
    assert!(told.contains("a seccomp filter"), "{told}");
}

#[test]
fn helper_with_a_filtered_thread() {
    if is_helper("helper_with_a_filtered_thread") {
        filter::forbid_namespaces(false);
        tell(&Container::new());
    }
}

#[test]
fn a_seccomp_filter_on_the_calling_thread_alone() {
    let told = result_of("helper_with_a_filtered_thread");

    assert!(told.starts_with("NamespacesForbidden clone"), "{told}");
    assert!(told.contains("a seccomp filter"), "{told}");
}

#[test]
fn helper_with_few_processes() {
    if !is_helper("helper_with_few_processes") {
        return;
    }
    // Counted per user: of this ordinary user there is at least this process.
    setrlimit(HostResource::RLIMIT_NPROC, 1, 1).expect("setrlimit");
    tell(&Container::new());
}

#[test]
fn a_limit_of_processes_that_is_reached() {
    if is_root() {
        return common::skip_for_good("root is exempt from RLIMIT_NPROC");
    }
    let told = result_of("helper_with_few_processes");

    assert!(told.starts_with("ResourceExhausted clone"), "{told}");
    assert!(told.contains("RLIMIT_NPROC"), "{told}");
}

#[test]
fn helper_with_few_descriptors() {
    if !is_helper("helper_with_few_descriptors") {
        return;
    }
    let open = fs::read_dir("/proc/self/fd").expect("descriptors").count() as u64;
    for more in 0..24 {
        setrlimit(HostResource::RLIMIT_NOFILE, open + more, 4096).expect("setrlimit");
        let result = Container::new().command("/bin/true").output();
        setrlimit(HostResource::RLIMIT_NOFILE, 4096, 4096).expect("setrlimit");
        match result {
            Ok(output) => {
                assert!(output.status.success() && more > 0);
                println!("RESULT fine with {more}");
                return;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "with {more} more: {error}"),
        }
    }
    println!("RESULT never");
}

#[test]
fn a_limit_of_open_files_that_is_reached_anywhere() {
    let told = result_of("helper_with_few_descriptors");

    assert!(told.starts_with("fine with"), "{told}");
}

#[test]
fn a_resource_limit_over_the_hosts_hard_limit() {
    if is_root() {
        return common::skip_for_good("root may raise hard limits");
    }
    let (_, hard) = getrlimit(HostResource::RLIMIT_NOFILE).expect("getrlimit");
    let container = sh("true").rlimit(Resource::OpenFiles, hard, hard + 1);

    let error = told(&container, ErrorKind::PermissionDenied, "rlimit", Some(libc::EPERM));

    assert!(error.remedy().is_some_and(|remedy| remedy.contains("hard limit")), "{error}");
}

#[test]
fn a_nice_value_below_the_hosts() {
    if is_root() {
        return common::skip_for_good("root may lower the nice value");
    }
    let error = told(&sh("true").nice(-5), ErrorKind::PermissionDenied, "nice", Some(libc::EACCES));

    assert!(error.remedy().is_some_and(|remedy| remedy.contains("user namespace")), "{error}");
}

#[test]
fn a_directory_of_the_host_that_is_closed_to_the_workload() {
    let directory = temp_dir();
    fs::create_dir(directory.path().join("closed")).expect("a directory");
    fs::create_dir(directory.path().join("closed/inner")).expect("a directory");
    set_mode(&directory.path().join("closed"), 0o000);
    let container = sh("ls /box").bind_read_only(directory.path().join("closed/inner"), "/box");

    // Root reaches the source itself, and hands the workload the directory below the closed one.
    let result = container.output();
    set_mode(&directory.path().join("closed"), 0o755);

    if is_root() {
        assert!(result.expect("root may").status.success());
    } else {
        let error = result.expect_err("the caller may not either");
        assert_eq!((error.kind(), error.step()), (ErrorKind::PermissionDenied, "bind"), "{error}");
    }
}
