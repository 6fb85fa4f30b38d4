//! Who the workload is, inside and for the host: ids, groups, capabilities, resource limits and the other
//! attributes of its process.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use cofferdam::{
    Bind, Capabilities, CapabilitySets, Child, Container, ErrorKind, IdMap, IdMapping, Resource, Seccomp,
    Stdio,
};
use common::helper::{is_helper, printed_by, run_helper, this_test_through};
use common::{
    copy_program, is_root, make_open_dir, needs_program, needs_root, on_host, output, set_mode, sh, skip,
    skip_for_good, stdout, succeeds, temp_dir, text,
};
use nix::sys::resource::{Resource as HostResource, getrlimit, setrlimit};

/// First of the host ids that root hands out to single runs.
const PER_RUN_IDS: u32 = 0x7000_0000;

/// A field of `/proc/self/status`, of a program that the container runs.
#[track_caller]
fn status_field(container: Container, name: &str) -> String {
    field(&stdout(&container.command("/bin/cat").arg("/proc/self/status")), name)
}

/// A field of the text of `/proc/PID/status`.
#[track_caller]
fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
}

/// The four ids (real, effective, saved, file system) that the host sees, `Uid` or `Gid`.
#[track_caller]
fn ids_on_host(child: &Child, name: &str) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a running workload");
    field(&status, name).split_whitespace().map(|id| id.parse().expect("an id")).collect()
}

/// A workload that goes on until its handle is dropped.
#[track_caller]
fn start(container: Container) -> Child {
    let container = container.command("/bin/sleep").arg("86400").stdin(Stdio::null());
    container.spawn().expect("a container")
}

/// Ids 0 to 999 inside, as the host's from `outside` on.
fn thousand_ids(outside: u32) -> IdMapping {
    let range = IdMap { inside: 0, outside, count: 1000 };
    IdMapping::Ranges { uids: vec![range], gids: vec![range] }
}

#[test]
fn by_default_the_workload_is_user_and_group_1000_inside() {
    let inside = stdout(&sh("id -u; id -g; id -G"));

    let mut lines = inside.lines();
    assert_eq!((lines.next(), lines.next()), (Some("1000"), Some("1000")), "{inside}");
    if is_root() {
        assert_eq!(lines.next(), Some("1000"), "root's groups must not cross");
    }
    assert_ne!(on_host("id -u"), "1000", "the control: the tests themselves are another user");
}

#[test]
fn roots_workload_has_ids_on_the_host_that_nobody_else_has() {
    if !needs_root("an ordinary user can hand out its own id only") {
        return;
    }
    let (first, second) = (start(Container::new()), start(Container::new()));

    for name in ["Uid", "Gid"] {
        let (one, other) = (ids_on_host(&first, name), ids_on_host(&second, name));
        assert!(one.iter().chain(&other).all(|id| *id >= PER_RUN_IDS), "{name}: {one:?} {other:?}");
        assert!(one.iter().all(|id| *id == one[0]), "{name}: {one:?}");
        assert_ne!(one, other, "{name} of two containers at the same time");
    }
}

#[test]
fn roots_workload_cannot_read_a_file_that_only_root_may_read() {
    if !needs_root("a file of root") {
        return;
    }
    let directory = temp_dir();
    for (name, mode) in [("secret", 0o600), ("public", 0o644)] {
        fs::write(directory.path().join(name), name).expect("a file");
        set_mode(&directory.path().join(name), mode);
    }
    let container = |script| sh(script).bind_read_only(directory.path(), "/box");

    assert_eq!(stdout(&container("cat /box/public")), "public");
    assert!(!succeeds(&container("cat /box/secret")));
    let as_root_of_the_host = container("cat /box/secret").id_mapping(IdMapping::Host { uid: 0, gid: 0 });
    assert_eq!(stdout(&as_root_of_the_host), "secret", "the control: an id mapping that says so");
}

#[test]
fn an_ordinary_users_workload_has_the_callers_ids_on_the_host() {
    if is_root() {
        return skip_for_good("needs an ordinary user");
    }
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let child = start(Container::new());

    assert_eq!(ids_on_host(&child, "Uid"), [uid; 4]);
    assert_eq!(ids_on_host(&child, "Gid"), [gid; 4]);
    let map = stdout(&sh("tr -s ' ' < /proc/self/uid_map"));
    assert_eq!(map.trim(), format!("1000 {uid} 1"));
}

#[test]
fn user_zero_inside_is_not_user_zero_of_the_host_and_has_no_capabilities() {
    let root_inside = || Container::new().user(0, 0);

    assert_eq!(status_field(root_inside(), "Uid"), "0\t0\t0\t0");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_field(root_inside(), set), "0000000000000000", "{set}");
    }
    let child = start(root_inside());
    assert!(ids_on_host(&child, "Uid").iter().all(|id| *id != 0));
}

#[test]
fn root_can_choose_the_host_id_of_the_workload() {
    if !needs_root("another id of the host") {
        return;
    }
    let directory = temp_dir();
    make_open_dir(&directory.path().join("box"));
    let mapping = IdMapping::Host { uid: 212_345, gid: 223_456 };
    let container = sh("id -u; echo mine > /box/file")
        .id_mapping(mapping)
        .bind_writable(directory.path().join("box"), "/box");

    assert_eq!(stdout(&container), "1000");
    let written = fs::metadata(directory.path().join("box/file")).expect("what the workload wrote");
    assert_eq!((written.uid(), written.gid()), (212_345, 223_456));
}

#[test]
fn root_can_map_ranges_and_the_workload_is_where_the_range_says() {
    if !needs_root("ranges of ids") {
        return;
    }
    let ranges = || Container::new().id_mapping(thousand_ids(230_000)).user(5, 6);
    let child = start(ranges());

    assert_eq!(ids_on_host(&child, "Uid"), [230_005; 4]);
    assert_eq!(ids_on_host(&child, "Gid"), [230_006; 4]);
    let map = stdout(&ranges().command("/bin/cat").arg("/proc/self/uid_map"));
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "230000", "1000"]);

    let beyond = ranges().user(1000, 6).command("/bin/true").spawn().expect_err("id 1000 is not mapped");
    assert_eq!((beyond.kind(), beyond.step()), (ErrorKind::InvalidInput, "id-maps"));
    assert!(beyond.subject().contains("1000"), "{beyond}");
}

#[test]
fn an_ordinary_user_gets_no_ids_that_nobody_granted() {
    if is_root() {
        return skip_for_good("needs an ordinary user");
    }
    if !needs_program("/usr/bin/newuidmap") {
        return;
    }
    let container = Container::new().command("/bin/true").user(5, 6).id_mapping(thousand_ids(0));

    let error = container.spawn().expect_err("nobody grants the ids of the machine");
    assert_eq!((error.kind(), error.step()), (ErrorKind::PermissionDenied, "id-maps"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("/etc/subuid")), "{error}");
}

/// Whether a file such as /etc/subuid has a line for the caller.
fn grants(file: &str) -> bool {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let names = [user.map(|user| user.name), Some(nix::unistd::geteuid().to_string())];
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().any(|line| names.iter().any(|name| line.split(':').next() == name.as_deref()))
}

#[test]
fn subordinate_ids_work_where_they_are_granted_and_are_an_error_elsewhere() {
    let container = sh("id -u").user(1, 1).id_mapping(IdMapping::Subordinate);

    if grants("/etc/subuid") && grants("/etc/subgid") {
        assert_eq!(stdout(&container), "1");
    } else {
        let error = container.spawn().expect_err("no ids are granted");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "id-maps"), "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("/etc/sub")), "{error}");
    }
}

#[test]
fn helper_with_granted_ids() {
    if !is_helper("helper_with_granted_ids") {
        return;
    }
    assert!(!is_root());
    let granted = || Container::new().id_mapping(IdMapping::Subordinate);

    let map = stdout(&granted().user(1, 1).command("/bin/cat").arg("/proc/self/uid_map"));
    let numbers: Vec<_> = map.split_whitespace().collect();
    assert_eq!(numbers, ["0", "65534", "1", "1", "240000", "500"]);
    let child = start(granted().user(3, 4).groups([9]));
    assert_eq!(ids_on_host(&child, "Uid"), [240_002; 4]);
    assert_eq!(ids_on_host(&child, "Gid"), [250_003; 4]);
    assert_eq!(ids_on_host(&child, "Groups"), [250_008]);

    let beyond = IdMap { inside: 0, outside: 240_000, count: 501 };
    let beyond = IdMapping::Ranges { uids: vec![beyond], gids: vec![beyond] };
    let error = granted().user(3, 4).id_mapping(beyond).command("/bin/true").spawn();
    let error = error.expect_err("one id more than granted");
    assert_eq!((error.kind(), error.step()), (ErrorKind::PermissionDenied, "id-maps"), "{error}");
}

/// With /etc/subuid and /etc/subgid of its own in a mount namespace of its own: the machine's stay as
/// they are.
#[test]
fn an_ordinary_user_gets_granted_ids_through_newuidmap() {
    if !needs_root("files over /etc/subuid and /etc/subgid")
        || !needs_program("/usr/bin/newuidmap")
        || !needs_program("/usr/bin/unshare")
        || !needs_program("/usr/bin/setpriv")
    {
        return;
    }
    let directory = temp_dir();
    fs::write(directory.path().join("subuid"), "65534:240000:500\n").expect("a file");
    fs::write(directory.path().join("subgid"), "65534:250000:500\n").expect("a file");
    fs::write(directory.path().join("test"), "").expect("a file");
    let script = "set -e; cd \"$0\"
        mount --bind subuid /etc/subuid; mount --bind subgid /etc/subgid; mount --bind \"$1\" test
        shift; exec setpriv --reuid 65534 --regid 65534 --clear-groups ./test \"$@\"";
    let directory = directory.path().to_str().expect("a path in UTF-8");
    let arguments = ["--mount", "--propagation", "private", "/bin/sh", "-c", script, directory];
    const HELPER: &str = "helper_with_granted_ids";

    printed_by(&mut this_test_through("/usr/bin/unshare", &arguments, HELPER), HELPER);
}

#[test]
fn supplementary_groups_are_those_asked_for() {
    let with_groups = |groups: &[u32]| {
        sh("id -G").id_mapping(thousand_ids(260_000)).user(5, 6).groups(groups.iter().copied())
    };
    if is_root() {
        assert_eq!(stdout(&with_groups(&[])), "6");
        assert_eq!(stdout(&with_groups(&[7, 8])), "6 7 8");
        let error = with_groups(&[1000]).spawn().expect_err("the group is not mapped");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "id-maps"), "{error}");
    } else {
        let error = sh("id -G").groups([1000]).spawn().expect_err("a single id has no groups");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "groups"), "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("Subordinate")), "{error}");
    }
}

#[test]
fn a_supplementary_group_opens_its_files_and_no_others() {
    if !needs_root("files of other groups") {
        return;
    }
    let directory = temp_dir();
    for (name, gid) in [("seven", 260_007), ("eight", 260_008)] {
        let path = directory.path().join(name);
        fs::write(&path, name).expect("a file");
        std::os::unix::fs::chown(&path, Some(0), Some(gid)).expect("chown as root");
        set_mode(&path, 0o640);
    }
    let container = |file: &str| {
        let container = Container::new().id_mapping(thousand_ids(260_000)).user(5, 6).groups([7]);
        container.bind_read_only(directory.path(), "/box").command("/bin/cat").arg(format!("/box/{file}"))
    };

    assert_eq!(stdout(&container("seven")), "seven");
    assert!(!succeeds(&container("eight")));
}

#[test]
fn helper_of_a_strange_host() {
    if !is_helper("helper_of_a_strange_host") {
        return;
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let (_, hard) = getrlimit(HostResource::RLIMIT_CORE).expect("getrlimit");
    setrlimit(HostResource::RLIMIT_CORE, hard, hard).expect("the soft limit up to the hard one");
    if is_root() {
        nix::unistd::setgroups(&[4.into(), 24.into()]).expect("groups as root");
    }

    let inside = stdout(&sh("umask; ulimit -Sc; ulimit -Hc; id -G"));

    let expected = if is_root() { "0022\n0\n0\n1000" } else { "0022\n0\n0" };
    assert!(inside.starts_with(expected), "{inside}");
    assert_eq!(on_host("umask"), "0077", "the control: the host has another");
}

#[test]
fn umask_core_limit_and_groups_of_the_host_do_not_cross() {
    run_helper("helper_of_a_strange_host");
}

#[test]
fn the_umask_is_022_unless_set() {
    let created = "umask; : > /tmp/file; stat -c %a /tmp/file";

    assert_eq!(stdout(&sh(created)), "0022\n644");
    assert_eq!(stdout(&sh(created).umask(0o077)), "0077\n600");
    assert_eq!(stdout(&sh(created).umask(0)), "0000\n666");
    let error = sh(created).umask(0o1000).spawn().expect_err("no umask");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "umask"));
}

#[test]
fn no_new_privs_is_set_unless_given_up() {
    assert_eq!(status_field(Container::new(), "NoNewPrivs"), "1");
    let given_up = Container::new().no_new_privs(false);
    assert_eq!(status_field(given_up.clone().seccomp(Seccomp::unconfined()), "NoNewPrivs"), "0");
    // The kernel takes no filter then.
    let error = given_up.command("/bin/true").spawn().expect_err("a filter without no_new_privs");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "seccomp"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("unconfined")), "{error}");
}

#[test]
fn all_five_capability_sets_are_empty_by_default() {
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_field(Container::new(), set), "0000000000000000", "{set}");
    }
    if is_root() {
        let own = fs::read_to_string("/proc/self/status").expect("status");
        assert_ne!(field(&own, "CapEff"), "0000000000000000", "the control: the host has some");
    }
}

#[test]
fn each_capability_set_is_what_was_asked_for() {
    let (chown, kill, fowner) = (Capabilities::CHOWN, Capabilities::KILL, Capabilities::FOWNER);
    let sets = CapabilitySets {
        effective: chown,
        permitted: chown | kill,
        inheritable: chown | kill,
        bounding: chown | kill | fowner,
        ambient: kill,
    };
    let container = || Container::new().capability_sets(sets);

    // Through execve of a program that is not root inside only the ambient set stays in force.
    let expected = [
        ("CapInh", chown | kill),
        ("CapPrm", kill),
        ("CapEff", kill),
        ("CapBnd", sets.bounding),
        ("CapAmb", kill),
    ];
    for (set, bits) in expected {
        assert_eq!(status_field(container(), set), format!("{:016x}", bits.bits()), "{set}");
    }
    let all_five = || Container::new().capabilities(Capabilities::NET_BIND_SERVICE);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_field(all_five(), set), "0000000000000400", "{set}");
    }
}

#[test]
fn sets_that_contradict_each_other_are_refused() {
    let chown = Capabilities::CHOWN;
    let without_permitted = CapabilitySets { effective: chown, ..CapabilitySets::default() };
    let without_inheritable =
        CapabilitySets { permitted: chown, ambient: chown, ..CapabilitySets::default() };

    for sets in [without_permitted, without_inheritable] {
        let error = Container::new().command("/bin/true").capability_sets(sets).spawn();
        let error = error.expect_err("the kernel would refuse them");
        assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "capabilities"));
    }
}

#[test]
fn a_low_port_needs_net_bind_service() {
    if !needs_program("/usr/bin/python3") {
        return;
    }
    let script = "import socket; socket.socket().bind(('127.0.0.1', 80)); print('bound')";
    let server = || Container::new().command("/usr/bin/python3").args(["-c", script]);

    assert_eq!(stdout(&server().capabilities(Capabilities::NET_BIND_SERVICE)), "bound");
    let refused = output(&server());
    assert!(text(&refused.stderr).contains("PermissionError"), "{}", text(&refused.stderr));
}

#[test]
fn giving_a_file_away_needs_chown() {
    if !needs_root("a second id to give the file to") {
        return;
    }
    let script = ": > /tmp/file && chown 7 /tmp/file && stat -c %u /tmp/file";
    let container = || sh(script).id_mapping(thousand_ids(270_000)).user(5, 6);

    assert_eq!(stdout(&container().capabilities(Capabilities::CHOWN)), "7");
    assert!(!succeeds(&container()));
}

#[test]
fn resource_limits_are_set_and_hold() {
    let limits = "ulimit -Sn; ulimit -Hn";
    let container = sh(limits).rlimit(Resource::OpenFiles, 77, 88);
    assert_eq!(stdout(&container), "77\n88");
    let again = container.rlimit(Resource::OpenFiles, 66, 66);
    assert_eq!(stdout(&again), "66\n66", "the later call counts");
    assert_eq!(stdout(&sh(limits)), on_host(limits), "the default is the host's");

    let write = |bytes: u64| {
        let container = Container::new().command("/bin/dd").args(["if=/dev/zero", "of=/tmp/file", "bs=4096"]);
        container.arg(format!("count={}", bytes / 4096)).rlimit(Resource::FileSize, 8192, 8192)
    };
    assert!(succeeds(&write(8192)));
    assert_eq!(output(&write(12_288)).report.signal(), Some(libc::SIGXFSZ));
}

#[test]
fn a_soft_limit_over_the_hard_one_is_refused() {
    let error = sh("true").rlimit(Resource::OpenFiles, 10, 9).spawn().expect_err("soft over hard");

    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "rlimit"));
    assert!(error.subject().contains("nofile"), "{error}");
}

#[test]
fn core_dumps_are_off_unless_asked_for() {
    let (_, hard) = getrlimit(HostResource::RLIMIT_CORE).expect("getrlimit");

    assert_eq!(stdout(&sh("ulimit -Sc; ulimit -Hc")), "0\n0");
    if hard < 512 * 1024 {
        return skip("the host's own hard limit forbids core dumps");
    }
    let wanted = sh("ulimit -Hc").rlimit(Resource::Core, 0, 512 * 1024);
    assert_eq!(stdout(&wanted), "1024", "in blocks of 512 bytes");
}

#[test]
fn the_nice_value_is_the_hosts_unless_set() {
    let nice = || Container::new().command("/usr/bin/nice");

    assert_eq!(stdout(&nice()), on_host("nice"));
    assert_eq!(stdout(&nice().nice(17)), "17");
    let error = nice().nice(20).spawn().expect_err("out of range");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "nice"));
}

#[test]
fn the_workload_runs_on_the_cpus_asked_for() {
    let own = fs::read_to_string("/proc/self/status").expect("status");
    let own = field(&own, "Cpus_allowed_list");
    let last: usize = own.rsplit([',', '-']).next().and_then(|cpu| cpu.parse().ok()).expect("a CPU");

    assert_eq!(status_field(Container::new(), "Cpus_allowed_list"), own, "the default is the host's");
    let pinned = Container::new().affinity([last]);
    assert_eq!(status_field(pinned, "Cpus_allowed_list"), last.to_string());
    let error = sh("true").affinity([8191]).spawn().expect_err("no machine of ours has this CPU");
    assert_eq!(error.step(), "affinity", "{error}");
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    assert!(error.remedy().is_some());
}

#[test]
fn the_oom_score_adjustment_is_the_hosts_unless_set() {
    let score = || Container::new().command("/bin/cat").arg("/proc/self/oom_score_adj");

    assert_eq!(stdout(&score()), on_host("cat /proc/self/oom_score_adj"));
    assert_eq!(stdout(&score().oom_score_adj(789)), "789");
    let error = score().oom_score_adj(1001).spawn().expect_err("out of range");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "oom-score-adj"));
}

#[test]
fn addresses_are_random_unless_that_is_given_up() {
    let cat = |file: &str| Container::new().command("/bin/cat").arg(file);
    let stack = |container: &Container| {
        let maps = stdout(container);
        maps.lines().find(|line| line.ends_with("[stack]")).expect("a stack").to_owned()
    };
    let (random, fixed) = (cat("/proc/self/maps"), cat("/proc/self/maps").aslr(false));

    assert_eq!(stdout(&cat("/proc/self/personality")), "00000000");
    assert_eq!(stdout(&cat("/proc/self/personality").aslr(false)), "00040000");
    assert_ne!(stack(&random), stack(&random));
    assert_eq!(stack(&fixed), stack(&fixed));
}

#[test]
fn set_user_id_programs_give_nothing() {
    if !needs_root("a set-user-ID file of another user") || !needs_program("/usr/bin/setpriv") {
        return;
    }
    let directory = temp_dir();
    let program = directory.path().join("id");
    copy_program("/usr/bin/id", &program);
    std::os::unix::fs::chown(&program, Some(280_000), Some(280_000)).expect("chown as root");
    set_mode(&program, 0o6755);
    assert_eq!(fs::metadata(&program).expect("metadata").permissions().mode() & 0o7777, 0o6755);
    let container = |no_new_privs| {
        let container = Container::new().id_mapping(thousand_ids(280_000)).user(5, 6);
        let bind = Bind::read_only(Path::new(&program), "/box/id");
        let container = container.bind(bind).command("/box/id").arg("-u").no_new_privs(no_new_privs);
        container.seccomp(Seccomp::unconfined())
    };

    assert_eq!(stdout(&container(true)), "5");
    assert_eq!(stdout(&container(false)), "5", "the mount alone forbids it too");
    let outside = on_host(&format!("setpriv --reuid 280005 --clear-groups {} -u", program.display()));
    assert_eq!(outside, "280000", "the control: on the host it works");
}

#[test]
fn the_workload_leads_a_session_without_a_terminal() {
    let script =
        "echo $$; cut -d' ' -f5-7 /proc/$$/stat; if (: < /dev/tty) 2> /dev/null; then echo terminal; fi";

    let inside = stdout(&sh(script));

    let pid = inside.lines().next().unwrap_or_default();
    assert_eq!(inside, format!("{pid}\n{pid} {pid} 0"), "group and session are its own, the terminal none");
}

#[test]
fn no_signal_is_ignored_or_blocked() {
    let own = fs::read_to_string("/proc/self/status").expect("status");

    for name in ["SigIgn", "SigBlk", "ShdPnd"] {
        assert_eq!(status_field(Container::new(), name), "0000000000000000", "{name}");
    }
    assert_ne!(field(&own, "SigIgn"), "0000000000000000", "the control: Rust programs ignore SIGPIPE");
}
