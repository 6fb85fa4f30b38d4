//! The root file system, from the first mount to the change of root.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::text::{c_path, c_string, digits};
use super::{Builder, FileFact, Resource, Step, TreeSource, ViewEntry};
use crate::config::Namespaces;
use crate::config::mounts::{Bind, BindSource, Operation, Overlay, Proc, Root, SHM_SIZE, Tmpfs, Upper};
use crate::container::Container;
use crate::error::Result;
use crate::wire::NO_FD;
use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};

/// Paths of /proc that tell about, or reach into, the whole machine: those that OCI runtimes hide.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/kallsyms",
];

/// Paths of /proc whose files change the machine: those that OCI runtimes make read-only.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Symbolic links of /dev.
const DEV_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Size of the tmpfs of the host view, beside the content of files.
const VIEW_SIZE: u64 = 4 << 20;

const PLAIN: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

/// The places that steps will mount on in a root file system from the host, and whether the place is a
/// directory.
pub(crate) fn mount_targets(container: &Container, sources: &[Option<FileFact>]) -> Vec<(PathBuf, bool)> {
    let files = &container.files;
    let mut targets = Vec::new();
    if files.proc != Proc::None {
        targets.push(("/proc".into(), true));
    }
    if files.dev {
        targets.push(("/dev".into(), true));
    }
    if files.tmp_size > 0 {
        targets.push(("/tmp".into(), true));
    }
    for (operation, source) in files.operations.iter().zip(sources) {
        let directory = match operation {
            Operation::Bind(_) => match source {
                Some(source) => source.directory,
                None => continue,
            },
            Operation::File { .. } => false,
            Operation::Symlink { .. } => continue,
            _ => true,
        };
        targets.push((operation.target().to_owned(), directory));
    }
    targets
}

impl Builder<'_> {
    /// All steps on files; none where the mount namespace is not new.
    pub(super) fn files(&mut self) -> Result<()> {
        if !self.container.namespaces.new.contains(Namespaces::MOUNT) {
            return Ok(());
        }
        self.push(Step::PrivateMounts {});
        if self.needs_stage() {
            self.push(Step::Stage {});
        }
        self.root()?;
        self.proc()?;
        self.dev()?;
        self.tmp()?;
        for (index, operation) in self.container.files.operations.iter().enumerate() {
            self.operation(index, operation)?;
        }
        if self.has_host_view() {
            self.push(Step::SealMount { path: c"/".into() });
        }
        self.push(Step::EnterRoot {});
        Ok(())
    }

    fn has_host_view(&self) -> bool {
        matches!(self.container.files.root, Root::HostView)
    }

    /// Overlays, and files that are bound over places of the host's, are put together on the stage.
    fn needs_stage(&self) -> bool {
        let files = &self.container.files;
        let needs = |operation: &Operation| match operation {
            Operation::Overlay(_) => true,
            Operation::File { .. } => !self.has_host_view(),
            _ => false,
        };
        matches!(files.root, Root::Overlay(_))
            || !self.facts.missing.is_empty()
            || files.operations.iter().any(needs)
    }

    fn root(&mut self) -> Result<()> {
        match &self.container.files.root {
            Root::HostView => self.host_view(),
            Root::Overlay(overlay) => {
                if matches!(overlay.upper, Upper::None) {
                    let targets = mount_targets(self.container, &self.facts.sources);
                    self.skeleton(&targets)?;
                }
                self.overlay(overlay, Path::new("/"))
            }
            Root::Directory { writable, .. } => self.directory_root(*writable),
        }
    }

    fn directory_root(&mut self, writable: bool) -> Result<()> {
        let Some(fact) = &self.facts.rootfs else { return Ok(()) };
        if self.facts.missing.is_empty() {
            let source = BindSource::Path(fact.path.clone());
            return self.bind_step("rootfs", fact, &source, Path::new("/"), attributes(writable, false));
        }
        self.skeleton(&self.facts.missing)?;
        let overlay = Overlay::new("/").lower(&fact.path).read_only();
        self.overlay(&overlay, Path::new("/"))
    }

    fn skeleton(&mut self, targets: &[(PathBuf, bool)]) -> Result<()> {
        for (path, directory) in targets {
            let path = c_path("skeleton", path)?;
            self.push(Step::Skeleton { path, directory: u32::from(*directory) });
        }
        Ok(())
    }

    /// Whether the caller replaced a default with an operation of its own.
    fn replaced(&self, path: &str) -> bool {
        self.container.files.operations.iter().any(|operation| operation.target() == Path::new(path))
    }

    fn host_view(&mut self) -> Result<()> {
        let content = |operation: &Operation| match operation {
            Operation::File { content, .. } => content.len() as u64,
            _ => 0,
        };
        let size = VIEW_SIZE + self.container.files.operations.iter().map(content).sum::<u64>() * 2;
        let root = Tmpfs::new("/").size(size).mode(0o755);
        self.tmpfs_step(&root, PLAIN)?;
        for entry in &self.facts.view {
            match entry {
                ViewEntry::Link { path, target } => self.symlink(target, path)?,
                ViewEntry::File(fact) => {
                    self.path_bind(fact, &fact.path, attributes(false, false))?;
                }
            }
        }
        self.made_up_files()?;
        self.push(Step::Directory { path: c"/run".into(), mode: 0o755 });
        self.symlink(Path::new("/tmp"), Path::new("/var/tmp"))
    }

    /// Programs look up names; the host's accounts and addresses are not the workload's business.
    fn made_up_files(&mut self) -> Result<()> {
        let (uid, gid) = self.workload_ids();
        let host = self.container.host_name().to_string_lossy().into_owned();
        let (mut passwd, mut group) =
            (String::from("root:x:0:0:root:/root:/bin/sh\n"), String::from("root:x:0:\n"));
        if uid != 0 && uid != 65_534 {
            passwd += &format!("user:x:{uid}:{gid}:user:/tmp:/bin/sh\n");
        }
        if gid != 0 && gid != 65_534 {
            group += &format!("user:x:{gid}:\n");
        }
        passwd += "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
        group += "nogroup:x:65534:\n";
        let hosts = format!("127.0.0.1 localhost {host}\n::1 localhost\n");
        let mut files = vec![("/etc/passwd", passwd), ("/etc/group", group), ("/etc/hosts", hosts)];
        let has_resolver =
            |entry: &ViewEntry| matches!(entry, ViewEntry::File(fact) if fact.path.ends_with("resolv.conf"));
        if !self.facts.view.iter().any(has_resolver) {
            files.push(("/etc/resolv.conf", "# The container has no network but loopback.\n".into()));
        }
        for (path, content) in files {
            if !self.replaced(path) {
                self.file_step(Path::new(path), 0o644, content.as_bytes(), false)?;
            }
        }
        Ok(())
    }

    fn proc(&mut self) -> Result<()> {
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
        Ok(())
    }

    fn dev(&mut self) -> Result<()> {
        if !self.container.files.dev || self.replaced("/dev") {
            return Ok(());
        }
        // In the host view /dev is a directory of its tmpfs, and sealed with it.
        if !self.has_host_view() {
            self.tmpfs_step(&Tmpfs::new("/dev").size(64 << 10).inodes(64).mode(0o755), PLAIN)?;
        }
        for device in &self.facts.devices {
            self.path_bind(device, &device.path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)?;
        }
        for (target, path) in DEV_LINKS {
            self.symlink(Path::new(target), Path::new(path))?;
        }
        self.push(Step::Devpts { target: c"/dev/pts".into() });
        if !self.replaced("/dev/shm") {
            self.tmpfs_step(&Tmpfs::new("/dev/shm").size(SHM_SIZE), PLAIN | MOUNT_ATTR_NOEXEC)?;
        }
        if self.container.namespaces.new.contains(Namespaces::IPC) {
            self.push(Step::Mqueue { target: c"/dev/mqueue".into() });
        }
        if !self.has_host_view() {
            self.push(Step::SealMount { path: c"/dev".into() });
        }
        Ok(())
    }

    fn tmp(&mut self) -> Result<()> {
        let size = self.container.files.tmp_size;
        if size == 0 || self.replaced("/tmp") {
            return Ok(());
        }
        self.tmpfs_step(&Tmpfs::new("/tmp").size(size), PLAIN)
    }

    fn operation(&mut self, index: usize, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Bind(bind) => self.bind(index, bind),
            Operation::Tmpfs(tmpfs) => self.tmpfs_step(tmpfs, PLAIN),
            Operation::Overlay(overlay) => self.overlay(overlay, &overlay.target),
            Operation::Directory { path, mode } => {
                self.push(Step::Directory { path: c_path("directory", path)?, mode: *mode });
                Ok(())
            }
            Operation::File { path, mode, content } => {
                self.file_step(path, *mode, content, !self.has_host_view())
            }
            Operation::Symlink { target, path } => self.symlink(target, path),
        }
    }

    fn bind(&mut self, index: usize, bind: &Bind) -> Result<()> {
        match self.facts.sources.get(index) {
            Some(Some(fact)) => {
                let attributes = attributes(bind.writable, bind.devices);
                self.bind_step("bind", fact, &bind.source, &bind.target, attributes)
            }
            _ => Ok(()),
        }
    }

    /// A root host makes a detached mount, because what root may read the user namespace may not; an
    /// ordinary user opens the path again inside, and compares.
    fn bind_step(
        &mut self,
        step: &'static str,
        fact: &FileFact,
        source: &BindSource,
        target: &Path,
        attributes: u64,
    ) -> Result<()> {
        if !self.passes_trees() {
            return self.path_bind(fact, target, attributes);
        }
        let tree = match source {
            BindSource::Path(_) => TreeSource::Path(fact.path.clone()),
            BindSource::Fd(fd) => TreeSource::Fd(fd.clone()),
        };
        let fd = self.resource(Resource::Tree(tree));
        let (source, target) = (c_path(step, &fact.path)?, c_path(step, target)?);
        self.push(Step::Bind { source, fd, device: 0, inode: 0, target, attributes });
        Ok(())
    }

    fn passes_trees(&self) -> bool {
        self.facts.caller.privileged && self.plan.id_maps.is_some()
    }

    fn path_bind(&mut self, fact: &FileFact, target: &Path, attributes: u64) -> Result<()> {
        let (source, target) = (c_path("bind", &fact.path)?, c_path("bind", target)?);
        let (device, inode) = (fact.device, fact.inode);
        self.push(Step::Bind { source, fd: NO_FD, device, inode, target, attributes });
        Ok(())
    }

    fn tmpfs_step(&mut self, tmpfs: &Tmpfs, attributes: u64) -> Result<()> {
        let target = c_path("tmpfs", &tmpfs.target)?;
        let mode = digits(format_args!("{:o}", tmpfs.mode));
        let (size, inodes) = (digits(tmpfs.size), digits(tmpfs.inodes));
        self.push(Step::Tmpfs { target, mode, size, inodes, attributes });
        Ok(())
    }

    fn symlink(&mut self, target: &Path, path: &Path) -> Result<()> {
        let (target, path) = (c_path("symlink", target)?, c_path("symlink", path)?);
        self.push(Step::Symlink { target, path });
        Ok(())
    }

    fn file_step(&mut self, path: &Path, mode: u32, content: &[u8], bound: bool) -> Result<()> {
        let path = c_path("file", path)?;
        self.push(Step::File { path, mode, bound: u32::from(bound), content: content.to_vec() });
        Ok(())
    }

    fn overlay(&mut self, overlay: &Overlay, target: &Path) -> Result<()> {
        let number = self.plan.steps.len();
        let mut layers = Vec::new();
        for (index, lower) in overlay.lower.iter().enumerate() {
            layers.push(self.overlay_layer(lower, &format!("layer{number}.{index}"))?);
        }
        if target == Path::new("/") && matches!(overlay.upper, Upper::None) {
            layers.push("skeleton".into());
        }
        let mut options = OsString::from("lowerdir=").into_vec();
        options.extend(layers.join(&b':'));
        let (memory, size, inodes) = match &overlay.upper {
            Upper::None => (String::new(), 0, 0),
            Upper::Memory { size, inodes } => {
                let memory = format!("memory{number}");
                options.extend(format!(",upperdir={memory}/upper,workdir={memory}/work").bytes());
                (memory, *size, *inodes)
            }
            Upper::Directory { upper, work } => {
                options.extend(b",upperdir=");
                options.extend(escape(&std::path::absolute(upper).unwrap_or_else(|_| upper.clone())));
                options.extend(b",workdir=");
                options.extend(escape(&std::path::absolute(work).unwrap_or_else(|_| work.clone())));
                (String::new(), 0, 0)
            }
        };
        if self.plan.id_maps.is_some() {
            options.extend(b",userxattr");
        }
        let writable = !matches!(overlay.upper, Upper::None);
        let step = Step::Overlay {
            target: c_path("overlay", target)?,
            options: c_string("overlay", OsString::from_vec(options))?,
            memory: c_string("overlay", memory)?,
            size: digits(size),
            inodes: digits(inodes),
            place: c_string("overlay", format!("overlay{number}"))?,
            attributes: attributes(writable, false),
        };
        self.push(step);
        Ok(())
    }

    /// The name of a lower directory in the overlay's options.
    fn overlay_layer(&mut self, lower: &Path, name: &str) -> Result<Vec<u8>> {
        let path = std::path::absolute(lower).unwrap_or_else(|_| lower.to_owned());
        if !self.passes_trees() {
            return Ok(escape(&path));
        }
        let fd = self.resource(Resource::Tree(TreeSource::Path(path.clone())));
        let source = c_path("overlay", &path)?;
        self.push(Step::OverlayLayer { name: c_string("overlay", name)?, source, fd });
        Ok(name.into())
    }
}

/// In overlay options a colon separates directories and a comma options.
fn escape(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

/// Set-user-ID files never count.
fn attributes(writable: bool, devices: bool) -> u64 {
    let mut attributes = MOUNT_ATTR_NOSUID;
    if !writable {
        attributes |= MOUNT_ATTR_RDONLY;
    }
    if !devices {
        attributes |= MOUNT_ATTR_NODEV;
    }
    attributes
}
