//! The terminal of whoever started the host program, handed in as a standard stream.
//!
//! The rule: a session of its own, so that no terminal controls the workload; of ioctl(2) what types into one, or
//! changes how it works, is filtered by its number alone.

use std::any::Any;

use libc::{ENOTTY, EPERM};

use crate::check::{Answer, Check, Control, Must, Place, Scene};
use crate::stay::HostProcess;
use crate::sys::{self, at, at_mut, call, open};

const STDIN: usize = 0;
/// The line discipline that every terminal has.
const N_TTY: i32 = 0;
/// What the kernel does not look at, and a filter must not either.
const GARBAGE: usize = 0xdead_beef << 32;

pub const CHECKS: &[Check] = &[
    Check::new("typed_into_a_terminal_of_another_session", |_| {
        acquire();
        type_into(libc::TIOCSTI as usize)
    })
    .scene(held_terminal)
    .lacking(LACKING_STI),
    Check::new("typed_into_a_terminal_of_nobody", |_| {
        acquire();
        type_into(libc::TIOCSTI as usize)
    })
    .scene(free_terminal)
    .by_filter()
    .lacking(LACKING_STI),
    Check::new("typed_with_high_bits", |_| {
        acquire();
        type_into(libc::TIOCSTI as usize | GARBAGE)
    })
    .scene(free_terminal)
    .by_filter()
    .lacking(LACKING_STI),
    Check::new("typed_with_a_number_like_a_negative_one", |_| {
        acquire();
        type_into(libc::TIOCSTI as usize | 0xffff_ffff << 32)
    })
    .scene(free_terminal)
    .by_filter()
    .lacking(LACKING_STI),
    Check::new("typed_into_a_terminal_of_its_own", |_| {
        // They stay open: at the end of its terminal the session would get SIGHUP.
        let typed = sys::terminal().map(|(master, slave, _)| {
            use std::os::fd::AsRawFd;
            let fd = slave.as_raw_fd() as usize;
            let _ = call(libc::SYS_setsid, &[]);
            let _ = call(libc::SYS_ioctl, &[fd, libc::TIOCSCTTY as usize, 0]);
            std::mem::forget((master, slave));
            Answer::from(call(libc::SYS_ioctl, &[fd, libc::TIOCSTI as usize, at("x")]))
        });
        typed.into()
    })
    .by_filter()
    .lacking(LACKING_STI),
    Check::new("pasted_on_a_console", |_| {
        let subcode = 11u8;
        let answer = call(libc::SYS_ioctl, &[STDIN, libc::TIOCLINUX as usize, at(&subcode)]);
        Answer::reached(answer, &[ENOTTY, libc::EINVAL])
    })
    .scene(free_terminal)
    .by_filter(),
    Check::new("pasted_with_high_bits", |_| {
        let subcode = 11u8;
        let answer = call(libc::SYS_ioctl, &[STDIN, libc::TIOCLINUX as usize | GARBAGE, at(&subcode)]);
        Answer::reached(answer, &[ENOTTY, libc::EINVAL])
    })
    .scene(free_terminal)
    .by_filter(),
    Check::new("line_discipline", |_| {
        call(libc::SYS_ioctl, &[STDIN, libc::TIOCSETD as usize, at(&N_TTY)]).into()
    })
    .scene(free_terminal)
    .by_filter(),
    Check::new("line_discipline_with_high_bits", |_| {
        call(libc::SYS_ioctl, &[STDIN, libc::TIOCSETD as usize | GARBAGE, at(&N_TTY)]).into()
    })
    .scene(free_terminal)
    .by_filter(),
    Check::new("taken_from_another_session", |_| {
        let _ = call(libc::SYS_setsid, &[]);
        call(libc::SYS_ioctl, &[STDIN, libc::TIOCSCTTY as usize, 1]).into()
    })
    .scene(held_terminal)
    .control(Control::Outside),
    Check::new("process_group_in_front", |_| {
        acquire();
        let group = call(libc::SYS_getpgid, &[0]).unwrap_or(0) as i32;
        call(libc::SYS_ioctl, &[STDIN, libc::TIOCSPGRP as usize, at(&group)]).into()
    })
    .scene(held_terminal)
    .refused(&[ENOTTY, EPERM]),
    Check::new("controlling_terminal", |_| {
        acquire();
        open("/dev/tty", libc::O_RDWR).into()
    })
    .scene(held_terminal)
    .refused(&[libc::ENXIO]),
    Check::new("terminal_of_the_host_by_its_path", |a| open(&a[0], libc::O_RDWR | libc::O_NOCTTY).into())
        .scene(|_| {
            let (master, slave, path) = sys::terminal().map_err(|errno| format!("terminals: {errno}"))?;
            Ok(Scene::new().arg(path).keep(master).keep(slave))
        })
        .refused(&[libc::ENOENT]),
    Check::new("settings_can_be_read", |_| {
        let mut settings = [0u8; 64];
        call(libc::SYS_ioctl, &[STDIN, libc::TCGETS as usize, at_mut(&mut settings)]).into()
    })
    .scene(free_terminal)
    .must(Must::Done)
    .control(Control::Tightened(|container| container.stdin(cofferdam::Stdio::null()))),
];

const LACKING_STI: &[(i32, &str)] = &[(libc::EIO, "TIOCSTI (dev.tty.legacy_tiocsti is 0)")];

/// A terminal that controls nobody, as standard input.
fn free_terminal(_: &Place) -> Result<Scene, String> {
    let (master, slave, _) = sys::terminal().map_err(|errno| format!("terminals: {errno}"))?;
    Ok(Scene::new().stdin(slave).keep(master))
}

/// A terminal that controls a session of the host; for the control, one that is free.
fn held_terminal(place: &Place) -> Result<Scene, String> {
    if place.is_control() {
        return free_terminal(place);
    }
    let (master, slave, path) = sys::terminal().map_err(|errno| format!("terminals: {errno}"))?;
    let holder = HostProcess::start("terminal", &[path])?;
    Ok(Scene::new().stdin(slave).keep(master).keep(holder))
}

/// A part: has a session that a terminal controls.
pub fn hold(arguments: &[String]) -> Result<(Box<dyn Any>, String), i32> {
    call(libc::SYS_setsid, &[])?;
    let terminal = open(&arguments[0], libc::O_RDWR)?;
    call(libc::SYS_ioctl, &[terminal as usize, libc::TIOCSCTTY as usize, 0])?;
    Ok((Box::new(sys::owned(terminal)), String::new()))
}

/// Makes standard input the terminal that controls this process, where that is possible.
fn acquire() {
    let _ = call(libc::SYS_setsid, &[]);
    let _ = call(libc::SYS_ioctl, &[STDIN, libc::TIOCSCTTY as usize, 0]);
}

fn type_into(command: usize) -> Answer {
    call(libc::SYS_ioctl, &[STDIN, command, at("x")]).into()
}
