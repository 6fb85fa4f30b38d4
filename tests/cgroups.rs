//! Groups of containers lie below the host program's own, or where they are told to, are nobody else's, and do
//! not stay behind.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam::{Cause, Child, Container, Error, ErrorKind, Limit, Proc, Stdio};
use common::cgroups::{TestGroup, allows, group_of, has_word, hierarchy_of, in_own_mounts, value, works};
use common::helper::{
    Helper, is_helper, printed_by, ready_until_the_end, run_helper, this_test, this_test_in_container,
    this_test_through,
};
use common::limits::counts_refused_processes;
use common::processes::{eventually, init_of, is_alive, own_cgroups};
use common::{is_root, needs_program, needs_root, output, sh, skip_for_good, stdout, text};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn sleeper() -> Container {
    let container = Container::new().command("/bin/sleep").arg("86400");
    container.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Memory, processes and CPU: on cgroup v1 three hierarchies.
fn limited(container: Container) -> Container {
    container.memory_limit(64 << 20).pids_limit(20).cpus(1.0)
}

/// Whether all limits of [`limited`] work here.
#[track_caller]
fn can_limit() -> bool {
    [Limit::Memory, Limit::Pids, Limit::Cpus].into_iter().all(|limit| works(limit, limited(Container::new())))
}

fn end(pid: u32) {
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("a process of ours");
}

// Where they are

#[test]
fn groups_lie_directly_below_the_host_programs_own() {
    if !can_limit() {
        return;
    }
    let child = limited(sleeper()).spawn().expect("a container");

    for controller in ["memory", "pids", "cpu"] {
        let own = hierarchy_of(controller).expect("a hierarchy");
        let group = own.group_of(child.id());
        let name = group.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(group.parent(), Some(own.base.as_path()), "{controller}");
        assert!(name.starts_with(&format!("cofferdam-{}-", std::process::id())), "{controller}: {name}");
    }
    let groups = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("groups");
    assert_eq!(groups(init_of(&child)), groups(std::process::id()), "the control: init is with the host");
    assert_ne!(groups(child.id()), groups(std::process::id()));
}

#[test]
fn without_limits_a_container_is_where_the_host_program_is() {
    allows(Limit::Pids);
    let child = sleeper().wall_time_limit(common::processes::DEADLINE * 60).spawn().expect("a container");

    let groups = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("groups");

    assert_eq!(groups(child.id()), groups(std::process::id()));
}

#[test]
fn the_limits_of_the_parent_hold_as_well() {
    if !counts_refused_processes() {
        return;
    }
    let Some(parent) = TestGroup::new("pids") else { return };
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 86400 & done; echo made";
    let container = sh(script).pids_limit(100).cgroup_parent(&parent.name);

    fs::write(parent.directory.join("pids.max"), "9").expect("a group of ours");
    assert_eq!(stdout(&container), "made", "the shell and eight more");
    fs::write(parent.directory.join("pids.max"), "8").expect("a group of ours");
    let beyond = output(&container);

    assert!(text(&beyond.stderr).contains("fork"), "{}", text(&beyond.stderr));
    assert!(!beyond.status.success() && beyond.stdout.is_empty());
}

#[test]
fn a_parent_is_named_from_the_own_group_or_from_the_top() {
    if !counts_refused_processes() {
        return;
    }
    let Some(parent) = TestGroup::new("pids") else { return };
    let own = hierarchy_of("pids").expect("a hierarchy");
    let inner = parent.directory.join("inner");
    fs::create_dir(&inner).expect("a group of ours");
    let from_top = |group: &Path| Path::new("/").join(group.strip_prefix(&own.mount).expect("below the top"));
    let is_at = |parent: &Path, name: &Path| {
        let child = sleeper().pids_limit(8).cgroup_parent(name).spawn().expect("a container");
        let group = own.group_of(child.id());
        assert_eq!(group.parent(), Some(parent), "{}", name.display());
        assert_eq!(value(&group, "pids.max"), "8");
    };

    // On v2 a group passes controllers on from the outside in.
    is_at(&parent.directory, parent.name.as_ref());
    is_at(&parent.directory, &from_top(&parent.directory));
    is_at(&inner, &Path::new(&parent.name).join("inner"));
    is_at(&inner, &from_top(&inner));
    assert_eq!(parent.inner(), [inner], "and nothing stays");
    is_at(&own.base, ".".as_ref());
}

#[test]
fn the_top_may_have_processes_of_its_own() {
    if !needs_root("at the top only root makes groups") || !works(Limit::Memory, Container::new()) {
        return;
    }
    let memory = hierarchy_of("memory").expect("a hierarchy");
    // Elsewhere it may be that it does not pass the controller on, and is not to be changed.
    let passes = !memory.is_v2 || has_word(&memory.mount.join("cgroup.subtree_control"), "memory");
    if !passes {
        return skip_for_good("needs root group that passes the controller on");
    }

    let child = sleeper().memory_limit(64 << 20).cgroup_parent("/").spawn().expect("a container");

    assert_eq!(memory.group_of(child.id()).parent(), Some(memory.mount.as_path()));
}

#[test]
fn helper_with_a_parent_that_is_missing() {
    if !is_helper("helper_with_a_parent_that_is_missing") {
        return;
    }
    for parent in ["no-such-group", "/no-such-group", "no/such/group"] {
        let by_pids = sleeper().pids_limit(8).cgroup_parent(parent).spawn().expect_err("no parent");
        assert_eq!(by_pids.kind(), ErrorKind::LimitUnavailable, "{by_pids}");
        let container = limited(sleeper()).cgroup_parent(parent);
        let error = container.spawn().expect_err("no parent");
        assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{error}");
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "{error}");
        assert!(error.subject().contains("no-such-group") || error.subject().contains("no/such"), "{error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("cgroup_parent")), "{error}");
        assert_eq!(container.explain().expect_err("no parent").to_string(), error.to_string());
    }
    assert!(own_cgroups().is_empty(), "{:?}", own_cgroups());
}

#[test]
fn a_parent_that_is_missing_is_an_error_before_anything_is_made() {
    if can_limit() {
        run_helper("helper_with_a_parent_that_is_missing");
    }
}

// Whose they are

/// Containers that one host program runs at once: on several threads, several on each.
const THREADS: usize = 3;
const EACH: usize = 4;

#[test]
fn helper_with_containers_on_many_threads() {
    if !is_helper("helper_with_containers_on_many_threads") {
        return;
    }
    let container = sleeper().pids_limit(8);
    let spawn = || (0..EACH).map(|_| container.spawn().expect("a container")).collect::<Vec<Child>>();
    let children: Vec<Child> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(spawn)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    });
    let groups = children.iter().map(|child| group_of(child.id(), "pids").display().to_string());

    ready_until_the_end(&groups.collect::<Vec<_>>().join(" "));
}

#[test]
fn no_two_containers_of_any_host_share_a_group() {
    if !counts_refused_processes() {
        return;
    }
    const HOSTS: usize = 3;
    let start = || Helper::start(&mut this_test("helper_with_containers_on_many_threads"));

    let helpers: Vec<Helper> = std::thread::scope(|scope| {
        let hosts: Vec<_> = (0..HOSTS).map(|_| scope.spawn(start)).collect();
        hosts.into_iter().map(|host| host.join().expect("a thread")).collect()
    });

    let groups: Vec<&str> = helpers.iter().flat_map(|helper| helper.said.split_whitespace()).collect();
    assert_eq!(groups.len(), HOSTS * THREADS * EACH);
    assert_eq!(groups.iter().collect::<BTreeSet<_>>().len(), groups.len(), "{groups:?}");
}

// What is left of them

#[test]
fn helper_ends_in_many_ways() {
    if !is_helper("helper_ends_in_many_ways") {
        return;
    }
    let nothing_is_left =
        |after: &str| assert!(own_cgroups().is_empty(), "after {after}: {:?}", own_cgroups());

    let panics = || {
        let _child = limited(sleeper()).spawn().expect("a container");
        assert!(!own_cgroups().is_empty(), "the control: while it runs they are there");
        panic!("on purpose");
    };
    assert!(std::thread::spawn(panics).join().is_err());
    nothing_is_left("a panic of the thread");

    // Found only when other groups have been made, and the limit is written.
    let error = limited(sleeper()).cpuset([8000]).spawn().expect_err("no such CPU");
    assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{error}");
    nothing_is_left("a limit that the kernel refuses");
    // The last step of all.
    assert_eq!(
        limited(Container::new().command("/etc/passwd")).spawn().expect_err("no program").step(),
        "exec"
    );
    nothing_is_left("a program that cannot be executed");
    assert!(limited(sleeper()).current_dir("/no/such/directory").spawn().is_err());
    nothing_is_left("a step that fails within the groups");

    let yes = limited(Container::new().command("/usr/bin/yes")).output_limit(1000);
    assert_eq!(output(&yes).report.cause(), Cause::Output);
    nothing_is_left("too much output");
    let late = limited(sleeper()).wall_time_limit(std::time::Duration::from_millis(20));
    assert_eq!(output(&late).report.cause(), Cause::WallTime);
    nothing_is_left("too much time");
    let background = limited(sh("setsid sleep 86400 < /dev/null > /dev/null 2>&1 & exit 0"));
    assert!(output(&background).status.success());
    nothing_is_left("an end with others in the background");
}

#[test]
fn no_group_is_left_however_a_container_ends() {
    if can_limit() && works(Limit::Cpuset, Container::new().cpuset([0])) {
        run_helper("helper_ends_in_many_ways");
    }
}

#[test]
fn groups_that_were_made_in_a_group_go_with_it() {
    if !counts_refused_processes() {
        return;
    }
    let mut child = sleeper().pids_limit(8).spawn().expect("a container");
    let group = group_of(child.id(), "pids");
    fs::create_dir_all(group.join("inner/innermost")).expect("a group of ours");

    child.kill().expect("init");
    child.wait().expect("a report");

    assert!(!group.exists());
}

/// The group that helpers make theirs in: nobody else sweeps there.
const PLACE: &str = "COFFERDAM_TEST_PLACE";

fn limited_in_place(container: Container) -> Container {
    container.pids_limit(8).cgroup_parent(std::env::var_os(PLACE).expect("set by the test"))
}

fn at(place: &TestGroup, mut helper: Command) -> Command {
    helper.env(PLACE, &place.name);
    helper
}

/// Runs a container in it, and so sweeps it.
#[test]
fn helper_makes_a_group() {
    if is_helper("helper_makes_a_group") {
        let status = limited_in_place(Container::new().command("/bin/true")).status();
        assert!(status.expect("a container").success());
    }
}

#[track_caller]
fn sweep(place: &TestGroup) {
    printed_by(&mut at(place, this_test("helper_makes_a_group")), "helper_makes_a_group");
}

#[test]
fn helper_holds_a_container() {
    if is_helper("helper_holds_a_container") {
        let child = limited_in_place(sleeper()).spawn().expect("a container");
        ready_until_the_end(&group_of(child.id(), "pids").display().to_string());
    }
}

/// One that nothing runs in, so that only who knows better leaves it alone.
#[test]
fn helper_holds_an_empty_group() {
    if is_helper("helper_holds_an_empty_group") {
        let child = limited_in_place(sleeper()).spawn().expect("a container");
        let (pid, group) = (child.id(), group_of(child.id(), "pids"));
        child.detach().expect("init");
        end(pid);
        eventually("the group is empty", || value(&group, "cgroup.procs").is_empty());
        ready_until_the_end(&group.display().to_string());
    }
}

#[test]
fn groups_of_a_killed_host_are_swept_and_those_of_a_live_one_are_not() {
    if !counts_refused_processes() {
        return;
    }
    let Some(place) = TestGroup::new("pids") else { return };
    let live = [
        Helper::start(&mut at(&place, this_test("helper_holds_a_container"))),
        Helper::start(&mut at(&place, this_test("helper_holds_an_empty_group"))),
    ];
    let killed = [
        Helper::start(&mut at(&place, this_test("helper_holds_a_container"))),
        Helper::start(&mut at(&place, this_test("helper_holds_an_empty_group"))),
    ];
    let of_live = live.each_ref().map(|helper| PathBuf::from(&helper.said));
    let of_killed = killed.each_ref().map(|helper| PathBuf::from(&helper.said));
    killed.into_iter().for_each(Helper::kill);
    for group in &of_killed {
        eventually("the containers of a killed host end", || value(group, "cgroup.procs").is_empty());
        assert!(group.exists(), "the control: nobody has removed it");
    }

    sweep(&place);

    let left: BTreeSet<_> = place.inner().into_iter().collect();
    assert_eq!(left, BTreeSet::from(of_live));
}

#[test]
fn a_host_in_another_pid_namespace_is_left_alone() {
    if !needs_program("/usr/bin/unshare") || !counts_refused_processes() {
        return;
    }
    let Some(place) = TestGroup::new("pids") else { return };
    let elsewhere = |name| {
        let user: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
        let arguments = [user, &["--pid", "--fork", "--kill-child", "--mount-proc"]].concat();
        at(&place, this_test_through("/usr/bin/unshare", &arguments, name))
    };
    let here = Helper::start(&mut at(&place, this_test("helper_holds_an_empty_group")));
    let there = Helper::start(&mut elsewhere("helper_holds_an_empty_group"));
    let names: BTreeSet<_> = [&here, &there].map(|helper| PathBuf::from(&helper.said)).into();
    let left = || place.inner().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(left(), names, "the control");

    sweep(&place);
    assert_eq!(left(), names, "whether the host there runs cannot be known here");
    printed_by(&mut elsewhere("helper_makes_a_group"), "helper_makes_a_group");

    assert_eq!(left(), names, "whether the host here runs cannot be known there");
}

#[test]
fn helper_detaches() {
    if is_helper("helper_detaches") {
        let child = limited_in_place(sleeper()).spawn().expect("a container");
        println!("RESULT {} {}", child.id(), group_of(child.id(), "pids").display());
        child.detach().expect("init");
    }
}

#[test]
fn a_detached_container_keeps_its_group_when_its_host_has_ended() {
    if !counts_refused_processes() {
        return;
    }
    let Some(place) = TestGroup::new("pids") else { return };
    let printed = printed_by(&mut at(&place, this_test("helper_detaches")), "helper_detaches");
    let result = printed.lines().find_map(|line| line.split_once("RESULT ")).expect("a result").1;
    let (pid, group) = result.split_once(' ').expect("two words");
    let (pid, group): (u32, PathBuf) = (pid.parse().expect("a number"), group.into());

    sweep(&place);

    assert_eq!(place.inner(), [group.as_path()]);
    assert_eq!((group_of(pid, "pids"), value(&group, "pids.max")), (group.clone(), "8".to_owned()));
    end(pid);
    eventually("the container ends", || !is_alive(pid) && value(&group, "cgroup.procs").is_empty());
    sweep(&place);
    assert!(place.inner().is_empty(), "the control: what nothing runs in is swept");
}

// Where there can be none

/// The error must say what helps; what it says first is its subject.
#[track_caller]
fn refused(container: &Container) -> Error {
    let error = container.spawn().expect_err("no groups here");
    assert_eq!((error.kind(), error.step()), (ErrorKind::LimitUnavailable, "cgroup"), "{error}");
    assert!(error.remedy().is_some(), "{error}");
    error
}

#[test]
fn helper_under_a_read_only_tree() {
    if !is_helper("helper_under_a_read_only_tree") {
        return;
    }
    let memory = hierarchy_of("memory").expect("a hierarchy");
    let error = refused(&sleeper().memory_limit(64 << 20));
    assert!(error.subject().contains(&*memory.base.to_string_lossy()), "{error}");
    assert_eq!(error.raw_os_error(), Some(libc::EROFS), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("read-only")), "{error}");
    assert!(output(&Container::new().command("/bin/true")).status.success(), "the control: without limits");
}

#[test]
fn a_tree_that_is_mounted_read_only_is_an_error() {
    if !needs_program("/usr/bin/unshare") || !works(Limit::Memory, Container::new().memory_limit(64 << 20)) {
        return;
    }
    let mount = hierarchy_of("memory").expect("a hierarchy").mount;
    let script = format!("mount -o remount,bind,ro '{}' && exec \"$0\" \"$@\"", mount.display());

    let mut helper = in_own_mounts(&script, "helper_under_a_read_only_tree");

    printed_by(&mut helper, "helper_under_a_read_only_tree");
    assert!(output(&sh("true").memory_limit(64 << 20)).status.success(), "the control: as it is mounted");
}

#[test]
fn helper_without_any_tree() {
    if !is_helper("helper_without_any_tree") {
        return;
    }
    let error = refused(&sleeper().memory_limit(64 << 20));
    assert!(error.subject().contains("`memory`"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("mount")), "{error}");
    refused(&sleeper().accounting(true));
    let control = Container::new().command("/bin/true").proc(Proc::NewOrOuter);
    assert!(output(&control).status.success(), "the control: without limits");
}

#[test]
fn a_host_inside_a_container_is_told_what_it_lacks() {
    allows(Limit::Memory);
    let container = this_test_in_container("helper_without_any_tree");

    let output = output(&container);

    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("helper helper_without_any_tree starts"), "{out}\n{err}");
}

#[test]
fn a_place_that_is_closed_to_the_user_is_an_error() {
    if is_root() {
        return skip_for_good("root may write everywhere");
    }
    allows(Limit::Memory);

    let error = refused(&sleeper().memory_limit(64 << 20).cgroup_parent("/"));

    assert!(error.remedy().is_some_and(|remedy| remedy.contains("Delegate=yes")), "{error}");
}

// A program in a group of cgroup v2 that may limit its children

/// A group of this program's own, fit for another program; none where there is no v2 with controllers.
#[track_caller]
fn group_of_v2() -> Option<TestGroup> {
    let pids = hierarchy_of("pids").filter(|pids| pids.is_v2 && allows(Limit::Memory) && allows(Limit::Pids));
    if pids.is_none() {
        skip_for_good("no controllers on cgroup v2 here, or none for this user");
        return None;
    }
    TestGroup::new("pids")
}

fn alone_in(group: &TestGroup, helper: &str) -> Command {
    let script = format!("echo $$ > '{}/cgroup.procs' && exec \"$0\" \"$@\"", group.directory.display());
    this_test_through("/bin/sh", &["-c", &script], helper)
}

fn own_group() -> PathBuf {
    hierarchy_of("pids").expect("a hierarchy").group_of(std::process::id())
}

#[test]
fn helper_that_is_alone() {
    if !is_helper("helper_that_is_alone") {
        return;
    }
    let before = own_group();
    assert!(before.file_name().is_some_and(|name| name.to_string_lossy().starts_with("test-")), "{before:?}");
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    let mut own = Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().expect("/bin/cat");

    let child = limited(sleeper()).spawn().expect("a container");

    assert_eq!(own_group(), before.join("cofferdam-host"), "it has moved out of the way");
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let groups: BTreeSet<_> =
        tasks.map(|task| fs::read(task.path().join("cgroup")).expect("a group")).collect();
    assert_eq!(groups.len(), 1, "with all its threads");
    assert_eq!(group_of(own.id(), "pids"), own_group(), "and its children");
    assert_eq!(group_of(child.id(), "pids").parent(), Some(before.as_path()));
    drop(child);
    let child = limited(sleeper()).spawn().expect("another container");
    assert_eq!(group_of(child.id(), "memory").parent(), Some(before.as_path()), "from there on as well");
    own.kill().and_then(|()| own.wait()).expect("a child");
    drop(done);
    assert!(thread.join().expect("a thread").is_err());
}

#[test]
fn a_host_that_is_alone_in_its_group_moves_out_of_the_way() {
    allows(Limit::Pids);
    let Some(group) = group_of_v2() else { return };

    printed_by(&mut alone_in(&group, "helper_that_is_alone"), "helper_that_is_alone");
}

/// Set to the process that is there as well.
const OTHER: &str = "COFFERDAM_TEST_OTHER";

#[test]
fn helper_that_is_not_alone() {
    if !is_helper("helper_that_is_not_alone") {
        return;
    }
    let before = own_group();
    let other = std::env::var(OTHER).expect("set by the test");

    let error = refused(&limited(sleeper()));

    assert_eq!(error.raw_os_error(), Some(libc::EBUSY), "{error}");
    assert!(error.subject().contains(&*before.to_string_lossy()), "{error}");
    assert!(error.subject().contains(&other), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("Delegate=yes")), "{error}");
    assert_eq!(own_group(), before, "it stays where it is");
    let inner = fs::read_dir(&before).expect("the group").flatten().filter(|entry| entry.path().is_dir());
    assert_eq!(inner.count(), 0);
    let pids = output(&Container::new().command("/bin/true").pids_limit(8)).report;
    assert_eq!(pids.enforced_by()[0].mechanism, "RLIMIT_NPROC", "what needs no group does without");
}

#[test]
fn a_host_that_is_not_alone_in_its_group_is_told_so() {
    allows(Limit::Pids);
    let Some(group) = group_of_v2() else { return };
    let mut other = Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().expect("/bin/cat");
    fs::write(group.directory.join("cgroup.procs"), other.id().to_string()).expect("a group of ours");

    let mut helper = alone_in(&group, "helper_that_is_not_alone");
    printed_by(helper.env(OTHER, other.id().to_string()), "helper_that_is_not_alone");

    assert_eq!(group_of(other.id(), "pids"), group.directory, "it is left where it is");
    other.kill().and_then(|()| other.wait()).expect("a child");
    printed_by(&mut alone_in(&group, "helper_that_is_alone"), "helper_that_is_alone");
}
