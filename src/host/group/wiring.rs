//! The pipes of a group, before any member runs.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::line::Line;
use crate::config::wiring::{Connection, Endpoint, GroupDescription};
use crate::config::{Description, Shared, Stdio, Stream};
use crate::error::{Error, Result};
use crate::host::stdio::pipe;

/// The members with their ends of the pipes, and the connections that the host program passes on.
pub(super) struct Wiring {
    pub members: Vec<Wired>,
    pub lines: Vec<Line>,
}

/// A member's description with its ends of the pipes.
pub(super) struct Wired {
    pub name: String,
    pub description: Shared<Description>,
    /// The host program reads its standard output or standard error, so that a limit of output can hold.
    pub read: bool,
}

impl Wiring {
    pub fn new(group: &GroupDescription) -> Result<Self> {
        let members = group.members.iter().cloned();
        let members = members.map(|(name, description)| Wired { name, description, read: false });
        let mut wiring = Wiring { members: members.collect(), lines: Vec::new() };
        for connection in &group.connections {
            let laid = wiring.lay(connection);
            laid.map_err(|error| Error::io("group", format!("a pipe {connection}"), &error))?;
        }
        Ok(wiring)
    }

    fn lay(&mut self, connection: &Connection) -> io::Result<()> {
        let (read, write) = pipe()?;
        let writer = self.give(&connection.from, write);
        let Some(tee) = connection.tee else {
            connection.to.as_ref().map(|to| self.give(to, read));
            return Ok(());
        };
        let reader = connection.to.as_ref().map(|to| -> io::Result<_> {
            let (read, write) = pipe()?;
            Ok((self.give(to, read), write))
        });
        self.members[writer].read |= matches!(connection.from.stream, Stream::Stdout | Stream::Stderr);
        self.lines.push(Line::new((writer, connection.from.stream, read), reader.transpose()?, tee)?);
        Ok(())
    }

    /// Gives a member its end of a pipe; returns the member's place.
    fn give(&mut self, end: &Endpoint, fd: OwnedFd) -> usize {
        // That there is one has been checked.
        let place = self.members.iter().position(|member| member.name == end.member).unwrap_or_default();
        let stdio = &mut self.members[place].description.stdio;
        match end.stream {
            Stream::Fd(number) => stdio.extra.push((number, Arc::new(fd))),
            stream => stdio.streams[stream.number() as usize] = Some(Stdio::from(fd)),
        }
        place
    }
}
