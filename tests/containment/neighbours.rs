//! Two containers whose workloads are the same user on the host: what one has, the other cannot reach.
//!
//! The rule: what separates containers is their namespaces, and not that their ids differ.

use std::any::Any;
use std::fs;

use cofferdam::{Container, IdMapping, Namespaces};
use libc::{ECONNREFUSED, EINVAL, ENOENT, EPERM, ESRCH};

use crate::check::{Answer, Check, Control, Must, Place, Scene, is_root};
use crate::processes::{nice_value, pid};
use crate::scenes::{SECRET, unique_name};
use crate::sockets::{connect_abstract, connect_inet};
use crate::stay::Neighbour;
use crate::sys::{at, at_mut, c, call, open};
use crate::{keyrings, profiles};

/// The one user on the host that both are.
fn same_user(container: Container) -> Container {
    const ID: u32 = 212_345;
    if is_root() { container.id_mapping(IdMapping::Host { uid: ID, gid: ID }) } else { container }
}

/// Another container, of the same user, which plays a part. In the control the prober joins it.
fn neighbour(place: &Place, part: &str, arguments: &[String]) -> Result<(Scene, String), String> {
    let container = same_user(profiles::unfiltered(Container::new()));
    let neighbour = Neighbour::start(container, part, arguments)?;
    let (id, said) = (neighbour.child.id(), neighbour.said.clone());
    let scene = Scene::new().arg(id);
    let scene = if place.is_control() {
        let pidfd = neighbour.child.pidfd().try_clone_to_owned().map_err(|error| error.to_string())?;
        // The kinds that make the difference; the files stay the prober's own.
        let kinds = Namespaces::USER | Namespaces::PID | Namespaces::NET | Namespaces::IPC;
        scene.container(move |container| {
            let pidfd = pidfd.try_clone().expect("a duplicate");
            container.join(kinds, pidfd).id_mapping(IdMapping::Single)
        })
    } else {
        scene.container(same_user)
    };
    Ok((scene.keep(neighbour), said))
}

/// As the host numbers it, or, where it is joined, as the neighbour itself does.
fn process(place: &Place) -> Result<Scene, String> {
    let (mut scene, address) = neighbour(place, "idle", &[SECRET.into()])?;
    if place.is_control() {
        scene.arguments[0] = "2".into();
    }
    Ok(scene.arg(address))
}

fn objects(place: &Place) -> Result<Scene, String> {
    let name = unique_name();
    // Two containers have processes of the same number, and yet must not have the same keys by accident.
    let key = (std::process::id() as usize & 0xffff) << 8;
    let (scene, said) = neighbour(place, "ipc", &[name.clone(), key.to_string()])?;
    let scene = said.split(' ').fold(scene, |scene, word| scene.arg(word));
    Ok(scene.arg(name))
}

const JOINED: Control = Control::Loosened(|container| container);
const NOT_THERE: &[i32] = &[ESRCH, EPERM];

fn number(arguments: &[String], index: usize) -> usize {
    arguments[index].parse().unwrap_or(0)
}

pub const CHECKS: &[Check] = &[
    Check::new("signal", |a| call(libc::SYS_kill, &[pid(a), 0]).into())
        .scene(process)
        .refused(&[ESRCH])
        .control(JOINED),
    Check::new("pidfd", |a| call(libc::SYS_pidfd_open, &[pid(a), 0]).into())
        .scene(process)
        .refused(&[ESRCH])
        .control(JOINED),
    Check::new("directory_in_proc", |a| open(&format!("/proc/{}/status", a[0]), libc::O_RDONLY).into())
        .scene(process)
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("environment", |a| open(&format!("/proc/{}/environ", a[0]), libc::O_RDONLY).into())
        .scene(process)
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("ptrace", |a| call(libc::SYS_ptrace, &[0x4206, pid(a), 0, 0]).into())
        .scene(process)
        .refused(NOT_THERE)
        .control(JOINED),
    Check::new("memory", |a| {
        let mut buffer = [0u8; SECRET.len()];
        let (own, other) = ([at_mut(&mut buffer), SECRET.len()], [number(a, 1), SECRET.len()]);
        let read = call(libc::SYS_process_vm_readv, &[pid(a), at(&own), 1, at(&other), 1, 0]);
        read.map(|_| Answer::seen(buffer == *SECRET.as_bytes())).into()
    })
    .scene(process)
    .refused(NOT_THERE)
    .control(JOINED),
    Check::new("files_through_its_root", |a| open(&format!("/proc/{}/root/tmp", a[0]), libc::O_PATH).into())
        .scene(process)
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("nice_value", |a| call(libc::SYS_setpriority, &[0, pid(a), 5]).into())
        .scene(process)
        .refused(&[ESRCH])
        .control(JOINED),
    Check::new("nice_value_of_all_of_the_user", |_| {
        const PRIO_USER: usize = 2;
        // Refused by init, if by nobody else: the effect tells.
        let _ = call(libc::SYS_setpriority, &[PRIO_USER, 0, 5]);
        Answer::Done
    })
    .scene(|place| {
        let (scene, _) = neighbour(place, "idle", &[SECRET.into()])?;
        let number = scene.arguments[0].clone();
        Ok(scene.effect(move || nice_value(&number) == Some(5)))
    })
    .hidden()
    .control(JOINED),
    Check::new("resource_limit", |a| call(libc::SYS_prlimit64, &[pid(a), 7, 0, 0]).into())
        .scene(process)
        .refused(NOT_THERE)
        .control(JOINED),
    Check::new("abstract_socket", |a| connect_abstract(libc::SOCK_STREAM, &a[1]))
        .scene(|place| {
            let name = unique_name();
            let (scene, _) = neighbour(place, "abstract-socket", std::slice::from_ref(&name))?;
            Ok(scene.arg(name))
        })
        .refused(&[ECONNREFUSED])
        .control(JOINED),
    Check::new("listening_port", |a| connect_inet(libc::AF_INET, libc::SOCK_STREAM, &a[1]))
        .scene(|place| {
            let (scene, port) = neighbour(place, "port", &[])?;
            Ok(scene.arg(port))
        })
        .refused(&[ECONNREFUSED])
        .control(JOINED),
    Check::new("shared_memory", |a| call(libc::SYS_shmget, &[number(a, 1), 0, 0]).into())
        .scene(objects)
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("semaphores", |a| call(libc::SYS_semget, &[number(a, 1), 0, 0]).into())
        .scene(objects)
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("messages", |a| call(libc::SYS_msgget, &[number(a, 1), 0]).into())
        .scene(objects)
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("messages_by_number", |a| {
        let mut state = [0u64; 32];
        call(libc::SYS_msgctl, &[number(a, 4), libc::IPC_STAT as usize, at_mut(&mut state)]).into()
    })
    .scene(objects)
    .refused(&[EINVAL, libc::EIDRM])
    .control(JOINED),
    Check::new("message_queue", |a| {
        let name = c(&a[5]);
        call(libc::SYS_mq_open, &[name.as_ptr() as usize, libc::O_RDONLY as usize, 0, 0]).into()
    })
    .scene(objects)
    .refused(&[ENOENT])
    .control(JOINED)
    .lacking(&[(libc::ENOSYS, "message queues")]),
    Check::new("file_in_tmp", |a| open(&a[1], libc::O_RDONLY).into())
        .scene(|place| file_of_neighbour(place, "/tmp"))
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("file_in_shared_memory", |a| open(&a[1], libc::O_RDONLY).into())
        .scene(|place| file_of_neighbour(place, "/dev/shm"))
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("terminal", |a| open(&a[1], libc::O_RDWR | libc::O_NOCTTY).into())
        .scene(|place| file_of_neighbour(place, "/dev/pts"))
        .refused(&[ENOENT])
        .control(JOINED),
    Check::new("lock_on_a_file_of_the_host", |_| try_lock(LOCKED))
        .scene(|place| neighbour(place, "lock", &[LOCKED.into()]).map(|(scene, _)| scene))
        .must(Must::Open("flock(2) on a file that both may read belongs to the host's file")),
    Check::new("key", |a| keyrings::describe(&a[1..]))
        .scene(|place| {
            let (scene, key) = neighbour(place, "key", &[]).map_err(|_| "keyrings".to_owned())?;
            Ok(scene.arg(key))
        })
        .by_filter()
        .control(JOINED)
        .lacking(&[(libc::ENOSYS, "keyrings")]),
];

/// A file of the host that every container has.
const LOCKED: &str = "/usr/bin/env";

/// Whether somebody else's lock on a file is to be noticed.
fn try_lock(path: &str) -> Answer {
    let lock = |fd| call(libc::SYS_flock, &[fd as usize, (libc::LOCK_EX | libc::LOCK_NB) as usize]);
    match open(path, libc::O_RDONLY).and_then(lock) {
        Err(libc::EWOULDBLOCK) => Answer::Done,
        Ok(_) => Answer::Hidden,
        Err(errno) => Answer::Refused(errno),
    }
}

/// A part: holds a lock on a file.
pub fn hold_lock(arguments: &[String]) -> Result<(Box<dyn Any>, String), i32> {
    let file = open(&arguments[0], libc::O_RDONLY)?;
    call(libc::SYS_flock, &[file as usize, (libc::LOCK_SH) as usize])?;
    Ok((Box::new(crate::sys::owned(file)), String::new()))
}

/// A file of a neighbour, by its path; in the control the mounts are the neighbour's, too.
fn file_of_neighbour(place: &Place, directory: &str) -> Result<Scene, String> {
    let path = format!("{directory}/{}", unique_name());
    let (scene, said) = neighbour(place, "file", &[path])?;
    if !place.is_control() {
        return Ok(scene.arg(said));
    }
    // Seen through the neighbour's root, which whoever shares its processes may enter.
    Ok(scene.arg(format!("/proc/2/root{said}")))
}

/// A part: has a file, which it says the path of; in `/dev/pts` a terminal, whose number is its name.
pub fn hold_file(arguments: &[String]) -> Result<(Box<dyn Any>, String), i32> {
    if arguments[0].starts_with("/dev/pts") {
        let (master, slave, path) = crate::sys::terminal()?;
        return Ok((Box::new((master, slave)), path));
    }
    fs::write(&arguments[0], SECRET).map_err(|error| error.raw_os_error().unwrap_or(0))?;
    Ok((Box::new(()), arguments[0].clone()))
}
