//! Descriptors that the host program has open without `FD_CLOEXEC`, and what the launcher uses.
//!
//! The rule: the launcher inherits two descriptors, and closes all but the three streams and those given.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};

use libc::EBADF;

use crate::check::{Answer, Check, Control, Must, Place, Scene};
use crate::scenes::{open_directory, write_secret};
use crate::sys::{at_mut, call, open};

/// Descriptors that the kernel gives to a child: leaked by carelessness.
fn leak(fd: impl Into<OwnedFd>) -> OwnedFd {
    // dup(2) leaves out FD_CLOEXEC.
    nix::unistd::dup(fd.into()).expect("a duplicate")
}

fn leaked_file(_: &Place) -> Result<Scene, String> {
    let directory = open_directory();
    let leaked = leak(File::open(write_secret(directory.path(), "secret")).expect("an own file"));
    Ok(Scene::new().arg(leaked.as_raw_fd()).keep(leaked).keep(directory))
}

fn leaked_directory(_: &Place) -> Result<Scene, String> {
    let directory = open_directory();
    write_secret(directory.path(), "secret");
    let leaked = leak(File::open(directory.path()).expect("an own directory"));
    Ok(Scene::new().arg(leaked.as_raw_fd()).keep(leaked).keep(directory))
}

fn leaked_socket(_: &Place) -> Result<Scene, String> {
    let (one, other) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let leaked = leak(one);
    Ok(Scene::new().arg(leaked.as_raw_fd()).keep(leaked).keep(other))
}

fn leaked_namespace(_: &Place) -> Result<Scene, String> {
    let leaked = leak(File::open("/proc/self/ns/mnt").map_err(|error| error.to_string())?);
    Ok(Scene::new().arg(leaked.as_raw_fd()).keep(leaked))
}

fn number(arguments: &[String]) -> usize {
    arguments[0].parse().expect("a number")
}

pub const CHECKS: &[Check] = &[
    Check::new("leaked_file", |a| {
        let mut buffer = [0u8; 8];
        call(libc::SYS_read, &[number(a), at_mut(&mut buffer), 8]).into()
    })
    .scene(leaked_file)
    .refused(&[EBADF]),
    Check::new("leaked_file_by_its_link", |a| {
        open(&format!("/proc/self/fd/{}", a[0]), libc::O_RDONLY).into()
    })
    .scene(leaked_file)
    .refused(&[libc::ENOENT]),
    Check::new("leaked_directory", |a| call(libc::SYS_fchdir, &[number(a)]).into())
        .scene(leaked_directory)
        .refused(&[EBADF]),
    Check::new("path_below_a_leaked_directory", |a| {
        crate::sys::open_at(number(a) as i32, "secret", libc::O_RDONLY).into()
    })
    .scene(leaked_directory)
    .refused(&[EBADF]),
    Check::new("leaked_socket", |a| {
        let byte = [b'x'];
        call(libc::SYS_write, &[number(a), crate::sys::at(&byte), 1]).into()
    })
    .scene(leaked_socket)
    .refused(&[EBADF]),
    Check::new("leaked_namespace", |a| call(libc::SYS_fcntl, &[number(a), libc::F_GETFD as usize]).into())
        .scene(leaked_namespace)
        .refused(&[EBADF]),
    Check::new("any_beyond_the_streams", |_| {
        Answer::seen((3..4096).any(|fd| call(libc::SYS_fcntl, &[fd, libc::F_GETFD as usize]).is_ok()))
    })
    .scene(leaked_file)
    .hidden(),
    Check::new("listed_in_proc", |_| {
        let numbers = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let beyond = |name: &str| name.parse::<u32>().is_ok_and(|number| number > 3);
        Answer::seen(numbers.into_iter().any(|entry| entry.file_name().to_str().is_some_and(beyond)))
    })
    .scene(leaked_file)
    .hidden(),
    Check::new("program_of_the_launcher", |_| {
        let links = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let shows = |link: std::path::PathBuf| {
            let text = link.display().to_string();
            text.contains("memfd:") || text.contains("socket:") || text.contains("namespace")
        };
        Answer::seen(links.into_iter().any(|entry| fs::read_link(entry.path()).is_ok_and(shows)))
    })
    .hidden()
    .scene(leaked_socket),
    Check::new("read_only_descriptor_is_written", |_| {
        let byte = [b'x'];
        call(libc::SYS_write, &[5, crate::sys::at(&byte), 1]).into()
    })
    .scene(|place| {
        let directory = open_directory();
        let path = write_secret(directory.path(), "given");
        let writable = place.is_control();
        let scene = Scene::new().keep(directory);
        Ok(scene.container(move |container| {
            let file = File::options().read(true).write(writable).open(&path).expect("an own file");
            container.fd(5, file)
        }))
    })
    .refused(&[EBADF])
    .control(Control::Loosened(|container| container)),
    Check::new("given_descriptor_arrives", |_| {
        let mut buffer = [0u8; 8];
        call(libc::SYS_read, &[5, at_mut(&mut buffer), 8]).into()
    })
    .scene(|place| {
        let directory = open_directory();
        let path = write_secret(directory.path(), "given");
        let number = if place.is_control() { 6 } else { 5 };
        let scene = Scene::new().keep(directory);
        Ok(scene.container(move |container| container.fd(number, File::open(&path).expect("an own file"))))
    })
    .must(Must::Done)
    .control(Control::Tightened(|container| container)),
];
