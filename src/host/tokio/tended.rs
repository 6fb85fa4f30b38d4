//! Whatever is dropped, and whenever: the container ends, and the thread of the executor does not wait for it.

use std::io;
use std::os::fd::BorrowedFd;

use ::tokio::runtime::Handle;

use super::unwatched;
use super::watch::{Event, Watch};
use crate::error::Result;
use crate::host::child::{INIT_PATIENCE, NUDGE_INTERVAL, nudge};
use crate::host::sys;

/// A container at some point of its life.
pub(super) trait Ends: Send + Sync + 'static {
    /// Init, where there is still one.
    fn init(&self) -> Option<BorrowedFd<'_>>;

    /// What there is to watch; nothing once it is over.
    fn watch(&self) -> io::Result<Option<Watch>>;

    /// Whether it is to be ended when it is dropped.
    fn goes_on(&self) -> bool;

    /// Ends it without waiting.
    fn tell_to_end(&self);

    /// Whether somebody else ends it.
    fn can_be_handed_over(&self) -> bool {
        false
    }

    /// Gives it to somebody else who ends it, if there is one.
    fn hand_over(self) -> Option<Self>
    where
        Self: Sized,
    {
        Some(self)
    }

    /// Ends it if it goes on, waits until init has ended, and removes what is left.
    fn end(self);
}

/// A container and its watch. Dropped, it is told to end at once; a task waits for the end and clears away what is
/// left. Where there is no runtime, or it shuts down before, that is done in place.
#[derive(Debug)]
pub(super) struct Tended<T: Ends> {
    watch: Option<Watch>,
    container: Option<T>,
    /// This is the one that the task has.
    in_background: bool,
}

impl<T: Ends> Tended<T> {
    pub fn new(container: T) -> Result<Self> {
        // Whole before it is watched: where that fails, what is there is ended.
        let mut tended = Tended { watch: None, container: Some(container), in_background: false };
        if let Some(container) = &tended.container {
            tended.watch = container.watch().map_err(unwatched)?;
        }
        Ok(tended)
    }

    pub fn container(&self) -> &T {
        self.container.as_ref().expect(WHOLE)
    }

    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// The watch, and what it watches to be changed.
    pub fn parts(&mut self) -> (Option<&Watch>, &mut T) {
        (self.watch.as_ref(), self.container.as_mut().expect(WHOLE))
    }

    /// The container, when there is nothing more to watch: what was watched may soon be another's.
    pub fn unwatched(&mut self) -> &mut T {
        self.watch = None;
        self.container.as_mut().expect(WHOLE)
    }

    /// Watches it again.
    pub fn watch_again(&mut self) -> Result<()> {
        self.watch = self.container().watch().map_err(unwatched)?;
        Ok(())
    }

    /// The container, which nobody watches any more.
    pub fn into_container(mut self) -> T {
        drop(self.watch.take());
        self.container.take().expect(WHOLE)
    }

    /// Ends it, and waits until nothing is left.
    pub async fn end(self) {
        self.container().tell_to_end();
        self.clear_away().await;
    }

    async fn clear_away(mut self) {
        self.in_background = true;
        // Without a runtime to wait with, the drop waits.
        let _ = self.end_of_init().await;
        drop(self);
    }

    /// An init that cannot end the container, because the workload keeps it from running, is given up.
    async fn end_of_init(&self) -> io::Result<()> {
        let (Some(watch), Some(init)) = (self.watch(), self.container().init()) else { return Ok(()) };
        let mut patience = INIT_PATIENCE / NUDGE_INTERVAL;
        while let Event::Tick = watch.next().await? {
            nudge(init);
            patience = patience.saturating_sub(1);
            if patience == 0 {
                let _ = sys::pidfd_send_signal(init, libc::SIGKILL);
            }
        }
        Ok(())
    }
}

/// It is there but while it is taken apart, which consumes it.
const WHOLE: &str = "a container";

impl<T: Ends> Drop for Tended<T> {
    fn drop(&mut self) {
        let Some(mut container) = self.container.take() else { return };
        if container.goes_on() && !self.in_background && container.can_be_handed_over() {
            // Whoever takes it may soon have it watched again.
            drop(self.watch.take());
            let Some(left) = container.hand_over() else { return };
            container = left;
        }
        match (self.watch.take(), Handle::try_current()) {
            (Some(watch), Ok(runtime)) if container.goes_on() && !self.in_background => {
                container.tell_to_end();
                let rest = Tended { watch: Some(watch), container: Some(container), in_background: true };
                runtime.spawn(rest.clear_away());
            }
            (watch, _) => {
                drop(watch);
                container.end();
            }
        }
    }
}
