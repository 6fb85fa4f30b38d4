//! What cannot work in any group, found before anything is created.

use crate::config::wiring::{Connection, Endpoint, GroupDescription};
use crate::config::{Description, Stream};
use crate::error::{Error, Result};

pub(super) fn check(group: &GroupDescription) -> Result<()> {
    names(group)?;
    for (index, connection) in group.connections.iter().enumerate() {
        directions(connection)?;
        keeps_something(connection)?;
        let earlier = group.connections[..index].iter().flat_map(ends);
        let mut known: Vec<&Endpoint> = earlier.collect();
        for end in ends(connection) {
            is_free(member(group, end)?, end)?;
            if known.contains(&end) {
                return Err(connected_twice(end));
            }
            known.push(end);
        }
    }
    Ok(())
}

fn invalid(subject: impl Into<String>) -> Error {
    Error::invalid("group", subject)
}

fn names(group: &GroupDescription) -> Result<()> {
    if group.members.is_empty() {
        return Err(invalid("a group without members").with_remedy("add containers with `member`"));
    }
    for (index, (name, _)) in group.members.iter().enumerate() {
        if group.members[..index].iter().any(|(other, _)| other == name) {
            return Err(invalid(format!("two members with the name `{name}`")));
        }
    }
    Ok(())
}

fn ends(connection: &Connection) -> impl Iterator<Item = &Endpoint> {
    [Some(&connection.from), connection.to.as_ref()].into_iter().flatten()
}

fn member<'a>(group: &'a GroupDescription, end: &Endpoint) -> Result<&'a Description> {
    let found = group.members.iter().find(|(name, _)| *name == end.member);
    let Some((_, description)) = found else {
        let names: Vec<_> = group.members.iter().map(|(name, _)| format!("`{name}`")).collect();
        let error = invalid(format!("a connection of `{}`, which is no member", end.member));
        return Err(error.with_remedy(format!("the members are {}", names.join(", "))));
    };
    Ok(description)
}

fn directions(connection: &Connection) -> Result<()> {
    if connection.from.stream == Stream::Stdin {
        let error = invalid(format!("{} as an output", connection.from));
        return Err(error.with_remedy("a connection goes from what one writes to what another reads"));
    }
    match &connection.to {
        Some(to) if matches!(to.stream, Stream::Stdout | Stream::Stderr) => {
            Err(invalid(format!("{to} as an input"))
                .with_remedy("a connection goes from what one writes to what another reads"))
        }
        _ => Ok(()),
    }
}

fn keeps_something(connection: &Connection) -> Result<()> {
    if connection.tee.is_none_or(|tee| tee.cap > 0) {
        return Ok(());
    }
    let error = invalid(format!("a tee that keeps nothing, {connection}"));
    Err(error.with_remedy("allow it at least one byte, or use `connect`, which costs nothing"))
}

/// The container must not have said what the stream is.
fn is_free(description: &Description, end: &Endpoint) -> Result<()> {
    let stdio = &description.stdio;
    let set = match end.stream {
        Stream::Fd(number) => stdio.extra.iter().any(|(other, _)| *other == number),
        stream => stdio.streams[stream.number() as usize].is_some(),
    };
    if !set {
        return Ok(());
    }
    let error = invalid(format!("{end} is connected, and set by its container"));
    Err(error.with_remedy("leave out one of the two"))
}

fn connected_twice(end: &Endpoint) -> Error {
    let error = invalid(format!("{end} is connected twice"));
    error.with_remedy("an output goes to one input, and an input comes from one output")
}
