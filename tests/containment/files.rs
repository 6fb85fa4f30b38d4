//! Files of the host: out of reach but for the read-only view, and what is read-only is so for submounts, too.
//!
//! The rule: the root file system is put together from nothing; everything bound is read-only, without
//! set-user-ID and devices, by mount_setattr(2) with all that is below; pivot_root(2) drops the rest.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use cofferdam::{Capabilities, Container, IdMap, IdMapping, Tmpfs};
use libc::{EACCES, ENOENT, EPERM, EROFS};

use crate::check::{Answer, Check, Control, Must, Place, Scene, is_root};
use crate::namespaces::ADMIN;
use crate::scenes::{open_directory, read_only_box, secret_file, set_mode, unique_name, write_secret};
use crate::sys::{at, at_mut, c, call, call_at, call_path, in_child, open};

/// Of the machine's own files: a place that the view leaves out.
macro_rules! absent {
    ($name:literal, $path:literal) => {
        Check::new($name, |_| open($path, libc::O_PATH).into())
            .refused(&[ENOENT])
            .lacking(&[(ENOENT, concat!("a file ", $path))])
    };
}

/// A change of the bind at `/box`, which everybody could make were it writable.
macro_rules! read_only {
    ($name:literal, $act:expr) => {
        Check::new($name, $act).scene(read_only_box).refused(&[EROFS])
    };
}

/// A place of the container where nothing can be made, but for one that has a tmpfs there.
macro_rules! sealed {
    ($name:literal, $path:literal) => {
        Check::new($name, |_| create(concat!($path, "/made")))
            .refused(&[EROFS])
            .control(Control::Loosened(|container| container.tmpfs(Tmpfs::new($path))))
    };
}

pub const CHECKS: &[Check] = &[
    Check::new("file_by_its_path", |a| open(&a[0], libc::O_RDONLY).into())
        .scene(secret_file)
        .refused(&[ENOENT]),
    Check::new("file_by_a_path_above_the_root", |a| {
        open(&format!("/{}{}", "../".repeat(40), a[0].trim_start_matches('/')), libc::O_RDONLY).into()
    })
    .scene(secret_file)
    .refused(&[ENOENT]),
    Check::new("file_through_the_root_link", |a| {
        open(&format!("/proc/self/root{}", a[0]), libc::O_RDONLY).into()
    })
    .scene(secret_file)
    .refused(&[ENOENT]),
    Check::new("file_through_the_working_directory_link", |a| {
        open(&format!("/proc/self/cwd/{}{}", "../".repeat(40), a[0].trim_start_matches('/')), 0).into()
    })
    .scene(secret_file)
    .refused(&[ENOENT]),
    Check::new("directory_above_a_bind", |a| {
        // Inside the bind is at /box; outside it is where the scene made it.
        let above = if std::process::id() == 2 { "/box/.." } else { &a[1] };
        open(&format!("{above}/{}", a[0]), libc::O_RDONLY).into()
    })
    .scene(|_| {
        let directory = open_directory();
        write_secret(directory.path(), "beside");
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).expect("a directory");
        let above = directory.path().display().to_string();
        let scene = Scene::new().arg("beside").arg(above).keep(directory);
        Ok(scene.container(move |container| container.bind_read_only(&inner, "/box")))
    })
    .refused(&[ENOENT]),
    absent!("home_directories", "/home"),
    absent!("home_of_root", "/root"),
    absent!("run_time_files", "/run/lock"),
    absent!("shadow_passwords", "/etc/shadow"),
    absent!("configuration", "/etc/fstab"),
    absent!("host_name", "/etc/hostname"),
    absent!("variable_files", "/var/lib"),
    absent!("boot_files", "/boot"),
    absent!("kernel_objects", "/sys/kernel"),
    absent!("control_groups", "/sys/fs/cgroup"),
    absent!("optional_software", "/opt"),
    absent!("machine_identity", "/etc/machine-id"),
    Check::new("accounts", |a| Answer::seen(fs::read_to_string("/etc/passwd").is_ok_and(|t| t == a[0])))
        .scene(|_| Ok(Scene::new().arg(fs::read_to_string("/etc/passwd").map_err(|e| e.to_string())?)))
        .hidden(),
    sealed!("root_file_system_is_sealed", "/run"),
    sealed!("etc_is_sealed", "/etc"),
    sealed!("usr_is_sealed", "/usr/local"),
    sealed!("dev_is_sealed", "/dev"),
    read_only!("create", |a| create(&format!("{}/new", a[0]))),
    read_only!("write", |a| open(&a[1], libc::O_WRONLY).into()),
    read_only!("truncate", |a| call_path(libc::SYS_truncate, &a[1], &[0]).into()),
    read_only!("remove", |a| call_at(libc::SYS_unlinkat, &a[1], &[0]).into()),
    read_only!("rename", |a| rename(&a[1], &format!("{}/other", a[0]))),
    read_only!("link", |a| link(&a[1], &format!("{}/other", a[0]))),
    read_only!("symbolic_link", |a| {
        let target = c("/");
        let path = c(&format!("{}/link", a[0]));
        let number = libc::SYS_symlinkat;
        call(number, &[target.as_ptr() as usize, AT_FDCWD, path.as_ptr() as usize]).into()
    }),
    read_only!("make_directory", |a| {
        call_at(libc::SYS_mkdirat, &format!("{}/directory/new", a[0]), &[0o777]).into()
    }),
    read_only!("touch", |a| call_at(libc::SYS_utimensat, &a[1], &[0, 0]).into()),
    read_only!("make_fifo", |a| {
        call_at(libc::SYS_mknodat, &format!("{}/fifo", a[0]), &[(libc::S_IFIFO | 0o600) as usize, 0]).into()
    }),
    Check::new("change_mode", |a| call_at(libc::SYS_fchmodat, &a[1], &[0o600]).into())
        .scene(read_only_box)
        .refused(&[EROFS]),
    Check::new("set_attribute", |a| {
        let name = c("user.mark");
        call_path(libc::SYS_setxattr, &a[1], &[name.as_ptr() as usize, at("x"), 1, 0]).into()
    })
    .scene(read_only_box)
    .refused(&[EROFS])
    .lacking(&[(libc::EOPNOTSUPP, "attributes of files")]),
    Check::new("write_through_a_descriptor_link", |a| {
        let outcome =
            open(&a[1], libc::O_RDONLY).and_then(|fd| open(&format!("/proc/self/fd/{fd}"), libc::O_WRONLY));
        outcome.into()
    })
    .scene(read_only_box)
    .refused(&[EROFS]),
    Check::new("submount_of_a_read_only_bind", |a| create(&format!("{}/shm/{}", a[0], a[1])))
        .scene(|place| {
            let seen = if place.is_control() { "/dev" } else { "/host-dev" };
            let scene = Scene::new().arg(seen).arg(unique_name());
            Ok(scene.container(|container| container.bind_read_only("/dev", "/host-dev")))
        })
        .refused(&[EROFS])
        .lacking(&[(ENOENT, "a mount below /dev")]),
    Check::new("writable_bind_is_writable", |a| create(&a[0]))
        .scene(|_| {
            let directory = open_directory();
            let path = directory.path().to_owned();
            let scene = Scene::new().arg("/box/made").keep(directory);
            Ok(scene.container(move |container| container.bind_writable(&path, "/box")))
        })
        .must(Must::Done)
        .control(Control::Tightened(|container| container.tmpfs(Tmpfs::new("/box").mode(0o555).size(4096)))),
    Check::new("tmp_is_writable", |_| create("/tmp/made"))
        .must(Must::Done)
        .control(Control::Tightened(|container| container.tmp_size(0))),
    Check::new("shared_memory_is_writable", |_| create("/dev/shm/made"))
        .must(Must::Done)
        .control(Control::Tightened(|container| container.dev(false))),
    Check::new("usr_is_readable", |_| open("/usr/bin/env", libc::O_RDONLY).into())
        .must(Must::Done)
        .control(Control::Tightened(|container| container.tmpfs(Tmpfs::new("/usr/bin").size(4096)))),
    Check::new("tmp_of_the_host", |a| open(&a[0], libc::O_RDONLY).into())
        .scene(|_| {
            let file = tempfile::Builder::new().prefix("cofferdam").tempfile_in("/tmp").map_err(text)?;
            set_mode(file.path(), 0o666);
            Ok(Scene::new().arg(file.path().display()).keep(file))
        })
        .refused(&[ENOENT]),
    Check::new("write_to_tmp_of_the_host", |a| open(&a[0], libc::O_WRONLY | libc::O_CREAT).into())
        .scene(|_| {
            let path = format!("/tmp/{}", unique_name());
            let made = Removed(path.clone());
            Ok(Scene::new().arg(&path).effect(move || fs::exists(&path).is_ok_and(|it| it)).keep(made))
        })
        .hidden(),
    Check::new("shared_memory_of_the_host", |a| open(&a[0], libc::O_RDONLY).into())
        .scene(|_| {
            let file = tempfile::Builder::new().prefix("cofferdam").tempfile_in("/dev/shm").map_err(text)?;
            set_mode(file.path(), 0o666);
            Ok(Scene::new().arg(file.path().display()).keep(file))
        })
        .refused(&[ENOENT]),
    Check::new("file_of_another_user", |a| open(&a[0], libc::O_RDONLY).into())
        .scene(|place| {
            let directory = open_directory();
            let path = write_secret(directory.path(), "private");
            set_mode(&path, 0o600);
            let seen = if place.is_control() { path.display().to_string() } else { "/box/private".into() };
            let bound = directory.path().to_owned();
            let scene = Scene::new().arg(seen).keep(directory);
            Ok(scene.container(move |container| container.bind_read_only(&bound, "/box")))
        })
        .refused(&[EACCES])
        .needs_root("an ordinary user's workload may read what the user may"),
    Check::new("set_user_id_program", |a| run_again("set_user_id_program", a))
        .scene(|place| special_program(place, |path| set_mode(path, 0o4755)))
        .with(with_ids_of_the_program)
        .hidden()
        .needs_root("a program of another user"),
    Check::new("set_group_id_program", |a| run_again("set_group_id_program", a))
        .scene(|place| special_program(place, |path| set_mode(path, 0o2755)))
        .with(with_ids_of_the_program)
        .hidden()
        .needs_root("a program of another group"),
    Check::new("program_with_capabilities", |a| run_again("program_with_capabilities", a))
        .scene(|place| special_program(place, give_capabilities))
        .hidden()
        .needs_root("a file with capabilities"),
    Check::new("mounts_all_ignore_set_user_id", |_| without_flag(libc::MS_NOSUID)).hidden(),
    Check::new("mounts_ignore_devices", |_| without_flag(libc::MS_NODEV))
        .with(|container| container.dev(false).bind_read_only("/dev", "/host-dev"))
        .hidden(),
    Check::new("mounts_of_the_host_are_read_only", writable_mounts).hidden(),
    Check::new("remount_writable", |_| remount("/box"))
        .scene(read_only_box)
        .control(Control::Loosened(|container| container.user(0, 0).capabilities(Capabilities::all()))),
    Check::new("attributes_of_a_mount", |_| set_attributes("/box"))
        .scene(read_only_box)
        .control(Control::Loosened(|container| container.user(0, 0).capabilities(Capabilities::all()))),
    Check::new("change_of_root_directory", |_| call_path(libc::SYS_chroot, "/tmp", &[]).into())
        .control(ADMIN),
    Check::new("root_that_was_left", |_| {
        Answer::seen(
            fs::exists("/oldroot").is_ok_and(|it| it) || mount_points().iter().any(|p| p.contains("old")),
        )
    })
    .hidden()
    .control(Control::Loosened(|container| container.tmpfs(Tmpfs::new("/oldroot")))),
    Check::new("program_in_shared_memory", |_| execute_copy("/dev/shm/program"))
        .refused(&[EACCES])
        .control(Control::Loosened(|container| container.tmpfs(Tmpfs::new("/dev/shm"))))
        .forks(),
    Check::new("program_in_tmp_runs", |_| execute_copy("/tmp/program"))
        .must(Must::Done)
        .control(Control::Tightened(|container| container.tmp_size(0)))
        .forks(),
    Check::new("file_by_its_handle", file_by_handle)
        .control(Control::Loosened(|container| container.user(0, 0).capabilities(Capabilities::all())))
        .lacking(&[
            (EPERM, "open_by_handle_at in a user namespace, before Linux 6.12"),
            (libc::EOPNOTSUPP, "handles of files"),
        ]),
];

const AT_FDCWD: usize = libc::AT_FDCWD as usize;

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Creates a file, which it removes.
pub fn create(path: &str) -> Answer {
    let made = open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL);
    if made.is_ok() {
        let _ = call_at(libc::SYS_unlinkat, path, &[0]);
    }
    made.into()
}

fn rename(from: &str, to: &str) -> Answer {
    let to = c(to);
    call_at(libc::SYS_renameat2, from, &[AT_FDCWD, to.as_ptr() as usize, 0]).into()
}

fn link(from: &str, to: &str) -> Answer {
    let to = c(to);
    call_at(libc::SYS_linkat, from, &[AT_FDCWD, to.as_ptr() as usize, 0]).into()
}

/// Removes a file in the end, if there is one.
pub struct Removed(pub String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// First of the ids on the host that containers of [`with_ids_of_the_program`] have.
const FIRST_ID: u32 = 230_000;

/// A container in which the owner of [`special_program`] has an id, and is not the workload.
fn with_ids_of_the_program(container: Container) -> Container {
    let range = IdMap { inside: 0, outside: FIRST_ID, count: 100 };
    let mapping = IdMapping::Ranges { uids: vec![range], gids: vec![range] };
    container.id_mapping(mapping).user(5, 5)
}

/// A program of another user, made special: this one, so that it can say what it has become.
fn special_program(place: &Place, make_special: fn(&Path)) -> Result<Scene, String> {
    let directory = open_directory();
    let path = directory.path().join("program");
    let own = std::env::current_exe().expect("this program");
    // By another process: nobody may execute what is open for writing, be it in a child of another thread.
    let status = std::process::Command::new("/bin/cp").arg(own).arg(&path).status().expect("/bin/cp");
    assert!(status.success(), "{status}");
    std::os::unix::fs::chown(&path, Some(FIRST_ID + 7), Some(FIRST_ID + 7)).map_err(text)?;
    set_mode(&path, 0o755);
    make_special(&path);
    let seen = if place.is_control() { path.display().to_string() } else { "/box/program".into() };
    let bound = directory.path().to_owned();
    let scene = Scene::new().arg(seen).keep(directory);
    Ok(scene.container(move |container| container.bind_read_only(&bound, "/box")))
}

fn give_capabilities(path: &Path) {
    /// Version 2, effective; CAP_SETUID permitted.
    const CAPABILITIES: [u32; 5] = [0x0200_0001, 1 << 7, 0, 0, 0];
    let name = c("security.capability");
    let value = [name.as_ptr() as usize, at(&CAPABILITIES), 20, 0];
    // Where that is not possible the control shows it.
    let _ = call_path(libc::SYS_setxattr, &path.display().to_string(), &value);
}

/// Outside becomes nobody; then becomes the program, which says whether it has gained anything by that.
fn run_again(check: &str, arguments: &[String]) -> Answer {
    const AGAIN: &str = "again";
    if arguments[0] == AGAIN {
        return Answer::seen(has_gained());
    }
    if is_root() {
        const NOBODY: usize = 65_534;
        let _ = call(libc::SYS_setgroups, &[0, 0]);
        let _ = call(libc::SYS_setresgid, &[NOBODY; 3]);
        let _ = call(libc::SYS_setresuid, &[NOBODY; 3]);
    }
    let mut program = std::process::Command::new(&arguments[0]);
    let refused = program.args(["probe", &format!("files::{check}"), "inside", AGAIN]).exec();
    Answer::Refused(refused.raw_os_error().unwrap_or(0))
}

/// Whether this program is more than the user who started it.
fn has_gained() -> bool {
    let ids = |number: i64| call(number, &[]);
    ids(libc::SYS_geteuid) != ids(libc::SYS_getuid)
        || ids(libc::SYS_getegid) != ids(libc::SYS_getgid)
        || status_field("CapEff").is_some_and(|set| set.chars().any(|digit| digit != '0'))
}

/// A field of this process's `/proc/self/status`.
pub fn status_field(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.map(|value| value.trim().to_owned())
}

fn mount_lines() -> Vec<Vec<String>> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

fn mount_points() -> Vec<String> {
    mount_lines().into_iter().map(|fields| fields[4].clone()).collect()
}

/// Whether there is a mount without this flag.
fn without_flag(flag: u64) -> Answer {
    let lacks = |path: &String| {
        let mut found = [0u64; 15];
        let known = call_path(libc::SYS_statfs, path, &[at_mut(&mut found)]);
        // f_flags is the eleventh field; their numbers are those of the mount flags.
        known.is_ok() && found[10] & flag == 0
    };
    // Nodes are mounted one by one, and terminals are devices.
    let is_tree = |path: &&String| fs::metadata(path).is_ok_and(|it| it.is_dir()) && *path != "/dev/pts";
    Answer::seen(mount_points().iter().filter(is_tree).any(lacks))
}

/// Whether a file system of the host, one that it has on a device, is writable.
fn writable_mounts(_: &[String]) -> Answer {
    let of_the_host = |fields: &Vec<String>| {
        let own = ["proc", "tmpfs", "devpts", "mqueue", "devtmpfs"];
        let kind = fields.iter().skip_while(|field| *field != "-").nth(1);
        kind.is_some_and(|kind| !own.contains(&kind.as_str()))
    };
    let is_writable = |fields: &Vec<String>| fields[5].split(',').any(|option| option == "rw");
    Answer::seen(mount_lines().iter().any(|fields| of_the_host(fields) && is_writable(fields)))
}

fn remount(path: &str) -> Answer {
    let path = c(path);
    let flags = libc::MS_REMOUNT | libc::MS_BIND;
    call(libc::SYS_mount, &[0, path.as_ptr() as usize, 0, flags as usize, 0]).into()
}

/// mount_setattr(2) that takes away read-only.
fn set_attributes(path: &str) -> Answer {
    let attributes = [0u64, libc::MOUNT_ATTR_RDONLY, 0, 0];
    call_at(libc::SYS_mount_setattr, path, &[0, at(&attributes), 32]).into()
}

/// Copies a program and runs it in a child.
fn execute_copy(path: &str) -> Answer {
    let Ok(program) = fs::read("/usr/bin/true") else { return Answer::Broken("/usr/bin/true".into()) };
    if let Err(error) = fs::write(path, program) {
        return Answer::Refused(error.raw_os_error().unwrap_or(0));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("an own file");
    let status = in_child(|| {
        let program = c(path);
        let arguments = [program.as_ptr() as usize, 0];
        let refused = call(libc::SYS_execve, &[program.as_ptr() as usize, at(&arguments), at(&arguments[1])]);
        refused.err().unwrap_or(0)
    });
    match status {
        Ok(0) => Answer::Done,
        Ok(status) => Answer::Refused(libc::WEXITSTATUS(status as i32)),
        Err(errno) => Answer::Refused(errno),
    }
}

/// Opens a file of /tmp past its path.
fn file_by_handle(_: &[String]) -> Answer {
    let _ = open("/tmp/by-handle", libc::O_WRONLY | libc::O_CREAT);
    let mut handle = [0u32; 34];
    handle[0] = 128;
    let mut mount = 0i32;
    let place = [at_mut(&mut handle), at_mut(&mut mount), 0];
    let named = call_at(libc::SYS_name_to_handle_at, "/tmp/by-handle", &place);
    let directory = open("/tmp", libc::O_RDONLY).unwrap_or(-1) as usize;
    named.and_then(|_| call(libc::SYS_open_by_handle_at, &[directory, at(&handle), 0])).into()
}
