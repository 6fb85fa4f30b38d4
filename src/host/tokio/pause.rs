//! Waiting for the freezer of cgroup v2.

use std::future::poll_fn;

use super::ticks::Ticks;
use super::unwatched;
use crate::error::Result;
use crate::host::cgroup::Freezing;

/// Milliseconds between two looks. The kernel mostly needs no second one.
const INTERVAL: u16 = 1;

pub(super) async fn done(mut freezing: Freezing) -> Result<()> {
    if freezing.is_done()? {
        return Ok(());
    }
    let ticks = Ticks::every(INTERVAL).map_err(unwatched)?;
    while !freezing.is_done()? {
        poll_fn(|context| ticks.poll(context)).await.map_err(unwatched)?;
    }
    Ok(())
}
