//! How a group ended, and what was kept of what passed.

use std::time::Duration;

use crate::config::Stream;
use crate::report::Report;

/// How a group ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupOutcome {
    /// The members' ends, in their order: see [`Group`](crate::Group).
    pub ends: Vec<MemberEnd>,
    /// What was kept, in the order of the calls of [`connect_with_tee`](crate::Group::connect_with_tee) and
    /// [`collect`](crate::Group::collect).
    pub tees: Vec<Teed>,
    /// What was kept, piece by piece in the order in which it was read: the place of the tee, and how much.
    pub(super) passages: Vec<(usize, usize)>,
}

/// The end of a member.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemberEnd {
    /// The member's name.
    pub member: String,
    /// The account of its run. Its times are the member's own.
    pub report: Report,
    /// From the start of the group's first workload until this one's end was seen, on `CLOCK_MONOTONIC`. Ends are
    /// seen while somebody waits: those that came before have the time of that call, but their true order.
    pub elapsed: Duration,
}

/// The beginning of what a member wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Teed {
    /// The name of the member that wrote it.
    pub member: String,
    /// Where it wrote it.
    pub stream: Stream,
    /// The first bytes, up to the cap.
    pub bytes: Vec<u8>,
    /// How many bytes the host program read in all, whether or not somebody took them from it.
    pub total: u64,
}

impl Teed {
    pub(super) fn new(member: String, stream: Stream) -> Self {
        Teed { member, stream, bytes: Vec::new(), total: 0 }
    }

    /// Whether more was written than is kept.
    pub fn truncated(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

impl GroupOutcome {
    /// Whether every member exited with code 0.
    pub fn success(&self) -> bool {
        self.ends.iter().all(|end| end.report.success())
    }

    /// A member's report; `None` where there is no member of that name.
    pub fn report(&self, member: &str) -> Option<&Report> {
        self.ends.iter().find(|end| end.member == member).map(|end| &end.report)
    }

    /// What was kept of what a member wrote to a stream; `None` where that had no tee and was not collected.
    pub fn tee(&self, member: &str, stream: Stream) -> Option<&Teed> {
        self.tees.iter().find(|tee| tee.member == member && tee.stream == stream)
    }

    /// All that was kept, in the order in which the host program read it. A piece is what one tee brought before
    /// another brought something. What two members write at the same time can come in either order; an answer
    /// comes after its question.
    ///
    /// ```
    /// use cofferdam::{Container, Group, Stream};
    /// let outcome = Group::new()
    ///     .member("a", Container::new().command("sh").args(["-c", "echo ping; read answer"]))
    ///     .member("b", Container::new().command("sh").args(["-c", "read question; echo pong"]))
    ///     .connect_with_tee(("a", Stream::Stdout), ("b", Stream::Stdin), 1000)
    ///     .connect_with_tee(("b", Stream::Stdout), ("a", Stream::Stdin), 1000)
    ///     .spawn()?
    ///     .wait()?;
    /// let said: Vec<_> = outcome.conversation().map(|(tee, bytes)| (&tee.member[..], bytes)).collect();
    /// assert_eq!(said, [("a", &b"ping\n"[..]), ("b", b"pong\n")]);
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn conversation(&self) -> impl Iterator<Item = (&Teed, &[u8])> {
        let mut read = vec![0; self.tees.len()];
        self.passages.iter().map(move |(place, count)| {
            let start = read[*place];
            read[*place] += count;
            (&self.tees[*place], &self.tees[*place].bytes[start..start + count])
        })
    }
}

/// What is kept of all connections.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub tees: Vec<Teed>,
    pub passages: Vec<(usize, usize)>,
}

/// Where one connection's share goes.
pub(super) struct Transcript<'a> {
    pub place: usize,
    pub cap: u64,
    pub records: &'a mut Records,
}

impl Transcript<'_> {
    pub fn add(&mut self, bytes: &[u8]) {
        let tee = &mut self.records.tees[self.place];
        let room = self.cap.saturating_sub(tee.bytes.len() as u64);
        let kept = &bytes[..room.min(bytes.len() as u64) as usize];
        tee.bytes.extend(kept);
        tee.total += bytes.len() as u64;
        match self.records.passages.last_mut() {
            _ if kept.is_empty() => {}
            Some((place, count)) if *place == self.place => *count += kept.len(),
            _ => self.records.passages.push((self.place, kept.len())),
        }
    }
}
