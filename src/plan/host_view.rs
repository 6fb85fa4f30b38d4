//! The default root file system: the host's /usr, its links, and what of /etc programs need.

use std::path::Path;

use super::files::{PLAIN, attributes};
use super::{Builder, Step, ViewEntry};
use crate::config::Tmpfs;
use crate::error::Result;

impl Builder<'_> {
    pub(super) fn host_view(&mut self) -> Result<()> {
        let size = self.room_for_files();
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
                self.file_step(Path::new(path), 0o644, &content.into_bytes().into())?;
            }
        }
        Ok(())
    }
}
