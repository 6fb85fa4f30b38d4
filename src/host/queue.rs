//! Who waits for a slot of a pool: threads and tasks, in one queue, served in the order in which they came.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::pool::Stock;
use super::slot::Slot;

/// What whoever is next gets.
#[derive(Debug)]
pub(super) enum Turn {
    Slot(Box<Slot>),
    /// There may be one more slot, which is counted already: it is to be started.
    Room,
}

/// A place in the queue. Taken out of it, it has been given something.
#[derive(Debug, Default)]
pub(super) struct Ticket(Mutex<Given>);

#[derive(Debug, Default)]
struct Given {
    turn: Option<Turn>,
    waker: Option<Waker>,
}

impl Ticket {
    fn given(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a turn; who has to be woken for it.
    pub fn give(&self, turn: Turn) -> Option<Waker> {
        let mut given = self.given();
        given.turn = Some(turn);
        given.waker.take()
    }

    pub fn take(&self) -> Option<Turn> {
        self.given().turn.take()
    }
}

/// Ready with a turn. Dropped before, it leaves the queue, and passes on what it was given meanwhile.
pub(super) struct Waiting<'a> {
    pub stock: &'a Stock,
    pub ticket: Arc<Ticket>,
}

impl Future for Waiting<'_> {
    type Output = Turn;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        let mut given = self.ticket.given();
        if let Some(turn) = given.turn.take() {
            return Poll::Ready(turn);
        }
        // One that is replaced may be dropped only when nothing is locked: that runs the code of a runtime.
        let before = given.waker.replace(context.waker().clone());
        drop(given);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.stock.leave_queue(&self.ticket);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits as a thread does.
pub(super) fn block_on(waiting: Waiting<'_>) -> Turn {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut waiting = pin!(waiting);
    loop {
        if let Poll::Ready(turn) = waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
            return turn;
        }
        thread::park();
    }
}
