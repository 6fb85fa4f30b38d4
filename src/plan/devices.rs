//! /proc and /dev.

use std::path::Path;

use libc::{MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};

use super::files::PLAIN;
use super::text::digits;
use super::{Builder, Step};
use crate::config::mounts::SHM_SIZE;
use crate::config::{Namespaces, Proc, Tmpfs};
use crate::error::Result;

/// Paths of /proc that tell about, or reach into, the whole machine: those that OCI runtimes hide.
const MASKED: [&str; 11] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
    "kallsyms",
];

/// Paths of /proc whose files change the machine: those that OCI runtimes make read-only.
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Symbolic links of /dev.
const DEV_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

impl Builder<'_> {
    pub(super) fn proc(&mut self) -> Result<()> {
        let outer = match self.container.files.proc {
            Proc::None => return Ok(()),
            _ if self.replaced("/proc") => return Ok(()),
            // Who shares the processes may see them; a new /proc of the host's may not be mounted.
            Proc::New => u32::from(!self.container.namespaces.new.contains(Namespaces::PID)),
            Proc::NewOrOuter => 1,
        };
        self.push(Step::Proc { target: c"/proc".into(), outer });
        for path in READ_ONLY {
            self.push(Step::ReadOnly { path: digits(path) });
        }
        for path in MASKED {
            self.push(Step::Mask { path: digits(path) });
        }
        // Init is not dumpable, so that its files are those of root inside: of a workload that is root, or can
        // become it. Some can be written by whoever their mode allows, such as `oom_score_adj`.
        if self.container.namespaces.new.contains(Namespaces::PID) && self.has_root_inside() {
            self.push(Step::ReadOnly { path: c"1".into() });
        }
        Ok(())
    }

    fn has_root_inside(&self) -> bool {
        self.workload_ids().0 == 0 || self.plan.id_maps.as_ref().is_some_and(|maps| maps.maps_user(0))
    }

    pub(super) fn dev(&mut self) -> Result<()> {
        if !self.container.files.dev || self.replaced("/dev") {
            return Ok(());
        }
        // In the host view /dev is a directory of its tmpfs, and sealed with it.
        if !self.has_host_view() {
            self.tmpfs_step(&Tmpfs::new("/dev").size(64 << 10).inodes(64).mode(0o755), PLAIN)?;
        }
        // Read-only is the node: its mode and owner are the host's. What it stands for can be written.
        let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        for device in &self.facts.devices {
            self.path_bind(device, &device.path, attributes)?;
        }
        for (target, path) in DEV_LINKS {
            self.symlink(Path::new(target), Path::new(path))?;
        }
        self.push(Step::Devpts { target: c"/dev/pts".into() });
        if !self.replaced("/dev/shm") {
            self.default_tmpfs(&Tmpfs::new("/dev/shm").size(SHM_SIZE), PLAIN | MOUNT_ATTR_NOEXEC)?;
        }
        if self.container.namespaces.new.contains(Namespaces::IPC) {
            self.push(Step::Mqueue { target: c"/dev/mqueue".into() });
        }
        Ok(())
    }
}
