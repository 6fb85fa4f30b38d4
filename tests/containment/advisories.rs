//! The classes of the published advisories of this field: each with a check of its own, and the rule that rules
//! it out.
//!
//! | id | class | the rule |
//! |---|---|---|
//! | `own-program` | the runtime's own program is overwritten | the launcher is a sealed file of memory that holds nothing of the host, and is not dumpable |
//! | `directory-leak` | a descriptor or the working directory leads to the host | the launcher has two descriptors; the working directory is entered last, as the workload, below the new root |
//! | `entering` | what enters a running container is taken over | who joins is not dumpable until execve(2), and has nothing of the host |
//! | `typing` | input is typed into the caller's terminal | a session of its own; the filter denies the call by its number alone |
//! | `path-race` | a path is exchanged between its check and its use | every path inside is resolved by openat2(2) below the root, after which only descriptors are used |
//! | `mask-race` | the path under a mask or a read-only mount is exchanged | `/proc` is mounted and masked by descriptors of it, before anything of the workload's exists |
//! | `release-agent` | a control group's release agent runs on the host | no control groups are mounted, and no mount can be made |
//! | `box-files` | a link in the box leads the service's writes to the host | files are made below the root by init with the workload's ids, and never over a file of the host's |
//! | `result-link` | a link takes the place of what the service binds or reads next | binds can be given as descriptors |
//! | `abstract-socket` | a service of the host listens without a path | a network namespace of its own |
//! | `new-kernel-code` | a user namespace opens kernel code meant for root | the filter denies namespaces and mounts |
//! | `file-handle` | a file is opened by its number, past all mounts | no capability; the filter denies the call |
//! | `inherited-capabilities` | capabilities stay inheritable | all five sets are empty |
//! | `hostile-root` | the runtime runs code of the container's root | the launcher is static, and runs nothing but the workload |

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use cofferdam::{Bind, Capabilities, Container, Namespaces, Stdio, Tmpfs};
use libc::{EACCES, EPERM, EROFS, ETXTBSY};

use crate::check::{Answer, Check, Control, Must, Place, Scene, is_root};
use crate::namespaces::root_of_its_own;
use crate::scenes::{SECRET, open_directory, set_mode, write_secret};
use crate::stay::Neighbour;
use crate::sys::{c, call, fork_sleeper, open};

const WITH_PTRACE: Control =
    Control::Loosened(|container| container.capabilities(Capabilities::SYS_PTRACE | Capabilities::KILL));

pub const CHECKS: &[Check] = &[
    // own-program: CVE-2019-5736 (runc), by /proc/PID/exe of the runtime.
    Check::new("own_program_is_opened", |_| open("/proc/1/exe", libc::O_RDONLY).into())
        .refused(&[EACCES, EPERM])
        .control(WITH_PTRACE),
    // The same from outside, where root can look into init: what it finds is sealed.
    Check::orchestrated("own_program_is_written", |place| {
        let child = match place.container().command("/bin/cat").stdin(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => return Answer::Broken(error.to_string()),
        };
        let other = tempfile::NamedTempFile::new().expect("a temporary file");
        let program = format!("/proc/{}/exe", init_of(&child));
        let program = if place.is_control() { other.path().display().to_string() } else { program };
        open(&program, libc::O_RDWR).into()
    })
    .must(Must::Refused(&[ETXTBSY, EPERM, EACCES])),
    Check::new("program_of_the_workload_is_written", |a| open(&a[0], libc::O_RDWR).into())
        .scene(|place| {
            if !place.is_control() {
                return Ok(Scene::new().arg("/proc/self/exe"));
            }
            let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
            Ok(Scene::new().arg(file.path().display()).keep(file))
        })
        .refused(&[ETXTBSY, EROFS, EACCES]),
    // The same by `#!/proc/self/exe`, which makes the runtime execute itself inside.
    Check::orchestrated("own_program_is_the_interpreter", |place| {
        let script = if place.is_control() { "#!/bin/echo\n" } else { "#!/proc/self/exe\n" };
        let container = place.container().file_with_mode("/entry", script, 0o755).command("/entry");
        match container.output() {
            Ok(output) => Answer::seen(output.status.success()),
            Err(error) => Answer::Refused(error.raw_os_error().unwrap_or(0)),
        }
    })
    .must(Must::HiddenOr(&[EACCES, libc::ENOEXEC, libc::ENOENT, EPERM])),
    // directory-leak: CVE-2024-21626 (runc), CVE-2016-9962: a descriptor of a directory of the host.
    Check::orchestrated("working_directory_by_a_leaked_descriptor", |place| {
        let directory = open_directory();
        write_secret(directory.path(), "secret");
        let leaked: OwnedFd =
            nix::unistd::dup(File::open(directory.path()).expect("a directory")).expect("dup");
        let number = leaked.as_raw_fd();
        let container = place.container().current_dir(format!("/proc/self/fd/{number}"));
        let container = container.command("/bin/cat").arg("secret");
        let container = if place.is_control() {
            container.fd(number as u32, leaked.try_clone().expect("a duplicate"))
        } else {
            container
        };
        seen_or_refused(container.output().map(|output| output.stdout == SECRET.as_bytes()))
    })
    .must(Must::HiddenOr(&[libc::ENOENT, libc::ENOTDIR, EACCES])),
    Check::orchestrated("working_directory_by_any_descriptor", |place| {
        // As an image would name it that guesses the number.
        let numbers = 3..40;
        let enters = |number: i32| {
            let path = if place.is_control() { "/tmp".into() } else { format!("/proc/self/fd/{number}") };
            place.container().current_dir(path).command("/bin/true").status().is_ok()
        };
        Answer::seen(numbers.into_iter().step_by(4).any(enters))
    })
    .hidden(),
    Check::new("working_directory_above_the_root", |_| {
        Answer::seen(std::env::current_dir().is_err() || fs::exists("../../../../home").is_ok_and(|it| it))
    })
    .hidden(),
    // entering: CVE-2016-9962 (runc exec): a process inside takes over what enters.
    Check::orchestrated("what_enters_is_taken_over", what_enters).must(Must::Hidden),
    // typing: CVE-2017-5226, CVE-2023-28339 (bubblewrap, doas), and CVE-2019-10063 with high bits: see the class
    // `terminal`, whose checks these are.
    // path-race: CVE-2021-30465 (runc), CVE-2018-15664 (docker cp), CVE-2017-1002101 (subpath), CVE-2024-45310.
    Check::orchestrated("directory_made_through_a_link", |place| {
        let (host, outside) = box_with_link(place);
        let container = place.container().bind_writable(host.path(), "/box").directory("/box/link/made");
        let _ = as_owner(container).command("/bin/true").status();
        Answer::seen(outside.path().join("made").exists())
    })
    .hidden(),
    Check::orchestrated("mount_point_made_through_a_link", |place| {
        let (host, outside) = box_with_link(place);
        let container =
            place.container().bind_writable(host.path(), "/box").tmpfs(Tmpfs::new("/box/link/made"));
        let _ = as_owner(container).command("/bin/true").status();
        Answer::seen(outside.path().join("made").exists())
    })
    .hidden(),
    Check::orchestrated("file_made_through_a_link", |place| {
        let (host, outside) = box_with_link(place);
        let container = place.container().bind_writable(host.path(), "/box").file("/box/link/made", "x");
        let _ = as_owner(container).command("/bin/true").status();
        Answer::seen(outside.path().join("made").exists())
    })
    .hidden(),
    Check::orchestrated("bind_through_an_exchanged_link", bind_while_exchanged).hidden(),
    Check::orchestrated("root_with_links_for_mount_points", |place| {
        // CVE-2019-19921, CVE-2023-27561, CVE-2025-31133 and their kin: /proc, /dev and /tmp of the root file
        // system lead elsewhere; in the control to where the workload may make files.
        let (root, outside) = (open_directory(), open_directory());
        for name in ["proc", "dev", "tmp"] {
            fs::create_dir(outside.path().join(name)).expect("a directory");
            symlink(outside.path().join(name), root.path().join(name)).expect("a link");
        }
        copy_busybox(root.path());
        let container = place.container().rootfs_writable(root.path()).command("/busybox");
        let container = container.args(["touch", "/tmp/used", "/proc/used", "/dev/shm/used"]);
        let container = if place.is_control() {
            // The host's own directory in the place that the link leads to.
            let seen = outside.path().join("tmp");
            set_mode(&seen, 0o777);
            Container::new().bind_writable(&seen, "/box").command("/usr/bin/touch").arg("/box/used")
        } else {
            container
        };
        let _ = as_owner(container).status();
        let used =
            |name| fs::read_dir(outside.path().join(name)).is_ok_and(|mut files| files.next().is_some());
        Answer::seen(["proc", "dev", "tmp"].into_iter().any(used))
    })
    .hidden(),
    Check::orchestrated("masks_in_a_root_with_links", |place| {
        // CVE-2019-16884, CVE-2025-52565: what is masked must be, or the container must not start.
        let (root, outside) = (open_directory(), open_directory());
        fs::create_dir(outside.path().join("proc")).expect("a directory");
        let inner = root.path().join("elsewhere");
        fs::create_dir(&inner).expect("a directory");
        symlink("/elsewhere", root.path().join("proc")).expect("a link");
        fs::create_dir(root.path().join("dev")).expect("a directory");
        fs::create_dir(root.path().join("tmp")).expect("a directory");
        copy_busybox(root.path());
        let file = if place.is_control() { "/elsewhere/version" } else { "/elsewhere/kallsyms" };
        let container =
            place.container().rootfs_writable(root.path()).command("/busybox").args(["cat", file]);
        seen_or_refused(as_owner(container).output().map(|output| !output.stdout.is_empty()))
    })
    .must(Must::HiddenOr(&[libc::ELOOP, libc::ENOTDIR])),
    // release-agent: CVE-2022-0492.
    Check::new("release_agent", |_| {
        let (kind, target, options) = (c("cgroup"), c("/tmp"), c("none,name=cofferdam-containment"));
        let kind = kind.as_ptr() as usize;
        call(libc::SYS_mount, &[kind, target.as_ptr() as usize, kind, 0, options.as_ptr() as usize]).into()
    })
    .with(root_of_its_own)
    // The kernel forgets the hierarchy with its mount.
    .control(Control::OwnNamespaces)
    .lacking(&[(libc::ENODEV, "cgroup v1"), (libc::EINVAL, "cgroup v1")])
    .needs_root("nobody else may mount control groups outside"),
    Check::new("group_tree_of_the_second_version", |_| {
        let (kind, target) = (c("cgroup2"), c("/tmp"));
        let kind = kind.as_ptr() as usize;
        call(libc::SYS_mount, &[kind, target.as_ptr() as usize, kind, 0, 0]).into()
    })
    .control(Control::Loosened(root_of_its_own))
    .lacking(&[(libc::ENODEV, "cgroup v2")]),
    // box-files: CVE-2024-28185, CVE-2024-28189, CVE-2024-29021 (Judge0), isolate's symlinked box.
    Check::orchestrated("file_of_the_next_run_over_a_link", |place| {
        let (host, outside) = (open_directory(), open_directory());
        let victim = write_secret(outside.path(), "victim");
        // What the first run leaves.
        symlink(&victim, host.path().join("script")).expect("a link");
        if place.is_control() {
            fs::write(host.path().join("script"), "changed").expect("a link that is followed");
        } else {
            let container =
                place.container().bind_writable(host.path(), "/box").file("/box/script", "changed");
            let _ = as_owner(container).command("/bin/true").status();
        }
        Answer::seen(fs::read_to_string(&victim).is_ok_and(|text| text != SECRET))
    })
    .hidden(),
    Check::orchestrated("link_made_over_a_file", |place| {
        let (host, outside) = box_with_link(place);
        let container =
            place.container().bind_writable(host.path(), "/box").symlink("/etc", "/box/link/made");
        let _ = as_owner(container).command("/bin/true").status();
        Answer::seen(fs::symlink_metadata(outside.path().join("made")).is_ok())
    })
    .hidden(),
    // result-link: CVE-2024-42472 (flatpak), and what a service does with the output of a run.
    Check::orchestrated("bind_of_what_was_exchanged", |place| {
        let (host, outside) = (open_directory(), open_directory());
        write_secret(outside.path(), "file");
        fs::create_dir(host.path().join("result")).expect("a directory");
        set_mode(&host.path().join("result"), 0o755);
        let opened = File::open(host.path().join("result")).expect("a directory");
        // What the workload does after that.
        fs::remove_dir(host.path().join("result")).expect("an own directory");
        symlink(outside.path(), host.path().join("result")).expect("a link");
        let bind = if place.is_control() {
            Bind::read_only(host.path().join("result"), "/box")
        } else {
            Bind::read_only_fd(opened, "/box")
        };
        let container = place.container().bind(bind).command("/bin/cat").arg("/box/file");
        seen_or_refused(container.output().map(|output| output.stdout == SECRET.as_bytes()))
    })
    .must(Must::HiddenOr(&[libc::ENOENT])),
    // abstract-socket: CVE-2020-15257 (containerd-shim).
    Check::new("abstract_socket_of_a_service", |a| {
        crate::sockets::connect_abstract(libc::SOCK_STREAM, &a[0])
    })
    .scene(|_| {
        use std::os::linux::net::SocketAddrExt;
        let name = crate::scenes::unique_name();
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name);
        let listener = address.and_then(|address| std::os::unix::net::UnixListener::bind_addr(&address));
        Ok(Scene::new().arg(name).keep(listener.map_err(|error| error.to_string())?))
    })
    .with(root_of_its_own)
    .refused(&[libc::ECONNREFUSED]),
    // new-kernel-code: CVE-2022-0185 (fsconfig), CVE-2022-25636, CVE-2023-0386 and their kin.
    Check::new("kernel_code_for_root", |_| {
        let kinds = (libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as usize;
        let kind = c("tmpfs");
        let opened = call(libc::SYS_unshare, &[kinds])
            .and_then(|_| call(libc::SYS_fsopen, &[kind.as_ptr() as usize, 0]));
        opened.into()
    })
    .by_filter()
    .lacking(&[(EPERM, "user namespaces for this user")]),
    // file-handle: the "shocker" of 2014.
    Check::new("file_by_its_number", |_| {
        // The root directory of a file system, which often is number 2.
        let handle = [8u32, 1, 2, 0];
        let directory = open("/usr", libc::O_RDONLY).unwrap_or(-1) as usize;
        let opened = call(libc::SYS_open_by_handle_at, &[directory, crate::sys::at(&handle), 0]);
        Answer::reached(opened, &[libc::ESTALE, libc::EINVAL])
    })
    .with(root_of_its_own)
    .needs_root("nobody else may outside"),
    // inherited-capabilities: CVE-2022-24769 (Moby), CVE-2022-29162 (runc).
    Check::new("inheritable_capabilities", |_| {
        let set = crate::files::status_field("CapInh").unwrap_or_default();
        Answer::seen(set.chars().any(|digit| digit != '0'))
    })
    .hidden()
    .control(Control::Loosened(root_of_its_own)),
    // hostile-root: CVE-2019-14271 (docker cp), where the runtime loads the container's libraries.
    Check::orchestrated("library_of_the_root_in_init", |place| {
        let child = place.container().command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) => return Answer::Broken(error.to_string()),
        };
        let process = if place.is_control() { "self".to_owned() } else { init_of(&child) };
        match fs::read_to_string(format!("/proc/{process}/maps")) {
            Ok(maps) => Answer::seen(maps.contains("/lib")),
            Err(error) => Answer::Broken(error.to_string()),
        }
    })
    .hidden()
    .needs_root("the memory of a process that is not dumpable"),
];

/// Whether it was so; what cannot be is refused.
fn seen_or_refused(result: cofferdam::Result<bool>) -> Answer {
    match result {
        Ok(seen) => Answer::seen(seen),
        Err(error) => error.raw_os_error().map_or_else(|| Answer::Broken(error.to_string()), Answer::Refused),
    }
}

/// The process id of init, as the host has it.
fn init_of(child: &cofferdam::Child) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.unwrap_or_default().trim().to_owned()
}

/// As root of the host, where the tests run as root: what it makes on the host it could make anywhere.
fn as_owner(container: Container) -> Container {
    let mapping = cofferdam::IdMapping::Host { uid: 0, gid: 0 };
    if is_root() { container.user(0, 0).id_mapping(mapping) } else { container }
}

/// A box whose `link` leads to a directory outside it, which is the other one; in the control it lies in the box,
/// so that what is made through it is.
fn box_with_link(place: &Place) -> (tempfile::TempDir, tempfile::TempDir) {
    let host = open_directory();
    if place.is_control() {
        let inner = tempfile::Builder::new().prefix("inner").tempdir_in(host.path()).expect("a directory");
        set_mode(inner.path(), 0o777);
        let name = inner.path().file_name().expect("a name");
        symlink(name, host.path().join("link")).expect("a link");
        return (host, inner);
    }
    let outside = open_directory();
    symlink(outside.path(), host.path().join("link")).expect("a link");
    (host, outside)
}

/// Binds at a place of a box that somebody exchanges all the time for a link to the root: the bind must not lie
/// over what the container has elsewhere.
fn bind_while_exchanged(place: &Place) -> Answer {
    let (host, given) = (open_directory(), open_directory());
    write_secret(given.path(), "mark");
    let [place_of_bind, other] = ["place", "other"].map(|name| host.path().join(name));
    fs::create_dir(&place_of_bind).expect("a directory");
    fs::create_dir(place_of_bind.join("usr")).expect("a directory");
    symlink(if place.is_control() { "." } else { "/" }, &other).expect("a link");
    if place.is_control() {
        // Where there is nothing to exchange, the bind lies where it was asked for.
        let container = place.container().bind_read_only(given.path(), "/usr/local");
        return seen_or_refused(exists(container, "/usr/local/mark"));
    }
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, two) = (c(&place_of_bind.display().to_string()), c(&other.display().to_string()));
            let here = libc::AT_FDCWD as usize;
            let exchange =
                [here, one.as_ptr() as usize, here, two.as_ptr() as usize, libc::RENAME_EXCHANGE as usize];
            while !ended.load(Relaxed) {
                let _ = call(libc::SYS_renameat2, &exchange);
            }
        });
        let outside = fs::read_dir("/usr").map_or(0, Iterator::count);
        let covered = (0..20).any(|_| {
            let container = place.container().bind_writable(host.path(), "/box");
            let container = as_owner(container.bind_read_only(given.path(), "/box/place/usr"));
            let _ = container.command("/bin/true").status();
            // On the host nothing may have been mounted or made.
            fs::exists("/usr/mark").is_ok_and(|it| it)
                || fs::read_dir("/usr").map_or(0, Iterator::count) != outside
        });
        ended.store(true, Relaxed);
        Answer::seen(covered)
    })
}

fn exists(container: Container, path: &str) -> cofferdam::Result<bool> {
    container.command("/usr/bin/test").args(["-e", path]).output().map(|output| output.status.success())
}

fn copy_busybox(root: &Path) {
    // The file that is copied is not open for writing here: see `files`.
    let status = std::process::Command::new("/bin/cp").arg("/bin/busybox").arg(root.join("busybox")).status();
    let _ = status;
}

/// A container whose workload looks for anything that enters it and is not yet its own program, and takes hold of
/// it; meanwhile others enter. In the control what enters is its own child.
fn what_enters(place: &Place) -> Answer {
    let arguments = [if place.is_control() { "control".to_owned() } else { "inside".to_owned() }];
    let watched = match Neighbour::start(crate::profiles::unfiltered(Container::new()), "watch", &arguments) {
        Ok(watched) => watched,
        Err(error) => return Answer::Broken(error),
    };
    if !place.is_control() {
        for _ in 0..20 {
            let entrant = place.container().join(Namespaces::all(), &watched.child).command("/bin/true");
            if let Err(error) = entrant.status() {
                return Answer::Broken(error.to_string());
            }
        }
    }
    match watched.end() {
        Ok(caught) => Answer::seen(caught.contains("caught")),
        Err(error) => Answer::Broken(error),
    }
}

/// A part: watches for processes that enter, until its standard input ends; then says whether it has caught one.
pub fn watch(arguments: &[String]) -> Result<(Box<dyn std::any::Any>, String), i32> {
    let is_control = arguments[0] == "control";
    let wanted = if is_control { "/prober" } else { "memfd:" };
    let own = is_control.then(|| fork_sleeper().map(|child| child as u32)).transpose()?;
    let ended = Arc::new(AtomicBool::new(false));
    let shared = ended.clone();
    let watcher = std::thread::spawn(move || {
        let mut caught = false;
        while !caught && !shared.load(Relaxed) {
            caught = runs_a(wanted);
        }
        caught
    });
    Ok((Box::new(Watcher { ended, watcher: Some(watcher), own }), String::new()))
}

/// Whether there is a process but this one whose program can be seen to be that.
fn runs_a(program: &str) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut others = entries.filter(|entry| {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        number.is_some_and(|number| number != std::process::id())
    });
    others.any(|entry| {
        fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe.to_string_lossy().contains(program))
    })
}

struct Watcher {
    ended: Arc<AtomicBool>,
    watcher: Option<JoinHandle<bool>>,
    own: Option<u32>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(child) = self.own {
            // It may have been seen in a moment.
            while !runs_a("/prober") {}
            let watcher = self.watcher.take().map(JoinHandle::join);
            let _ = call(libc::SYS_kill, &[child as usize, libc::SIGKILL as usize]);
            println!("{}", if matches!(watcher, Some(Ok(true))) { "caught" } else { "nothing" });
            return;
        }
        self.ended.store(true, Relaxed);
        let caught = self.watcher.take().map(JoinHandle::join);
        println!("{}", if matches!(caught, Some(Ok(true))) { "caught" } else { "nothing" });
    }
}
