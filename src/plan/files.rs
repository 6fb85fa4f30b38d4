//! The root file system, from the first mount to the change of root.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::text::{c_path, c_string, digits};
use super::{Builder, FileFact, Resource, Step};
use crate::config::mounts::{Bind, BindSource, Operation, Overlay, Proc, Root, Tmpfs, Upper};
use crate::config::{Description, Limit, Namespaces};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::NO_FD;
use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};

/// The longest content of a file that is part of the plan, in bytes.
const INLINE: usize = 16 << 10;

/// Size of a tmpfs that init fills, beside the content of files given.
const ROOM: u64 = 4 << 20;
/// The largest page of the supported machines.
const PAGE: u64 = 64 << 10;

/// Attributes of file systems of our own.
pub(super) const PLAIN: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

/// The places that steps will mount on in a root file system from the host, and whether the place is a
/// directory.
pub(crate) fn mount_targets(container: &Description, sources: &[Option<FileFact>]) -> Vec<(PathBuf, bool)> {
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
            self.push(Step::Stage { size: digits(self.room_for_files()) });
        }
        self.pool()?;
        self.root()?;
        self.proc()?;
        self.dev()?;
        self.tmp()?;
        for (index, operation) in self.container.files.operations.iter().enumerate() {
            self.operation(index, operation)?;
        }
        if self.has_host_view() {
            self.push(Step::SealMount { path: c"/".into() });
        } else if self.container.files.dev && !self.replaced("/dev") {
            self.push(Step::SealMount { path: c"/dev".into() });
        }
        self.push(Step::EnterRoot {});
        Ok(())
    }

    pub(super) fn has_host_view(&self) -> bool {
        matches!(self.container.files.root, Root::HostView)
    }

    /// Overlays, and files that are bound over places of the host's, are put together on the stage; in the
    /// host view the root itself serves for the latter.
    fn needs_stage(&self) -> bool {
        let files = &self.container.files;
        let needs = |operation: &Operation| match operation {
            Operation::Overlay(_) => true,
            Operation::File { .. } => !self.has_host_view(),
            _ => false,
        };
        matches!(files.root, Root::Overlay(_))
            || self.container.limits.disk.is_some()
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

    pub(super) fn skeleton(&mut self, targets: &[(PathBuf, bool)]) -> Result<()> {
        for (path, directory) in targets {
            let path = c_path("skeleton", path)?;
            self.push(Step::Skeleton { path, directory: u32::from(*directory) });
        }
        Ok(())
    }

    /// Whether the caller replaced a default with an operation of its own.
    pub(super) fn replaced(&self, path: &str) -> bool {
        let replaces = |(index, operation): (usize, &Operation)| match operation {
            // One that exists stays as it is.
            Operation::Directory { .. } => false,
            // An optional one without source is left out.
            Operation::Bind(bind) => bind.target == Path::new(path) && self.source_of(index).is_some(),
            operation => operation.target() == Path::new(path),
        };
        self.container.files.operations.iter().enumerate().any(replaces)
    }

    fn tmp(&mut self) -> Result<()> {
        let size = self.container.files.tmp_size;
        if size == 0 || self.replaced("/tmp") {
            return Ok(());
        }
        self.default_tmpfs(&Tmpfs::new("/tmp").size(size), PLAIN)
    }

    /// A tmpfs that nobody asked for: part of the pool where the disk is limited.
    pub(super) fn default_tmpfs(&mut self, tmpfs: &Tmpfs, attributes: u64) -> Result<()> {
        if self.container.limits.disk.is_none() {
            return self.tmpfs_step(tmpfs, attributes);
        }
        let target = c_path("pooled-directory", &tmpfs.target)?;
        let name = c_string("pooled-directory", format!("part{}", self.plan.steps.len()))?;
        self.push(Step::PooledDirectory { target, name, mode: tmpfs.mode, attributes });
        Ok(())
    }

    /// How many places share the pool.
    fn pooled_directories(&self) -> u64 {
        let files = &self.container.files;
        let tmp = files.tmp_size > 0 && !self.replaced("/tmp");
        let shm = files.dev && !self.replaced("/dev") && !self.replaced("/dev/shm");
        u64::from(tmp) + u64::from(shm)
    }

    /// The pool has what the file systems of bounds of their own leave.
    fn pool(&mut self) -> Result<()> {
        let Some(limit) = self.container.limits.disk else { return Ok(()) };
        let files = &self.container.files;
        if files.writes_to_host() && !self.container.limits.may_degrade(Limit::Disk) {
            let what = "what is written to the host's file systems cannot be bounded";
            let error = Error::new(ErrorKind::LimitUnavailable, "disk", what);
            return Err(error.with_remedy(
                "make binds and the root file system read-only and let overlays write to memory, or accept it with \
                 `best_effort`",
            ));
        }
        let (bytes, inodes) =
            files.bounds_in_memory().fold((0u64, 0u64), |(bytes, inodes), (more, nodes)| {
                (bytes.saturating_add(more), inodes.saturating_add(nodes))
            });
        match (limit.bytes.checked_sub(bytes), limit.inodes.checked_sub(inodes)) {
            (Some(size @ 1..), Some(left @ 1..)) => {
                // The pool's own directory and one for each part are not the workload's.
                let inodes = digits(left.saturating_add(1 + self.pooled_directories()));
                self.push(Step::Pool { size: digits(size), inodes });
                Ok(())
            }
            _ => {
                let what = format!(
                    "tmpfs and overlays in memory have {bytes} bytes and {inodes} inodes already, and the limit of \
                     disk is {} and {}",
                    limit.bytes, limit.inodes
                );
                Err(Error::invalid("disk", what).with_remedy("give them smaller sizes, or raise the limit"))
            }
        }
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
            Operation::File { path, mode, content } => self.file_step(path, *mode, content),
            Operation::Symlink { target, path } => self.symlink(target, path),
        }
    }

    /// The source of the operation of this index, if it has one that exists.
    fn source_of(&self, index: usize) -> Option<&FileFact> {
        self.facts.sources.get(index)?.as_ref()
    }

    fn bind(&mut self, index: usize, bind: &Bind) -> Result<()> {
        let Some(fact) = self.source_of(index).cloned() else { return Ok(()) };
        let attributes = attributes(bind.writable, bind.devices);
        self.bind_step("bind", &fact, &bind.source, &bind.target, attributes)
    }

    /// A root host makes a detached mount, because what root may read the user namespace may not; an
    /// ordinary user opens the path again inside, and compares.
    pub(super) fn bind_step(
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
            BindSource::Path(_) => BindSource::Path(fact.path.clone()),
            BindSource::Fd(fd) => BindSource::Fd(fd.clone()),
        };
        let fd = self.resource(Resource::Tree(tree));
        let (source, target) = (c_path(step, &fact.path)?, c_path(step, target)?);
        self.push(Step::Bind { source, fd, device: 0, inode: 0, target, attributes });
        Ok(())
    }

    pub(super) fn passes_trees(&self) -> bool {
        self.facts.caller.privileged && self.plan.id_maps.is_some()
    }

    pub(super) fn path_bind(&mut self, fact: &FileFact, target: &Path, attributes: u64) -> Result<()> {
        let (source, target) = (c_path("bind", &fact.path)?, c_path("bind", target)?);
        let (device, inode) = (fact.device, fact.inode);
        self.push(Step::Bind { source, fd: NO_FD, device, inode, target, attributes });
        Ok(())
    }

    pub(super) fn tmpfs_step(&mut self, tmpfs: &Tmpfs, attributes: u64) -> Result<()> {
        let target = c_path("tmpfs", &tmpfs.target)?;
        let mode = digits(format_args!("{:o}", tmpfs.mode));
        let (size, inodes) = (digits(tmpfs.size), digits(tmpfs.inodes));
        self.push(Step::Tmpfs { target, mode, size, inodes, attributes });
        Ok(())
    }

    pub(super) fn symlink(&mut self, target: &Path, path: &Path) -> Result<()> {
        let (target, path) = (c_path("symlink", target)?, c_path("symlink", path)?);
        self.push(Step::Symlink { target, path });
        Ok(())
    }

    /// A long content goes as a file of memory.
    pub(super) fn file_step(&mut self, path: &Path, mode: u32, content: &Arc<[u8]>) -> Result<()> {
        let path = c_path("file", path)?;
        let long = content.len() > INLINE;
        let fd = if long { self.resource(Resource::Content(content.clone())) } else { NO_FD };
        let content = if long { Vec::new() } else { content.to_vec() };
        // Bound over a place of the host's it lies on the stage, which a limit of disk does not count.
        let bound = attributes(self.container.limits.disk.is_none(), false);
        self.push(Step::File { path, mode, fd, content, bound });
        Ok(())
    }

    /// Bytes for everything that init writes on a tmpfs of its own.
    pub(super) fn room_for_files(&self) -> u64 {
        let room = |operation: &Operation| match operation {
            Operation::File { content, .. } => (content.len() as u64).next_multiple_of(PAGE),
            _ => 0,
        };
        ROOM + self.container.files.operations.iter().map(room).sum::<u64>()
    }
}

/// Set-user-ID files never count.
pub(super) fn attributes(writable: bool, devices: bool) -> u64 {
    let mut attributes = MOUNT_ATTR_NOSUID;
    if !writable {
        attributes |= MOUNT_ATTR_RDONLY;
    }
    if !devices {
        attributes |= MOUNT_ATTR_NODEV;
    }
    attributes
}
