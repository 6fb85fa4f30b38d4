//! What a process inherits besides descriptors: environment, directory, names, signals, session, limits.
//!
//! The rule: the launcher is told all of it by the plan; what the host program has does not count.

use std::fs;

use cofferdam::{Namespaces, Resource};
use libc::EPERM;

use crate::check::{Answer, Check, Control, Must, Scene};
use crate::files::status_field;
use crate::runner::SECRET_VARIABLE;
use crate::scenes::SECRET;
use crate::sys::{at, at_mut, c, call, call_path, in_child};

pub const CHECKS: &[Check] = &[
    Check::new("variable", |_| Answer::seen(std::env::var_os(SECRET_VARIABLE).is_some())).hidden(),
    Check::new("variable_in_proc", |_| {
        let environment = fs::read("/proc/self/environ").unwrap_or_default();
        Answer::seen(String::from_utf8_lossy(&environment).contains(SECRET))
    })
    .hidden(),
    Check::new("variables_beyond_the_documented", |_| {
        let known = ["PATH", "HOME", "LANG"];
        Answer::seen(std::env::vars_os().any(|(name, _)| !known.iter().any(|known| name == *known)))
    })
    .hidden(),
    Check::new("working_directory", |a| {
        Answer::seen(std::env::current_dir().is_ok_and(|path| path.display().to_string() == a[0]))
    })
    .scene(|_| {
        let own = std::env::current_dir().map_err(|error| error.to_string())?.display().to_string();
        if own == "/" {
            Err("a working directory other than the root".into())
        } else {
            Ok(Scene::new().arg(own))
        }
    })
    .hidden(),
    Check::new("host_name", |a| Answer::seen(field_of_uname(1) == a[0]))
        .scene(|_| Ok(Scene::new().arg(field_of_uname(1))))
        .hidden(),
    Check::new("host_name_changed", |_| {
        // To what it is.
        let name = c(&field_of_uname(1));
        call(libc::SYS_sethostname, &[name.as_ptr() as usize, name.as_bytes().len()]).into()
    })
    .control(Control::OwnNamespaces),
    Check::new("session", |a| {
        Answer::seen(call(libc::SYS_getsid, &[0]).is_ok_and(|session| session.to_string() == a[0]))
    })
    .scene(|_| match call(libc::SYS_getsid, &[0]) {
        // As inside, of a session that is not to be seen.
        Ok(0) | Err(_) => Err("a session that this program is in".into()),
        Ok(session) => Ok(Scene::new().arg(session)),
    })
    .hidden(),
    Check::new("session_of_somebody_else", |_| {
        Answer::seen(call(libc::SYS_getsid, &[0]) != Ok(i64::from(std::process::id())))
    })
    .hidden(),
    Check::new("process_group", |_| {
        Answer::seen(call(libc::SYS_getpgid, &[0]) != Ok(i64::from(std::process::id())))
    })
    .hidden(),
    Check::new("ignored_signals", |_| {
        // SIGUSR1, which the host program ignores, as a test of it.
        Answer::seen(ignored() & 1 << (libc::SIGUSR1 - 1) != 0)
    })
    .hidden(),
    Check::new("blocked_signals", |a| {
        let mask = 1u64 << (libc::SIGUSR2 - 1);
        if a[0] == "control" {
            // std's Command, by which the control starts, lets nothing through.
            let _ = call(libc::SYS_rt_sigprocmask, &[libc::SIG_BLOCK as usize, at(&mask), 0, 8]);
        }
        let blocked = status_field("SigBlk").and_then(|set| u64::from_str_radix(&set, 16).ok());
        Answer::seen(blocked.is_some_and(|blocked| blocked & mask != 0))
    })
    .scene(|place| Ok(Scene::new().arg(if place.is_control() { "control" } else { "inside" })))
    .hidden(),
    Check::new("network_namespace", |a| same_namespace("net", a)).scene(|_| namespace("net")).hidden(),
    Check::new("mount_namespace", |a| same_namespace("mnt", a)).scene(|_| namespace("mnt")).hidden(),
    Check::new("process_namespace", |a| same_namespace("pid", a)).scene(|_| namespace("pid")).hidden(),
    Check::new("user_namespace", |a| same_namespace("user", a)).scene(|_| namespace("user")).hidden(),
    Check::new("ipc_namespace", |a| same_namespace("ipc", a)).scene(|_| namespace("ipc")).hidden(),
    Check::new("name_namespace", |a| same_namespace("uts", a)).scene(|_| namespace("uts")).hidden(),
    Check::new("group_namespace", |a| same_namespace("cgroup", a)).scene(|_| namespace("cgroup")).hidden(),
    Check::new("time_namespace", |a| same_namespace("time", a)).scene(|_| namespace("time")).hidden(),
    Check::new("supplementary_groups", |_| {
        let mut groups = [0u32; 64];
        let count = call(libc::SYS_getgroups, &[groups.len(), at_mut(&mut groups)]).unwrap_or(0);
        Answer::seen(groups[..count as usize].contains(&0))
    })
    .hidden()
    .scene(|_| {
        let groups = nix::unistd::getgroups().map_err(|error| error.to_string())?;
        if groups.contains(&0.into()) {
            Ok(Scene::new())
        } else {
            Err("a group of root's for this user".into())
        }
    })
    .needs_root("an ordinary user's groups cannot be dropped"),
    Check::new("core_dump", |_| dumps_core())
        .hidden()
        .forks()
        .scene(|place| {
            let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
            if place.is_control() && pattern.starts_with('|') {
                return Err("a core_pattern that is a file".into());
            }
            let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE)
                .map_err(|error| error.to_string())?;
            if hard < 1 << 20 {
                return Err("core dumps, by the hard limit".into());
            }
            Ok(Scene::new())
        })
        .control(Control::Loosened(|container| {
            container.rlimit(Resource::Core, 1 << 20, 1 << 20).current_dir("/tmp")
        })),
    Check::new("limit_of_core_dumps_raised", |_| {
        let limit = [1u64 << 20; 2];
        call(libc::SYS_prlimit64, &[0, libc::RLIMIT_CORE as usize, at(&limit), 0]).into()
    }),
    Check::new("inherited_personality", |_| {
        Answer::seen(call(libc::SYS_personality, &[0xffff_ffff]).is_ok_and(|persona| persona != 0))
    })
    .hidden()
    .control(Control::Loosened(|container| container.aslr(false))),
    Check::new("owner_of_the_host_program", |_| {
        let parent = call(libc::SYS_getppid, &[]).unwrap_or(0);
        Answer::seen(parent > 1)
    })
    .hidden(),
    Check::new("clocks_of_another_namespace", |_| Answer::seen(fs::read_link("/proc/self/ns/time").is_err()))
        .must(Must::HiddenOr(&[EPERM]))
        .control(Control::Loosened(|container| container.proc(cofferdam::Proc::None)))
        .lacking(&[(libc::ENOENT, "time namespaces")]),
    Check::new("file_mode_mask", |_| {
        // Of another value than the one that the host program has for this.
        let mask = call(libc::SYS_umask, &[0o22]).unwrap_or(0);
        Answer::seen(mask != 0o22)
    })
    .hidden()
    .control(Control::Loosened(|container| container.umask(0o77))),
    Check::new("names_are_its_own", |_| Answer::seen(field_of_uname(1) == "cofferdam"))
        .must(Must::Done)
        .control(Control::Tightened(|container| container.share(Namespaces::UTS))),
];

/// A field of `struct utsname`.
fn field_of_uname(index: usize) -> String {
    let mut names = [0u8; 6 * 65];
    let _ = call(libc::SYS_uname, &[at_mut(&mut names)]);
    let field = &names[index * 65..(index + 1) * 65];
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn ignored() -> u64 {
    status_field("SigIgn").and_then(|set| u64::from_str_radix(&set, 16).ok()).unwrap_or(0)
}

/// A namespace of this program, for the prober to compare.
fn namespace(kind: &str) -> Result<Scene, String> {
    let link = fs::read_link(format!("/proc/self/ns/{kind}")).map_err(|_| format!("the namespace {kind}"))?;
    Ok(Scene::new().arg(kind).arg(link.display()))
}

fn same_namespace(kind: &str, arguments: &[String]) -> Answer {
    let own = fs::read_link(format!("/proc/self/ns/{kind}"));
    Answer::seen(own.is_ok_and(|link| link.display().to_string() == arguments[1]))
}

/// Whether a child that aborts leaves an image of its memory, by the status that its parent gets.
fn dumps_core() -> Answer {
    const DUMPED: i64 = 0x80;
    let status = in_child(|| {
        let _ = call_path(libc::SYS_chdir, "/tmp", &[]);
        let own = std::process::id() as usize;
        let _ = call(libc::SYS_kill, &[own, libc::SIGABRT as usize]);
        0
    });
    match status {
        Ok(status) => Answer::seen(status & DUMPED != 0),
        Err(errno) => Answer::Refused(errno),
    }
}
