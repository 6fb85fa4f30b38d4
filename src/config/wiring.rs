//! The vocabulary of a group: its members, and what is connected to what.

use std::fmt;

use super::{Description, Shared};

/// A stream of a member, as [`Group::connect`](crate::Group::connect) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stream {
    /// Standard input: a member reads it.
    Stdin,
    /// Standard output: a member writes it.
    Stdout,
    /// Standard error: a member writes it.
    Stderr,
    /// A further descriptor, by its number in the workload, 3 to 1,048,576, as with
    /// [`Container::fd`](crate::Container::fd). Which way it goes follows from its place in the connection.
    Fd(u32),
}

impl Stream {
    pub(crate) fn number(self) -> u32 {
        match self {
            Stream::Stdin => 0,
            Stream::Stdout => 1,
            Stream::Stderr => 2,
            Stream::Fd(number) => number,
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stream::Stdin => f.write_str("standard input"),
            Stream::Stdout => f.write_str("standard output"),
            Stream::Stderr => f.write_str("standard error"),
            Stream::Fd(number) => write!(f, "descriptor {number}"),
        }
    }
}

/// What the host program does with a connection that it passes on itself:
/// see [`Group::connect_with_tee`](crate::Group::connect_with_tee). A number stands for [`up_to`](Self::up_to).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tee {
    pub(crate) cap: u64,
    pub(crate) drains: bool,
}

impl Tee {
    /// Keeps the first so many bytes, at least one, in the host program's memory. What comes after them is passed
    /// on too, and not kept.
    pub fn up_to(bytes: u64) -> Self {
        Tee { cap: bytes, drains: false }
    }

    /// Reads on when the reader has gone, and drops what comes. The writer then never meets a broken pipe:
    /// whether it runs on does not depend on which of the two is faster. The default is a pipe's way, that it is
    /// ended by `SIGPIPE` or gets `EPIPE`.
    pub fn drain(mut self) -> Self {
        self.drains = true;
        self
    }
}

impl From<u64> for Tee {
    fn from(bytes: u64) -> Self {
        Tee::up_to(bytes)
    }
}

/// All that a [`Group`](crate::Group) says.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupDescription {
    pub members: Vec<(String, Shared<Description>)>,
    pub connections: Vec<Connection>,
    pub end_all_when_any_ends: bool,
}

/// From an output to an input, or to the host program alone.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub from: Endpoint,
    pub to: Option<Endpoint>,
    /// Always where nobody reads but the host program.
    pub tee: Option<Tee>,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Some(to) => write!(f, "from {} to {to}", self.from),
            None => write!(f, "from {}", self.from),
        }
    }
}

/// A stream of a member, by the member's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub member: String,
    pub stream: Stream,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}`", self.stream, self.member)
    }
}
