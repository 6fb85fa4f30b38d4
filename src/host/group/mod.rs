//! Several containers whose streams are connected: started together, fed and watched by the thread that waits.

mod check;
mod line;
mod outcome;
mod running;
mod watch;
mod wiring;

pub use outcome::{GroupOutcome, MemberEnd, Teed};
pub use running::RunningGroup;

use super::spawn::Prepared;
use crate::config::Stdio;
use crate::config::wiring::GroupDescription;
use crate::error::Result;
use wiring::{Wired, Wiring};

/// Starts all members, or none: what has been started ends when its handle is dropped.
pub(crate) fn spawn(group: &GroupDescription) -> Result<RunningGroup> {
    check::check(group)?;
    let Wiring { members, lines } = Wiring::new(group)?;
    // Everything that can fail or take time without a process comes before the first start.
    let prepared: Vec<_> = members.into_iter().map(prepare).collect::<Result<_>>()?;
    let names: Vec<_> = prepared.iter().map(|(name, _)| name.as_str()).collect();
    let mut running = RunningGroup::new(&names, lines, group.end_all_when_any_ends)?;
    for (name, prepared) in prepared {
        let child = prepared.start().map_err(|error| error.of_member(&name))?;
        running.add(name, child)?;
    }
    Ok(running)
}

/// The pipes' ends of a member live on in what is prepared, and go when it has started.
fn prepare(member: Wired) -> Result<(String, Prepared)> {
    let Wired { name, description, read } = member;
    let prepared = Prepared::new(&description, &Stdio::inherit(), &Stdio::inherit(), read);
    Ok((name.clone(), prepared.map_err(|error| error.of_member(&name))?))
}
