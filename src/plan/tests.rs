//! The plan as data: no privilege, no kernel.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::Container;
use crate::config::{
    Bind, Capabilities, IdMap, IdMapping, IoLimit, Limit, Namespaces, Overlay, Proc, Resource, Securebits,
    Tmpfs,
};
use crate::error::ErrorKind;
use crate::seccomp::{Architecture, Circumstances, FilterOf, Listener, Seccomp, SeccompAction, SyscallGroup};
use crate::wire::NO_FD;

/// A host with an ordinary caller.
fn ordinary() -> Facts {
    let caller = Caller { uid: 500, gid: 600, ..Caller::default() };
    Facts { caller, ..Facts::default() }
}

/// A host with root as caller.
fn privileged() -> Facts {
    let per_run_ids = Some(0x7000_0000);
    let caller = Caller { privileged: true, per_run_ids, nobody: true, ..Caller::default() };
    Facts { caller, ..Facts::default() }
}

fn program() -> Container {
    Container::new().command("/bin/true")
}

fn plan(container: &Container, facts: &Facts) -> Plan {
    validate(&container.description).expect("valid");
    build(&container.description, facts).expect("a plan")
}

fn names(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(Step::name).collect()
}

fn position(plan: &Plan, name: &str) -> usize {
    names(plan).iter().position(|step| *step == name).unwrap_or_else(|| panic!("no step {name}"))
}

fn refusal(container: Container) -> crate::Error {
    let error = validate(&container.description).expect_err("invalid");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    error
}

fn fact(path: &str, directory: bool) -> FileFact {
    FileFact { path: path.into(), device: 1, inode: 2, directory }
}

#[test]
fn the_same_input_gives_the_same_plan() {
    let container = program().hostname("x").tmp_size(1 << 20);
    assert_eq!(plan(&container, &ordinary()).encode(), plan(&container, &ordinary()).encode());
}

#[test]
fn protections_come_before_exec_and_in_their_order() {
    let keys = Seccomp::default().allow_group(SyscallGroup::Keyrings);
    let plan = plan(&program().seccomp(keys), &ordinary());
    let order = [
        "private-mounts",
        "pivot-root",
        "bounding-set",
        "start-workload",
        "session-keyring",
        "session",
        "descriptor",
        "securebits",
        "identity",
        "capabilities",
        "no-new-privs",
        "working-directory",
        "default-signals",
        "seccomp",
        "exec",
    ];
    let positions: Vec<_> = order.iter().map(|name| position(&plan, name)).collect();
    assert!(positions.is_sorted(), "{:?}", names(&plan));
    assert!(names(&plan).ends_with(&["seccomp", "exec"]), "{:?}", names(&plan));
}

/// Groups can be set by whoever has the capability still, which goes with the identity.
#[test]
fn groups_come_before_the_identity_and_after_the_securebits() {
    let plan = plan(&program(), &privileged());
    let order =
        ["bounding-set", "securebits", "groups", "identity", "capabilities", "no-new-privs", "seccomp"];
    let positions: Vec<_> = order.iter().map(|name| position(&plan, name)).collect();
    assert!(positions.is_sorted(), "{:?}", names(&plan));
}

#[test]
fn a_session_keyring_is_left_where_keys_may_be_used() {
    let leaves = |policy| names(&plan(&program().seccomp(policy), &ordinary())).contains(&"session-keyring");
    assert!(!leaves(Seccomp::default()) && !leaves(Seccomp::compute_only()));
    assert!(leaves(Seccomp::default().allow(["request_key"])));
    assert!(leaves(Seccomp::default().allow_group(SyscallGroup::Keyrings)));
    assert!(leaves(Seccomp::default().report_only()));
    assert!(leaves(Seccomp::new(SeccompAction::Allow)));
    assert!(leaves(Seccomp::unconfined()));
}

fn securebits(container: &Container, facts: &Facts) -> Option<u32> {
    let bits = |step: &Step| match step {
        Step::Securebits { bits } => Some(*bits),
        _ => None,
    };
    plan(container, facts).steps.iter().find_map(bits)
}

#[test]
fn root_is_nobody_unless_there_are_capabilities() {
    let nobody = Some(Securebits::ROOT_IS_NOBODY.bits());
    assert_eq!(securebits(&program(), &ordinary()), nobody);
    assert_eq!(securebits(&program(), &privileged()), nobody);
    let capable = program().capabilities(Capabilities::CHOWN);
    assert_eq!(securebits(&capable, &ordinary()), None);
    let chosen = capable.clone().securebits(Securebits::NOROOT);
    assert_eq!(securebits(&chosen, &ordinary()), Some(Securebits::NOROOT.bits()));
    assert_eq!(securebits(&program().securebits(Securebits::empty()), &ordinary()), None);
    // An ordinary user without a user namespace may set none, and has nothing that they could bound.
    let bare = program().namespaces(Namespaces::empty());
    assert_eq!(securebits(&bare, &ordinary()), None);
}

#[test]
fn without_confinement_there_is_no_step_for_it() {
    let open = program().seccomp(Seccomp::unconfined());
    assert!(!names(&plan(&open, &ordinary())).contains(&"seccomp"));
    assert_eq!(plan(&open, &ordinary()).listener, Listener::None);
}

#[test]
fn the_plan_says_whose_the_listener_is() {
    let listener = |policy| plan(&program().seccomp(policy), &ordinary()).listener;
    assert_eq!(listener(Seccomp::default()), Listener::None);
    assert_eq!(listener(Seccomp::default().kill(["bpf"])), Listener::Kill);
    assert_eq!(listener(Seccomp::default().report_only()), Listener::Report);
    assert_eq!(listener(Seccomp::default().notify(["bpf"])), Listener::Host);
}

#[test]
fn the_filter_is_shared_by_clones_and_replaced_by_the_setter() {
    let circumstances = Circumstances {
        of: FilterOf::Container,
        architecture: Architecture::NATIVE,
        pass: Some([1, 2, 3]),
        capabilities: Capabilities::empty(),
        kernel: None,
    };
    let filter = |container: &Container| {
        let filter = container.description.seccomp.filter(&circumstances).expect("valid");
        std::ptr::from_ref(filter.expect("a filter"))
    };
    let container = program().seccomp(Seccomp::compute_only());
    let clone = container.clone().hostname("clone");
    assert_eq!(filter(&container), filter(&clone));
    let other = clone.clone().seccomp(Seccomp::without_sockets());
    assert_ne!(filter(&container), filter(&other));
    assert_eq!(filter(&container), filter(&clone));
}

#[test]
fn by_default_every_namespace_is_new() {
    let plan = plan(&program(), &ordinary());
    let at_clone = Namespaces::all() - Namespaces::CGROUP - Namespaces::TIME;
    assert_eq!(plan.clone_flags, at_clone.bits());
    let later = plan.steps.iter().filter_map(|step| match step {
        Step::Unshare { kinds } => Some(Namespaces::from_bits_retain(*kinds)),
        _ => None,
    });
    assert_eq!(later.collect::<Vec<_>>(), [Namespaces::TIME, Namespaces::CGROUP]);
}

#[test]
fn a_shared_namespace_is_not_made() {
    let plan = plan(&program().share(Namespaces::NET | Namespaces::UTS), &ordinary());
    assert_eq!(plan.clone_flags & (Namespaces::NET | Namespaces::UTS).bits(), 0);
    assert!(!names(&plan).contains(&"loopback") && !names(&plan).contains(&"hostname"));
}

#[test]
fn joined_namespaces_are_entered_before_new_ones_are_made_and_the_user_namespace_first() {
    let container = program().join(Namespaces::NET, "/run/netns/a").join(Namespaces::USER, "/proc/1/ns/user");
    let plan = plan(&container, &ordinary());
    assert_eq!(plan.clone_flags, 0);
    let entered: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::JoinNamespace { kinds, .. } => Some(Namespaces::from_bits_retain(*kinds)),
            _ => None,
        })
        .collect();
    assert_eq!(entered, [Namespaces::USER, Namespaces::NET]);
    assert!(position(&plan, "join-namespace") < position(&plan, "unshare"));
    assert!(position(&plan, "unshare") < position(&plan, "fork-init"));
}

#[test]
fn the_id_map_of_an_ordinary_caller_is_its_own_id() {
    let maps = plan(&program(), &ordinary()).id_maps.expect("maps");
    assert_eq!(maps.uids, [IdMap { inside: 1000, outside: 500, count: 1 }]);
    assert_eq!(maps.gids, [IdMap { inside: 1000, outside: 600, count: 1 }]);
    assert_eq!(maps.writer, MapWriter::Own);
}

#[test]
fn root_gets_ids_for_the_run_and_never_itself() {
    let maps = plan(&program(), &privileged()).id_maps.expect("maps");
    assert_eq!(maps.writer, MapWriter::RootPerRun);

    let mut limited = privileged();
    limited.caller.per_run_ids = None;
    let maps = plan(&program(), &limited).id_maps.expect("maps");
    assert_eq!(maps.uids, [IdMap { inside: 1000, outside: 65_534, count: 1 }]);

    limited.caller.nobody = false;
    let maps = plan(&program(), &limited).id_maps.expect("maps");
    assert_eq!(maps.writer, MapWriter::Own);
}

#[test]
fn subordinate_ids_follow_the_caller_and_never_map_root() {
    let granted = vec![IdMap { inside: 0, outside: 100_000, count: 65_536 }];
    let container = program().id_mapping(IdMapping::Subordinate).user(0, 0);
    let mut facts = ordinary();
    (facts.caller.subordinate_uids, facts.caller.subordinate_gids) = (granted.clone(), granted.clone());
    let maps = plan(&container, &facts).id_maps.expect("maps");
    assert_eq!(maps.uids[0], IdMap { inside: 0, outside: 500, count: 1 });
    assert_eq!(maps.uids[1], IdMap { inside: 1, outside: 100_000, count: 65_536 });
    assert_eq!(maps.writer, MapWriter::Helpers);

    let mut facts = privileged();
    (facts.caller.subordinate_uids, facts.caller.subordinate_gids) = (granted.clone(), granted);
    let maps = plan(&container, &facts).id_maps.expect("maps");
    assert_eq!(maps.uids, [IdMap { inside: 0, outside: 100_000, count: 65_536 }]);
    assert_eq!(maps.writer, MapWriter::Root);
}

#[test]
fn ids_that_are_not_mapped_are_refused() {
    let range = vec![IdMap { inside: 0, outside: 100_000, count: 10 }];
    let mapping = IdMapping::Ranges { uids: range.clone(), gids: range };
    let container = program().id_mapping(mapping.clone()).user(10, 0);
    let error = build(&container.description, &privileged()).expect_err("unmapped");
    assert!(error.to_string().contains("user id 10 is not mapped"), "{error}");

    let container = program().id_mapping(mapping).user(9, 9).groups([10]);
    let error = build(&container.description, &privileged()).expect_err("unmapped");
    assert!(error.to_string().contains("group 10 is not mapped"), "{error}");
}

#[test]
fn operations_keep_the_order_of_the_calls() {
    let container = program().tmpfs(Tmpfs::new("/b")).directory("/a").symlink("x", "/c").file("/d", "1");
    let plan = plan(&container, &ordinary());
    let ours: Vec<_> = plan.steps.iter().map(Step::describe).collect();
    let find = |start: &str| ours.iter().position(|line| line.starts_with(start)).expect(start);
    let order = [find("/tmp ("), find("/b ("), find("/a ("), find("/c ->"), find("/d (1 bytes")];
    assert!(order.is_sorted(), "{ours:#?}");
    assert!(order[4] < position(&plan, "seal-mount"));
}

#[test]
fn an_operation_takes_the_place_of_the_default_at_its_target() {
    let container = program().tmpfs(Tmpfs::new("/tmp").size(4096)).file("/etc/passwd", "x");
    let plan = plan(&container, &ordinary());
    let lines: Vec<_> = plan.steps.iter().map(Step::describe).collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("/tmp (")).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.starts_with("/etc/passwd")).count(), 1);
}

#[test]
fn mounts_are_read_only_without_devices_and_set_user_id_unless_asked_for() {
    let mut facts = ordinary();
    facts.sources = vec![Some(fact("/a", true)), Some(fact("/b", true)), Some(fact("/c", true))];
    let container = program()
        .bind(Bind::read_only("/a", "/a"))
        .bind(Bind::writable("/b", "/b"))
        .bind(Bind::read_only("/c", "/c").allow_devices());
    let plan = plan(&container, &facts);
    let attributes = |path: &str| {
        let of = |step: &Step| match step {
            Step::Bind { source, attributes, .. } if source.to_bytes() == path.as_bytes() => {
                Some(*attributes)
            }
            _ => None,
        };
        plan.steps.iter().find_map(of).expect(path)
    };
    use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
    assert_eq!(attributes("/a"), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    assert_eq!(attributes("/b"), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    assert_eq!(attributes("/c"), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
}

#[test]
fn an_optional_source_that_is_missing_has_no_step() {
    let mut facts = ordinary();
    facts.sources = vec![None];
    let plan = plan(&program().bind(Bind::read_only("/a", "/a").optional()), &facts);
    assert!(!names(&plan).contains(&"bind"));
}

#[test]
fn root_sends_detached_mounts_and_an_ordinary_user_paths() {
    let container = program().bind_read_only("/a", "/a");
    let fd_of = |facts: Facts| {
        let plan = plan(&container, &Facts { sources: vec![Some(fact("/a", false))], ..facts });
        plan.steps.iter().find_map(|step| match step {
            Step::Bind { fd, .. } => Some(*fd),
            _ => None,
        })
    };
    assert_eq!(fd_of(ordinary()), Some(NO_FD));
    assert_ne!(fd_of(privileged()), Some(NO_FD));
}

#[test]
fn a_root_file_system_with_missing_mount_points_becomes_an_overlay() {
    let container = program().rootfs("/r");
    let mut facts = ordinary();
    facts.rootfs = Some(fact("/r", true));
    assert!(!names(&plan(&container, &facts)).contains(&"overlay"));

    facts.missing = vec![("/proc".into(), true)];
    let plan = plan(&container, &facts);
    assert!(position(&plan, "stage") < position(&plan, "skeleton"));
    assert!(position(&plan, "skeleton") < position(&plan, "overlay"));
    let overlay = plan.steps[position(&plan, "overlay")].describe();
    assert!(overlay.contains("lowerdir=/r:skeleton") && !overlay.contains("upperdir"), "{overlay}");
}

#[test]
fn overlay_options_escape_what_separates_them() {
    let overlay = Overlay::new("/").lower("/a:b").lower("/c,d\\e");
    let plan = plan(&program().rootfs_overlay(overlay), &ordinary());
    let Some(Step::Overlay { options, .. }) = plan.steps.get(position(&plan, "overlay")) else { panic!() };
    let options = options.to_string_lossy();
    assert!(options.starts_with(r"lowerdir=/a\:b:/c\,d\\e,upperdir="), "{options}");
}

#[test]
fn a_program_without_slash_is_looked_up_in_its_own_path() {
    let plan = plan(&Container::new().command("ls").env("PATH", "/one:/two"), &ordinary());
    assert_eq!(plan.steps.last().map(Step::describe).as_deref(), Some("ls in /one:/two"));
}

#[test]
fn no_core_dumps_unless_asked_for() {
    let has = |container: &Container, text: &str| {
        let plan = plan(container, &ordinary());
        plan.steps.iter().any(|step| step.name() == "rlimit" && step.describe() == text)
    };
    assert!(has(&program(), "core 1 1"));
    let asked = program().rlimit(Resource::Core, 5, u64::MAX);
    assert!(has(&asked, "core 5 unlimited") && !has(&asked, "core 1 1"));
}

#[test]
fn descriptors_are_lifted_above_all_numbers_to_be_given() {
    let file = std::fs::File::open("/dev/null").expect("/dev/null");
    let plan = plan(&program().fd(9, file), &ordinary());
    let lift = position(&plan, "lift-descriptors");
    assert_eq!(plan.steps[lift], Step::LiftDescriptors { above: 10 });
    assert!(lift < position(&plan, "descriptor"));
}

#[test]
fn explain_names_every_step() {
    let plan = plan(&program().wall_time_limit(Duration::from_secs(2)), &ordinary());
    let text = plan.explain();
    for step in &plan.steps {
        assert!(text.contains(step.name()), "{} is missing", step.name());
    }
    assert!(text.contains("uid 1000→500×1") && text.contains("2s of wall time"), "{text}");
}

#[test]
fn nul_bytes_are_refused_everywhere() {
    let nul = "a\0b";
    let path = "/a\0b";
    let containers = [
        Container::new().command(nul),
        program().arg(nul),
        program().env("A", nul),
        program().env(nul, "1"),
        program().current_dir(path),
        program().hostname(nul),
        program().rootfs(path),
        program().bind_read_only(path, "/x"),
        program().bind_read_only("/x", path),
        program().tmpfs(Tmpfs::new(path)),
        program().directory(path),
        program().file(path, ""),
        program().symlink(nul, "/x"),
        program().symlink("/x", path),
        program().rootfs_overlay(Overlay::new("/").lower(path)),
        program().overlay(Overlay::new(path).lower("/x")),
    ];
    for container in containers {
        let error = refusal(container);
        assert!(error.to_string().contains("NUL"), "{error}");
    }
}

#[test]
fn paths_inside_must_be_absolute_and_straight() {
    for path in ["relative", "../x", "/a/../b", ""] {
        refusal(program().tmpfs(Tmpfs::new(path)));
        refusal(program().bind_read_only("/x", path));
        refusal(program().file(path, ""));
        refusal(program().current_dir(path));
    }
    refusal(program().bind_read_only("/x", "/"));
    refusal(program().bind_read_only("/x", PathBuf::from("/".to_owned() + &"x".repeat(5000))));
}

#[test]
fn limits_and_sizes_that_cannot_be_meant_are_refused() {
    refusal(program().memory_limit(0));
    refusal(program().memory_limit(u64::MAX));
    refusal(program().pids_limit(0));
    refusal(program().cpus(0.0));
    refusal(program().cpus(f64::NAN));
    refusal(program().memory_limit(4096));
    refusal(program().swap_limit(1 << 20));
    refusal(program().cpu_weight(0));
    refusal(program().cpu_weight(10_001));
    refusal(program().io_weight(0));
    refusal(program().cpuset([]));
    refusal(program().cpuset([8192]));
    refusal(program().io_limit(IoLimit::new("/dev/null")));
    refusal(program().io_limit(IoLimit::new("/dev/null").read_bytes(0)));
    refusal(program().io_limit(IoLimit::new("").read_bytes(1)));
    refusal(program().hugetlb_limit(3 << 20, 0));
    refusal(program().cpu_time_limit(Duration::ZERO));
    refusal(program().cpu_time_limit(Duration::MAX));
    refusal(program().extra_time(Duration::from_secs(1)));
    refusal(program().disk_limit(0, 1));
    refusal(program().disk_limit(1, 0));
    refusal(program().disk_limit(1 << 20, 10).share(Namespaces::MOUNT));
    for parent in ["", "../elsewhere", "/a/../b", "a\0b"] {
        refusal(program().cgroup_parent(parent).pids_limit(1));
    }
    refusal(program().wall_time_limit(Duration::ZERO));
    refusal(program().wall_time_limit(Duration::MAX));
    refusal(program().tmp_size(u64::MAX));
    refusal(program().tmpfs(Tmpfs::new("/x").size(0)));
    refusal(program().tmpfs(Tmpfs::new("/x").inodes(0)));
    refusal(program().rlimit(Resource::Stack, 2, 1));
    refusal(program().nice(20));
    refusal(program().oom_score_adj(1001));
    refusal(program().affinity([]));
    refusal(program().umask(0o1000));
}

#[test]
fn id_maps_that_overlap_or_overflow_are_refused() {
    let map = |inside, outside, count| IdMap { inside, outside, count };
    let good = vec![map(0, 1000, 10)];
    let bad = [
        vec![],
        vec![map(0, 0, 0)],
        vec![map(u32::MAX, 0, 2)],
        vec![map(0, 1000, 10), map(9, 2000, 10)],
        vec![map(0, 1000, 10), map(20, 1009, 10)],
    ];
    for maps in bad {
        refusal(program().id_mapping(IdMapping::Ranges { uids: maps.clone(), gids: good.clone() }));
        refusal(program().id_mapping(IdMapping::Ranges { uids: good.clone(), gids: maps }));
    }
}

#[test]
fn contradictions_are_refused() {
    refusal(Container::new());
    refusal(Container::new().command(""));
    refusal(program().rootfs("/r").share(Namespaces::MOUNT));
    refusal(program().hostname("x").share(Namespaces::UTS));
    refusal(program().monotonic_offset(5).share(Namespaces::TIME));
    refusal(program().join(Namespaces::empty(), "/x"));
    refusal(program().join(Namespaces::NET, "/x").join(Namespaces::NET, "/y"));
    refusal(program().join(Namespaces::NET, "/x").namespaces(Namespaces::all()));
    let ambient_only =
        crate::CapabilitySets { ambient: Capabilities::KILL, ..crate::CapabilitySets::default() };
    refusal(program().capability_sets(ambient_only));
    let file = || std::fs::File::open("/dev/null").expect("/dev/null");
    refusal(program().fd(2, file()));
    refusal(program().fd(5, file()).fd(5, file()));
}

#[test]
fn proc_of_the_caller_serves_only_when_asked_for_or_when_processes_are_shared() {
    let outer = |container: &Container| {
        let plan = plan(container, &ordinary());
        plan.steps.iter().find_map(|step| match step {
            Step::Proc { outer, .. } => Some(*outer),
            _ => None,
        })
    };
    assert_eq!(outer(&program()), Some(0));
    assert_eq!(outer(&program().proc(Proc::NewOrOuter)), Some(1));
    assert_eq!(outer(&program().share(Namespaces::PID)), Some(1));
    assert_eq!(outer(&program().proc(Proc::None)), None);
}

/// A host where limits have no cgroup.
fn without_groups(limits: &[Limit]) -> Facts {
    Facts { fallbacks: limits.to_vec(), ..ordinary() }
}

fn rlimits(plan: &Plan) -> Vec<String> {
    plan.steps.iter().filter(|step| step.name() == "rlimit").map(Step::describe).collect()
}

#[test]
fn limits_of_time_include_the_extra_time_and_know_the_cpus() {
    let facts = Facts { cpus: 8, ..ordinary() };
    let container = program().wall_time_limit(Duration::from_secs(2)).cpu_time_limit(Duration::from_secs(1));

    let plain = plan(&container, &facts);
    let late = plan(&container.clone().extra_time(Duration::from_millis(500)).cpuset([1, 3]), &facts);

    assert_eq!((plain.wall_limit, plain.cpu_limit, plain.cpus), (2_000_000_000, 1_000_000_000, 8));
    assert_eq!((late.wall_limit, late.cpu_limit, late.cpus), (2_500_000_000, 1_500_000_000, 2));
    assert_eq!(plain.meter, NO_FD);
    assert_eq!(plan(&container.extra_time(Duration::MAX), &facts).wall_limit, u64::MAX);
}

#[test]
fn the_workload_is_created_in_a_group_of_v2_and_moves_to_those_of_v1() {
    let group = |directory: &str, v2| Group { directory: directory.into(), v2 };
    let cgroups = vec![group("/v1/memory/x", false), group("/v2/x", true)];
    let facts = Facts { cgroups, cpu_meter: Some((1, "cpu.stat")), ..ordinary() };

    let plan = plan(&program(), &facts);

    let of_start = plan.steps.iter().filter_map(|step| match step {
        Step::Cgroup { of_start, .. } => Some(*of_start),
        _ => None,
    });
    assert_eq!(of_start.collect::<Vec<_>>(), [0, 1]);
    let start = plan.steps.iter().find_map(|step| match step {
        Step::StartWorkload { cgroup, .. } => plan.resources.get(*cgroup as usize),
        _ => None,
    });
    assert!(matches!(start, Some(super::Resource::CgroupDirectory(1))), "{start:?}");
    let meter = &plan.resources[plan.meter as usize];
    assert!(matches!(meter, super::Resource::CgroupFile(1, "cpu.stat")), "{meter:?}");
}

#[test]
fn limits_without_a_group_become_limits_of_each_process() {
    let container = program().memory_limit(1 << 20).pids_limit(5).cpuset([2]);
    let container = container.cpu_time_limit(Duration::from_millis(1500));
    let facts = without_groups(&[Limit::Memory, Limit::Pids, Limit::CpuTime, Limit::Cpuset]);

    let plan = plan(&container, &facts);

    let limits = rlimits(&plan);
    // Init, which has the same id, is one more.
    for expected in ["nproc 6 6", "data 1048576 1048576", "cpu 3 4"] {
        assert!(limits.iter().any(|limit| limit == expected), "no {expected} in {limits:?}");
    }
    assert!(plan.steps.iter().any(|step| step.name() == "affinity" && step.describe() == "cpus 2"));
}

#[test]
fn of_two_limits_of_one_resource_the_lower_counts() {
    let facts = without_groups(&[Limit::Pids]);
    let container = program().pids_limit(5);
    let low = plan(&container.clone().rlimit(Resource::Processes, 2, 100), &facts);
    let high = plan(&container.rlimit(Resource::Processes, 50, 100), &facts);

    assert!(rlimits(&low).contains(&"nproc 2 6".to_owned()), "{:?}", rlimits(&low));
    assert!(rlimits(&high).contains(&"nproc 6 6".to_owned()), "{:?}", rlimits(&high));
}

#[test]
fn processes_of_the_hosts_root_cannot_be_counted_by_rlimit() {
    let facts = Facts { fallbacks: vec![Limit::Pids], ..privileged() };
    let container = program().pids_limit(5);
    assert!(rlimits(&plan(&container, &facts)).contains(&"nproc 6 6".to_owned()));

    for exempt in
        [container.clone().id_mapping(IdMapping::Host { uid: 0, gid: 0 }), container.share(Namespaces::USER)]
    {
        let error = build(&exempt.description, &facts).expect_err("no limit");
        assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "rlimit"), "{error}");
    }
}

#[test]
fn the_disk_is_shared_out_and_what_cannot_be_bounded_is_refused() {
    let pool = |container: &Container| {
        let plan = plan(container, &ordinary());
        plan.steps.iter().find(|step| step.name() == "pool").map(Step::describe)
    };
    let limited = program().disk_limit(10 << 20, 100);
    assert_eq!(pool(&program()), None);
    assert_eq!(pool(&limited).as_deref(), Some("10485760 bytes, 103 inodes"));
    let with_tmpfs = limited.clone().tmpfs(Tmpfs::new("/x").size(4 << 20).inodes(40));
    assert_eq!(pool(&with_tmpfs).as_deref(), Some("6291456 bytes, 63 inodes"));

    let too_much = limited.clone().tmpfs(Tmpfs::new("/x").size(10 << 20).inodes(1));
    let error = build(&too_much.description, &ordinary()).expect_err("nothing is left");
    assert_eq!((error.kind(), error.step()), (ErrorKind::InvalidInput, "disk"), "{error}");

    let writable = limited.rootfs_writable("/srv");
    let error = build(&writable.description, &ordinary()).expect_err("cannot be bounded");
    assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "disk"), "{error}");
    assert!(build(&writable.best_effort([Limit::Disk]).description, &ordinary()).is_ok());
}

#[cfg(feature = "landlock")]
mod landlock {
    use super::*;
    use crate::{FileAccess, Landlock, LandlockAbi};

    fn policy() -> Landlock {
        Landlock::new(LandlockAbi::V6).read_execute("/usr").write("/tmp")
    }

    #[test]
    fn the_rules_follow_all_that_prepares_the_workload_and_share_one_ruleset() {
        for container in [program(), program().namespaces(Namespaces::empty())] {
            let plan = plan(&container.landlock(policy()), &ordinary());
            let last: Vec<_> = names(&plan).into_iter().rev().take(5).collect();
            assert_eq!(last, ["exec", "seccomp", "landlock", "landlock-rule", "landlock-rule"]);
            assert!(position(&plan, "no-new-privs") < position(&plan, "landlock-rule"));
            assert!(position(&plan, "working-directory") < position(&plan, "landlock-rule"));
            assert!(position(&plan, "default-signals") < position(&plan, "landlock-rule"));

            let fds: Vec<_> = plan
                .steps
                .iter()
                .filter_map(|step| match step {
                    Step::LandlockRule { fd, .. } | Step::LandlockRestrict { fd, .. } => Some(*fd),
                    _ => None,
                })
                .collect();
            assert!(fds.iter().all(|fd| *fd == fds[0]), "{fds:?}");
            let ruleset = &plan.resources[fds[0] as usize];
            assert!(matches!(ruleset, super::super::Resource::Landlock(_)), "{ruleset:?}");
        }
    }

    #[test]
    fn without_a_policy_there_is_no_step() {
        let plan = plan(&program(), &ordinary());
        assert!(!names(&plan).iter().any(|name| name.starts_with("landlock")));
    }

    #[test]
    fn a_rule_to_write_has_the_rights_of_the_stated_abi() {
        let rights = |abi| {
            let plan = plan(&program().landlock(Landlock::new(abi).write("/tmp")), &ordinary());
            plan.steps[position(&plan, "landlock-rule")].describe()
        };
        let first = "/tmp (write-file remove-dir remove-file make-char make-dir make-reg make-sock make-fifo \
                     make-block make-sym";
        assert_eq!(rights(LandlockAbi::V1), format!("{first})"));
        assert_eq!(rights(LandlockAbi::V2), format!("{first} refer)"));
        assert_eq!(rights(LandlockAbi::V4), format!("{first} refer truncate)"));
        assert_eq!(rights(LandlockAbi::V7), format!("{first} refer truncate ioctl-dev)"));
    }

    #[test]
    fn what_the_stated_abi_cannot_mean_is_refused() {
        let of = |abi| Landlock::new(abi);
        for path in ["relative", "../x", "/a/../b", "", "/a\0b"] {
            assert_eq!(refusal(program().landlock(policy().read(path))).step(), "landlock");
        }
        let long = PathBuf::from("/".to_owned() + &"x".repeat(5000));
        refusal(program().landlock(policy().read(long)));
        refusal(program().landlock(of(LandlockAbi::V7)));
        refusal(program().landlock(policy()).no_new_privs(false));
        refusal(program().landlock(policy().path("/", FileAccess::empty())));
        refusal(program().landlock(of(LandlockAbi::V4).tcp_connect(0)));
        let beyond = FileAccess::from_bits_retain(1 << 16);
        assert!(refusal(program().landlock(policy().path("/", beyond))).to_string().contains("0x10000"));

        let remedies = [
            (of(LandlockAbi::V1).path("/", FileAccess::REFER), "LandlockAbi::V2"),
            (of(LandlockAbi::V2).path("/", FileAccess::TRUNCATE), "LandlockAbi::V3"),
            (of(LandlockAbi::V4).path("/", FileAccess::IOCTL_DEV), "LandlockAbi::V5"),
            (of(LandlockAbi::V3).deny_tcp(), "LandlockAbi::V4"),
            (of(LandlockAbi::V3).tcp_bind(1), "LandlockAbi::V4"),
            (of(LandlockAbi::V5).scope_signals(), "LandlockAbi::V6"),
            (of(LandlockAbi::V5).scope_abstract_sockets(), "LandlockAbi::V6"),
        ];
        for (policy, remedy) in remedies {
            let error = refusal(program().landlock(policy));
            assert!(error.remedy().is_some_and(|text| text.contains(remedy)), "{error}");
        }
    }

    #[test]
    fn what_a_policy_leaves_open_is_told() {
        let open = |policy: Landlock| policy.uncovered().join("; ");
        let all = policy().deny_tcp().scope_signals().scope_abstract_sockets();
        assert_eq!(open(all), "");
        assert_eq!(open(policy()), "TCP ports; signals; abstract Unix sockets");
        // With ABI 1 files cannot be moved between directories at all: that is not open.
        assert_eq!(
            open(Landlock::new(LandlockAbi::V1).read("/")),
            "truncation of files (ABI 3, Linux 6.2); TCP ports (ABI 4, Linux 6.7); \
             ioctl(2) on devices (ABI 5, Linux 6.10); signals (ABI 6, Linux 6.12); \
             abstract Unix sockets (ABI 6, Linux 6.12)"
        );
        assert!(open(Landlock::new(LandlockAbi::V7).deny_tcp()).starts_with("files; truncation of files;"));
    }
}
