//! A cgroup of the bench's own, in which a program runs without container.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam::Container;

/// A group that counts memory. It goes when it is dropped.
pub struct Group {
    directory: PathBuf,
}

impl Group {
    /// Makes one where this container would have its own.
    pub fn beside(container: &Container) -> Result<Self, Box<dyn Error>> {
        let theirs = directory(container, "memory").ok_or("the container has no group for its memory")?;
        let directory = theirs.with_file_name(format!("cofferdam-bench-{}", std::process::id()));
        fs::create_dir(&directory)?;
        Ok(Group { directory })
    }

    /// Runs the program in it; bytes at the peak.
    pub fn peak_of(&self, program: &Path) -> Result<u64, Box<dyn Error>> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "echo 0 >\"$0\" && exec \"$1\""])
            .arg(self.directory.join("cgroup.procs"))
            .arg(program);
        if !shell.status()?.success() {
            return Err("the program did not run in the bench's group".into());
        }
        let peak = fs::read_to_string(self.directory.join("memory.peak"))
            .or_else(|_| fs::read_to_string(self.directory.join("memory.max_usage_in_bytes")))?;
        Ok(peak.trim().parse()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}

/// The directory in which the container will have a file of this controller.
fn directory(container: &Container, controller: &str) -> Option<PathBuf> {
    let explained = container.explain().ok()?;
    let separator = format!(": {controller}.");
    let line = explained.lines().find_map(|line| line.strip_prefix("cgroup ")?.split_once(&separator));
    line.map(|(directory, _)| directory.into())
}

/// The version of the hierarchy that limits memory.
pub fn version(container: &Container) -> Option<u32> {
    let explained = container.explain().ok()?;
    Some(if explained.contains(": memory.max = ") { 2 } else { 1 })
}
