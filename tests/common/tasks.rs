//! Runtimes, and what the tests do with futures.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};

use super::processes::DEADLINE;

/// One thread, and no timer: all that the library needs.
pub fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_io().build().expect("a runtime")
}

pub fn many_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_io().build().expect("a runtime")
}

/// Polls a future so often at most, and then drops it; whether it was ready before.
pub async fn polled(times: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits until something is so, and lets other tasks run meanwhile.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::task::yield_now().await;
    }
}
