//! The plan as data: no privilege, no kernel.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::Container;
use crate::config::{Bind, Capabilities, IdMap, IdMapping, Namespaces, Overlay, Proc, Resource, Tmpfs};
use crate::error::ErrorKind;
use crate::wire::NO_FD;

/// A host with an ordinary caller.
fn ordinary() -> Facts {
    let caller = Caller { uid: 500, gid: 600, ..Caller::default() };
    Facts { caller, core_limit: u64::MAX, ..Facts::default() }
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
    let plan = plan(&program(), &ordinary());
    let order = [
        "private-mounts",
        "pivot-root",
        "start-workload",
        "session",
        "descriptor",
        "bounding-set",
        "identity",
        "capabilities",
        "no-new-privs",
        "working-directory",
        "default-signals",
        "exec",
    ];
    let positions: Vec<_> = order.iter().map(|name| position(&plan, name)).collect();
    assert!(positions.is_sorted(), "{:?}", names(&plan));
    assert_eq!(names(&plan).last(), Some(&"exec"));
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
