//! A thousand containers in a row leave nothing behind: no descriptor, mount, process, cgroup or thread.
//!
//! A single test, because it looks at everything that this process holds.

mod common;

use std::io::Write;
use std::time::Duration;

use cofferdam::{Container, Feature, Host, Limit, Stdio};
use common::processes::{ProcessState, own_cgroups};
use common::sh;

fn quiet(container: Container) -> Container {
    container.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// One container by each road to the end: ten of them.
fn ten_containers(limits: bool) {
    let limited = |container: Container| {
        if limits { container.memory_limit(64 << 20).pids_limit(32).cpus(1.0) } else { container }
    };
    let no_op = || Container::new().command("/bin/true");
    let sleeper = || limited(quiet(Container::new().command("/bin/sleep").arg("86400")));

    assert!(quiet(no_op()).status().expect("a container").success());
    assert!(limited(no_op()).output().expect("a container").status.success());
    assert_eq!(sh("echo out; echo err >&2; exit 3").output().expect("a container").status.code(), Some(3));
    assert!(quiet(no_op()).current_dir("/no/such/directory").spawn().is_err());
    assert!(limited(quiet(Container::new().command("/no/such/program"))).spawn().is_err());

    let killed = sleeper().spawn().expect("a container");
    killed.kill().expect("init");
    drop(killed);
    drop(sleeper().spawn().expect("a container"));
    let mut waited = sleeper().spawn().expect("a container");
    waited.signal(libc::SIGTERM).expect("a workload");
    assert_eq!(waited.wait().expect("a report").signal(), Some(libc::SIGTERM));

    let cat = Container::new().command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut cat = cat.stderr(Stdio::piped()).spawn().expect("a container");
    cat.stdin.as_mut().expect("a pipe").write_all(b"this").expect("a reader");
    assert_eq!(cat.wait_with_output().expect("output").stdout, b"this");

    let background = sh("sleep 86400 & setsid sleep 86400 & exit 0")
        .file("/tmp/file", "x")
        .wall_time_limit(Duration::from_secs(60));
    assert!(quiet(background).status().expect("a container").success());
}

#[test]
fn a_thousand_containers_leave_nothing() {
    let host = Host::probe();
    let limits = [Feature::Limit(Limit::Memory), Feature::Limit(Limit::Pids), Feature::Limit(Limit::Cpus)]
        .iter()
        .all(|limit| host.allows(*limit));
    ten_containers(limits);
    let before = ProcessState::now();

    for round in 0..100 {
        // Groups are slow to make: some rounds show whether they go.
        ten_containers(limits && round % 10 == 0);
    }

    assert_eq!(ProcessState::now(), before);
    assert_eq!(own_cgroups(), Vec::<String>::new());
    assert!(before.children.is_empty(), "{before:?}");
}
