//! What a run in a pool has beside its container: where it goes afterwards, and the files that it leaves.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::channel::Channel;
use super::child::{Link, lost};
use super::pool::Stock;
use super::slot::Slot;
use super::sys::Attached;
use crate::error::{Error, Result};
use crate::plan::{Plan, Step};
use crate::usage::Usage;
use crate::wire::Command;

/// The way back of a slot to its pool.
#[derive(Debug)]
pub(super) struct Berth {
    pub stock: Arc<Stock>,
    pub slot: Vacated,
    /// The steps of the run.
    pub plan: Plan,
    /// The files to copy out.
    pub collected: Plan,
    /// Another container has been told the way into its namespaces: what that has there is not init's to end.
    pub is_shared: AtomicBool,
    /// Those that are here.
    pub files: Vec<OutputFile>,
}

/// What is left of a slot while a run has its container.
#[derive(Debug)]
pub(super) struct Vacated {
    pub runs: Channel,
    pub terms: super::slot::SlotTerms,
}

impl Berth {
    pub fn new(stock: Arc<Stock>, slot: Vacated, plan: Plan, collected: Plan) -> Self {
        let is_shared = AtomicBool::new(false);
        Berth { stock, slot, plan, collected, is_shared, files: Vec::new() }
    }

    /// The paths of the files that are to be copied out.
    fn paths(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.collected.steps.iter().filter_map(|step| match step {
            Step::Collect { path, .. } => Some(path.to_string_lossy().into_owned().into()),
            _ => None,
        })
    }

    /// The next file that init is to copy out; none when all are here.
    pub fn next_file(&self) -> Option<PathBuf> {
        self.paths().nth(self.files.len())
    }

    /// Has init copy the files out, if there are any.
    pub fn begin_to_collect(&self, link: &Link) -> Result<()> {
        match self.next_file() {
            Some(_) => link.send_with_plan(Command::Collect, &self.collected, &[]),
            None => Ok(()),
        }
    }

    /// Takes the copy that init sent.
    pub fn take_file(&mut self, errno: i32, attached: Attached) -> Result<()> {
        let Some(path) = self.next_file() else {
            return Err(lost("init sent more files than were asked for"));
        };
        let content = match errno {
            0 => attached.fd.map(Arc::new).ok_or(libc::EMFILE),
            errno => Err(errno),
        };
        self.files.push(OutputFile { path, content });
        Ok(())
    }

    /// Gives the container back after a run that used so much.
    pub fn leave(self, link: Link, usage: &Usage) {
        let mut slot = Slot::again(link, self.slot);
        slot.terms.renewable &= !self.is_shared.load(Relaxed);
        self.stock.take_back(slot, usage);
    }

    /// Gives the container away to be ended, if there is still a pool that does it.
    #[cfg(feature = "tokio")]
    pub fn abandon(self: Box<Self>, mut link: Link) -> Option<Link> {
        if self.stock.is_open() {
            self.stock.clone().replace(Slot::again(link, self.slot));
            return None;
        }
        link.berth = Some(self);
        Some(link)
    }

    /// The container is gone.
    pub fn report_the_loss(self) {
        self.stock.has_lost_one();
    }
}

/// A file that a run in a pool left: a copy in memory, that nobody else has.
#[derive(Clone, Debug)]
pub struct OutputFile {
    path: PathBuf,
    content: std::result::Result<Arc<OwnedFd>, i32>,
}

impl OutputFile {
    /// The path inside that [`Command::collect`](crate::Command::collect) named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The copy. All files that are opened from it share one offset, which is at its start at first, and which
    /// [`Command::file_of`](crate::Command::file_of) does not use.
    ///
    /// # Errors
    /// Where there was none to be had: with `ENOENT` the run left none, `EINVAL` it is no ordinary file, `EFBIG` it is
    /// larger than was asked for.
    pub fn open(&self) -> Result<File> {
        let failed = |error: &std::io::Error| Error::io("collect", self.path.display().to_string(), error);
        match &self.content {
            Ok(fd) => fd.try_clone().map(File::from).map_err(|error| failed(&error)),
            Err(errno) => Err(Error::errno("collect", self.path.display().to_string(), *errno)),
        }
    }

    /// What is in it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(&self) -> Result<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let file = self.open()?;
        let failed = |error| Error::io("collect", self.path.display().to_string(), &error);
        let size = file.metadata().map_err(failed)?.len();
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        Ok(bytes)
    }
}
