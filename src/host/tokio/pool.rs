//! Runs in a pool, awaited.

use std::os::fd::AsFd;
use std::sync::Arc;

use super::child::Child;
use super::spawn::start_slot;
use super::tended::Tended;
use super::watch::Watch;
use super::{runtime, unwatched};
use crate::command::Command;
use crate::config::Stdio;
use crate::error::Result;
use crate::host::child::{self as blocking, Link, Output, has_ended};
use crate::host::pool::{Order, Pool, Stock};
use crate::host::queue::Turn;
use crate::host::slot::{Renewal, Slot};
use crate::report::Report;

/// # In tasks
///
/// With the cargo feature `tokio`. Tasks and threads that wait for a container stand in one queue.
///
/// ```
/// use cofferdam::{Command, Container, Pool};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cofferdam::Error> {
/// let pool = Pool::new(&Container::new(), 1)?;
/// let (one, two) = (Command::new("echo").arg("one"), Command::new("echo").arg("two"));
/// let (one, two) = tokio::try_join!(pool.output_async(&one), pool.output_async(&two))?;
/// assert_eq!((one.stdout, two.stdout), (b"one\n".to_vec(), b"two\n".to_vec()));
/// # Ok(())
/// # }
/// ```
impl Pool {
    /// As [`spawn`](Self::spawn): awaits a free container, and that the command has started. No thread is blocked.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the future leaves the queue; a command that was begun is ended, and its container
    /// replaced by the pool's thread.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and outside a runtime.
    pub async fn spawn_async(&self, command: &Command) -> Result<Child> {
        let child = start(&self.stock, command, &Stdio::inherit(), &Stdio::inherit(), true).await?;
        let child = Tended::new(child)?;
        if let Some(link) = &child.container().running.link {
            answered(link, child.watch()).await?;
        }
        // An answer of failure gives the slot back: then nobody may watch it.
        let mut child = child.into_container();
        child.await_start()?;
        Child::try_from(child)
    }

    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As [`spawn_async`](Self::spawn_async).
    ///
    /// # Errors
    /// As [`spawn_async`](Self::spawn_async) and [`Child::wait`](crate::tokio::Child::wait).
    pub async fn run_async(&self, command: &Command) -> Result<Report> {
        let child = start(&self.stock, command, &Stdio::inherit(), &Stdio::inherit(), false).await?;
        Child::try_from(child)?.wait().await
    }

    /// As [`output`](Self::output).
    ///
    /// # Cancel safety
    /// As [`spawn_async`](Self::spawn_async).
    ///
    /// # Errors
    /// As [`spawn_async`](Self::spawn_async) and
    /// [`Child::wait_with_output`](crate::tokio::Child::wait_with_output).
    pub async fn output_async(&self, command: &Command) -> Result<Output> {
        let child = start(&self.stock, command, &Stdio::null(), &Stdio::piped(), false).await?;
        Child::try_from(child)?.wait_with_output().await
    }
}

async fn start(
    stock: &Arc<Stock>,
    command: &Command,
    input: &Stdio,
    output: &Stdio,
    announce: bool,
) -> Result<blocking::Child> {
    runtime()?;
    let order = Order::new(stock, command, input, output)?;
    let mut held = take(stock).await?;
    held.is_touched = true;
    let slot = held.slot.as_mut().expect(HELD);
    if order.fit(slot)? {
        answered(&slot.link, None).await?;
        slot.prepared(&order.files)?;
    }
    order.launch(stock, held.into_slot(), announce)
}

/// A slot that is as new. Where none is free, and there may be more, it is started here.
async fn take(stock: &Arc<Stock>) -> Result<Held<'_>> {
    loop {
        let turn = match stock.turn() {
            Ok(turn) => turn,
            Err(waiting) => waiting.await,
        };
        match turn {
            Turn::Slot(slot) => {
                let mut held = Held { stock, slot: Some(slot), is_touched: false };
                let slot = held.slot.as_mut().expect(HELD);
                if !slot.is_ready() {
                    answered(&slot.link, None).await?;
                }
                match slot.await_ready() {
                    Renewal::Ready => return Ok(held),
                    renewal => held.mend(&renewal),
                }
            }
            Turn::Room => {
                let mut room = Room { stock, is_used: false };
                let slot = start_slot(&stock.container).await?;
                room.is_used = true;
                return Ok(Held { stock, slot: Some(Box::new(slot)), is_touched: false });
            }
        }
    }
}

/// Waits until init has said something, or has ended.
async fn answered(link: &Link, watch: Option<&Watch>) -> Result<()> {
    if has_ended(link.channel.as_fd()) {
        return Ok(());
    }
    if let Some(watch) = watch {
        return watch.reported().await.map_err(unwatched);
    }
    let watch = Watch::new(link.init.clone(), Some(link.channel.socket()), link.init_is_pid_1);
    watch.map_err(unwatched)?.reported().await.map_err(unwatched)
}

/// A slot on its way to a run. Dropped, it goes back, or, once init was told something of the run, is replaced.
struct Held<'a> {
    stock: &'a Arc<Stock>,
    slot: Option<Box<Slot>>,
    is_touched: bool,
}

/// It is there until it is consumed.
const HELD: &str = "a slot";

impl Held<'_> {
    fn into_slot(mut self) -> Slot {
        *self.slot.take().expect(HELD)
    }

    fn mend(mut self, renewal: &Renewal) {
        self.stock.mend(self.slot.take().expect(HELD), renewal);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        match self.slot.take() {
            Some(slot) if self.is_touched => self.stock.replace(*slot),
            Some(slot) => self.stock.put(*slot),
            None => {}
        }
    }
}

/// Room for a slot that is being started. Dropped before there is one, it is another's.
struct Room<'a> {
    stock: &'a Stock,
    is_used: bool,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            self.stock.is_one_less();
        }
    }
}
