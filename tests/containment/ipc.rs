//! System V IPC and POSIX message queues.
//!
//! The rule: an IPC namespace of its own, and a `/dev/shm` of its own.

use std::any::Any;

use libc::{EINVAL, ENOENT};

use crate::check::{Check, Place, Scene};
use crate::scenes::unique_name;
use crate::stay::HostProcess;
use crate::sys::{at, at_mut, c, call};

/// What a process of the host has is a key for all three kinds, their numbers, and the name of a queue.
fn objects(_: &Place) -> Result<Scene, String> {
    let name = unique_name();
    let holder = HostProcess::start("ipc", std::slice::from_ref(&name))?;
    let said = holder.said.split(' ').map(str::to_owned);
    let scene = said.fold(Scene::new(), |scene, word| scene.arg(word));
    Ok(scene.arg(name).keep(holder))
}

fn number(arguments: &[String], index: usize) -> usize {
    arguments[index].parse().unwrap_or(0)
}

pub const CHECKS: &[Check] = &[
    Check::new("shared_memory_by_key", |a| call(libc::SYS_shmget, &[number(a, 0), 0, 0]).into())
        .scene(objects)
        .refused(&[ENOENT]),
    Check::new("shared_memory_by_number", |a| {
        call(libc::SYS_shmat, &[number(a, 1), 0, libc::SHM_RDONLY as usize]).into()
    })
    .scene(objects)
    .refused(&[EINVAL, libc::EIDRM]),
    Check::new("state_of_shared_memory", |a| {
        let mut state = [0u64; 32];
        call(libc::SYS_shmctl, &[number(a, 1), libc::IPC_STAT as usize, at_mut(&mut state)]).into()
    })
    .scene(objects)
    .refused(&[EINVAL, libc::EIDRM]),
    Check::new("semaphores_by_key", |a| call(libc::SYS_semget, &[number(a, 0), 0, 0]).into())
        .scene(objects)
        .refused(&[ENOENT]),
    Check::new("semaphores_by_number", |a| {
        call(libc::SYS_semctl, &[number(a, 2), 0, libc::GETVAL as usize, 0]).into()
    })
    .scene(objects)
    .refused(&[EINVAL, libc::EIDRM]),
    Check::new("messages_by_key", |a| call(libc::SYS_msgget, &[number(a, 0), 0]).into())
        .scene(objects)
        .refused(&[ENOENT]),
    Check::new("messages_by_number", |a| {
        let mut state = [0u64; 32];
        call(libc::SYS_msgctl, &[number(a, 3), libc::IPC_STAT as usize, at_mut(&mut state)]).into()
    })
    .scene(objects)
    .refused(&[EINVAL, libc::EIDRM]),
    Check::new("message_queue_by_name", |a| {
        let name = c(&a[4]);
        call(libc::SYS_mq_open, &[name.as_ptr() as usize, libc::O_RDONLY as usize, 0, 0]).into()
    })
    .scene(objects)
    .refused(&[ENOENT])
    .lacking(&[(libc::ENOSYS, "message queues")]),
    Check::new("list_of_shared_memory", |_| {
        let text = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        crate::check::Answer::seen(text.lines().count() > 1)
    })
    .scene(objects)
    .hidden(),
    Check::new("list_of_semaphores", |_| {
        let text = std::fs::read_to_string("/proc/sysvipc/sem").unwrap_or_default();
        crate::check::Answer::seen(text.lines().count() > 1)
    })
    .scene(objects)
    .hidden(),
];

/// Removes what [`hold`] made.
struct Objects {
    numbers: [i64; 3],
    queue: String,
}

impl Drop for Objects {
    fn drop(&mut self) {
        let controls = [libc::SYS_shmctl, libc::SYS_semctl, libc::SYS_msgctl];
        for (control, number) in controls.into_iter().zip(self.numbers) {
            let remove = libc::IPC_RMID as usize;
            // The operation is the second argument, of semctl(2) the third one.
            let arguments = [number as usize, if control == libc::SYS_semctl { 0 } else { remove }, remove];
            let third = if control == libc::SYS_semctl { remove } else { 0 };
            let _ = call(control, &[arguments[0], arguments[1], third, 0]);
        }
        let name = c(&self.queue);
        let _ = call(libc::SYS_mq_unlink, &[name.as_ptr() as usize]);
    }
}

/// A part: has one object of each kind, with a key made from its process number, which everybody may use.
pub fn hold(arguments: &[String]) -> Result<(Box<dyn Any>, String), i32> {
    // Two containers have processes of the same number.
    let key =
        arguments.get(1).map_or(0x0c0f_0000, |key| key.parse().unwrap_or(0)) + std::process::id() as usize;
    let flags = (libc::IPC_CREAT | 0o666) as usize;
    let shared = call(libc::SYS_shmget, &[key, 4096, flags])?;
    let semaphores = call(libc::SYS_semget, &[key, 1, flags])?;
    let messages = call(libc::SYS_msgget, &[key, flags])?;
    let queue = arguments[0].clone();
    let name = c(&queue);
    // Small, so that many fit into what a user may have. Where the kernel lacks queues, the control shows it.
    let attributes = [0u64, 1, 16, 0, 0, 0, 0, 0];
    let flags = (libc::O_RDWR | libc::O_CREAT) as usize;
    let _ = call(libc::SYS_mq_open, &[name.as_ptr() as usize, flags, 0o666, at(&attributes)]);
    let objects = Objects { numbers: [shared, semaphores, messages], queue };
    Ok((Box::new(objects), format!("{key} {shared} {semaphores} {messages}")))
}
