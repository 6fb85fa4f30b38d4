//! The builder of a group: containers that are connected to each other.

use crate::config::wiring::{Connection, Endpoint, GroupDescription};
use crate::config::{Stream, Tee};
use crate::container::Container;
use crate::error::Result;
use crate::host::{self, RunningGroup};

/// Several containers whose streams are connected to each other, started together.
///
/// ```
/// use cofferdam::{Container, Group, Stream};
/// let group = Group::new()
///     .member("guesser", Container::new().command("sh").args(["-c", "echo 7; read answer; test $answer = yes"]))
///     .member("judge", Container::new().command("sh").args(["-c", "read guess; test $guess = 7 && echo yes"]))
///     .connect(("guesser", Stream::Stdout), ("judge", Stream::Stdin))
///     .connect_with_tee(("judge", Stream::Stdout), ("guesser", Stream::Stdin), 4096);
/// let outcome = group.spawn()?.wait()?;
/// assert!(outcome.success());
/// assert_eq!(outcome.tee("judge", Stream::Stdout).expect("a tee").bytes, b"yes\n");
/// for end in &outcome.ends {
///     println!("{} after {:?}: {}", end.member, end.elapsed, end.report.cause());
/// }
/// # Ok::<(), cofferdam::Error>(())
/// ```
///
/// A `Group` is a description, as a [`Container`] is; it can be spawned many times. Every member is a container
/// of its own, with its own limits, and sees of the others what comes through the connections. Streams that are
/// not connected are what the member's container says; unless that says anything they are the host's.
///
/// # Connections
///
/// An output goes to one input, and an input comes from one output. A member's output may go to its own input.
///
/// A plain connection is one pipe between the two workloads: the host program is not in between and keeps no end
/// of it. A connection with a tee is two pipes, and the host program passes on what comes, in the thread that
/// waits: **nothing moves but while somebody is in** [`wait`](RunningGroup::wait),
/// [`next_end`](RunningGroup::next_end) or [`wait_timeout`](RunningGroup::wait_timeout). Until then there is room
/// for what the two pipes hold, 64 KiB each.
///
/// Workloads that work together can use a plain connection both ways, because each can open its end anew through
/// `/proc/self/fd`, for reading or for writing. A tee passes bytes one way only, and what it keeps is what it passed.
///
/// Both kinds end as pipes do. When all who had an output open have closed it or ended, its reader sees the end of
/// the file after the last byte. When all who had an input open have, its writer is ended by `SIGPIPE`, or, if it
/// ignores that, gets `EPIPE`, unless the tee [drains](Tee::drain). Other processes of a member keep its streams
/// open like the workload itself; its end is also theirs.
///
/// # Started together
///
/// Whatever can fail without a process is done for all members first. Then they are started one after the other, in
/// the order of the calls of [`member`](Self::member), and each runs as soon as it is set up: there are some
/// milliseconds between the first and the second. What a member writes meanwhile waits in its pipe. If one cannot be
/// started, those before it are ended and nothing is left of them.
///
/// # The order of the ends
///
/// The order in which the kernel told of the workloads' ends, also of those that ended while nobody waited: epoll(7)
/// keeps it. The kernel ends one process after the other, so no two ends have the same place, and the order does not
/// depend on who looked when. A workload that has closed its output has not ended yet: a reader that sees the end of
/// the file and ends at once may be first. What a workload has started ends after it, and has no place in this order.
#[derive(Clone, Debug, Default)]
#[must_use = "a group does nothing until it is spawned"]
pub struct Group {
    description: GroupDescription,
}

impl Group {
    /// A group without members.
    pub fn new() -> Self {
        Group::default()
    }

    /// Adds a container under a name, which is to be new in the group.
    pub fn member(mut self, name: impl Into<String>, container: Container) -> Self {
        self.description.members.push((name.into(), container.description));
        self
    }

    /// Connects an output to an input, each given by the name of a member and its stream, by a pipe.
    pub fn connect(self, from: (impl Into<String>, Stream), to: (impl Into<String>, Stream)) -> Self {
        self.connection(from, Some(endpoint(to)), None)
    }

    /// As [`connect`](Self::connect), and keeps what passes, up to a number of bytes: see [`Tee`].
    ///
    /// A member's [`output_limit`](Container::output_limit) counts what it writes to standard output and standard
    /// error and the host program reads for the group, here or in [`collect`](Self::collect).
    ///
    /// ```
    /// use cofferdam::{Cause, Container, Group, Stream, Tee};
    /// let group = Group::new()
    ///     .member("writer", Container::new().command("yes").output_limit(1000))
    ///     .member("reader", Container::new().command("head").arg("-n2"))
    ///     .connect_with_tee(("writer", Stream::Stdout), ("reader", Stream::Stdin), Tee::up_to(10).drain())
    ///     .collect(("reader", Stream::Stdout), 1 << 20);
    /// let outcome = group.spawn()?.wait()?;
    /// let tee = outcome.tee("writer", Stream::Stdout).expect("a tee");
    /// assert_eq!((&tee.bytes[..], tee.total, tee.truncated()), (&b"y\ny\ny\ny\ny\n"[..], 1000, true));
    /// assert_eq!(outcome.tee("reader", Stream::Stdout).expect("collected").bytes, b"y\ny\n");
    /// assert_eq!(outcome.report("writer").expect("a member").cause(), Cause::Output);
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn connect_with_tee(
        self,
        from: (impl Into<String>, Stream),
        to: (impl Into<String>, Stream),
        tee: impl Into<Tee>,
    ) -> Self {
        self.connection(from, Some(endpoint(to)), Some(tee.into()))
    }

    /// Reads an output to its end and keeps the first so many bytes, at least one: a tee without a reader.
    pub fn collect(self, from: (impl Into<String>, Stream), bytes: u64) -> Self {
        self.connection(from, None, Some(Tee::up_to(bytes)))
    }

    fn connection(
        mut self,
        from: (impl Into<String>, Stream),
        to: Option<Endpoint>,
        tee: Option<Tee>,
    ) -> Self {
        self.description.connections.push(Connection { from: endpoint(from), to, tee });
        self
    }

    /// Whether all others are killed when one member has ended, in whatever way. The default is no. It happens
    /// while somebody waits. The others' cause is then [`Cause::Killed`](crate::Cause::Killed), unless they
    /// had ended by themselves at that moment.
    ///
    /// ```
    /// use cofferdam::{Cause, Container, Group};
    /// let outcome = Group::new()
    ///     .member("server", Container::new().command("sleep").arg("1000"))
    ///     .member("client", Container::new().command("true"))
    ///     .end_all_when_any_ends(true)
    ///     .spawn()?
    ///     .wait()?;
    /// assert_eq!(outcome.ends[0].member, "client");
    /// assert_eq!(outcome.ends[1].report.cause(), Cause::Killed);
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    pub fn end_all_when_any_ends(mut self, wanted: bool) -> Self {
        self.description.end_all_when_any_ends = wanted;
        self
    }

    /// Starts all members, or none. The calling thread sleeps some milliseconds for each.
    ///
    /// # Errors
    /// With the step `group`, before anything is created: no members; two with the same name; a connection with an
    /// unknown one; an output where an input belongs, or the reverse; a stream that is connected twice, or that its
    /// container has set already; a tee that keeps nothing. Otherwise as [`Container::spawn`], with the member's
    /// name in the [subject](crate::Error::subject).
    pub fn spawn(&self) -> Result<RunningGroup> {
        host::spawn_group(&self.description)
    }
}

fn endpoint((member, stream): (impl Into<String>, Stream)) -> Endpoint {
    Endpoint { member: member.into(), stream }
}
