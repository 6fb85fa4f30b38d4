//! Reading two pipes at once, up to a limit, as `host/output.rs` does.

use std::future::poll_fn;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use ::tokio::net::unix::pipe::Receiver;

use super::watch::{Event, Watch};
use crate::host::output::{Collected, Writer};

/// The most bytes that are read at once: what a pipe holds by default. After some such turns the runtime has this task
/// give way to others.
const TURN: usize = 1 << 16;

/// A pipe as it is read in one turn.
pub(super) struct Pipe {
    receiver: Receiver,
    turn: Turn,
}

enum Turn {
    /// So many bytes are left of it.
    Bounded(usize),
    /// Nobody is left that could write: all that is there comes, whether or not the runtime has heard of it.
    Last,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.turn {
            Turn::Bounded(0) => Err(io::ErrorKind::WouldBlock.into()),
            Turn::Bounded(left) => {
                let most = buffer.len().min(*left);
                let count = self.receiver.try_read(&mut buffer[..most])?;
                *left -= count;
                Ok(count)
            }
            Turn::Last => Ok(nix::unistd::read(self.receiver.as_fd(), buffer)?),
        }
    }
}

/// Collects everything from both pipes until each has ended, or the container has. When there is more than the
/// limit the container is ended.
pub(super) async fn read_both(
    pipes: [Option<Receiver>; 2],
    limit: Option<u64>,
    watch: Option<&Watch>,
    writer: &mut impl Writer,
) -> io::Result<[Collected<Pipe>; 2]> {
    let pipe = |receiver| Pipe { receiver, turn: Turn::Bounded(0) };
    let mut pipes = pipes.map(|receiver| Collected::new(receiver.map(pipe)));
    let mut left = limit.unwrap_or(u64::MAX);
    let mut ended = false;
    while !ended && pipes.iter().any(|collected| collected.pipe.is_some()) {
        ended = match watch {
            Some(watch) => poll_fn(|context| poll_any(&pipes, watch, context)).await?,
            None => true,
        };
        if read_turn(&mut pipes, ended, &mut left)? {
            writer.end_for_its_output();
            break;
        }
    }
    Ok(pipes)
}

/// Whether there is more than the limit.
fn read_turn(pipes: &mut [Collected<Pipe>; 2], last: bool, left: &mut u64) -> io::Result<bool> {
    for collected in pipes {
        if let Some(pipe) = &mut collected.pipe {
            pipe.turn = if last { Turn::Last } else { Turn::Bounded(TURN) };
        }
        if collected.read(left)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ready when one of the pipes has something to say, or the container has ended; tells whether it has.
fn poll_any(
    pipes: &[Collected<Pipe>; 2],
    watch: &Watch,
    context: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    while let Poll::Ready(event) = watch.poll_report(context)? {
        match event {
            Event::Ended => return Poll::Ready(Ok(true)),
            Event::Tick => watch.nudge(),
        }
    }
    let mut readable = false;
    for pipe in pipes.iter().filter_map(|collected| collected.pipe.as_ref()) {
        readable |= pipe.receiver.poll_read_ready(context)?.is_ready();
    }
    if readable { Poll::Ready(Ok(false)) } else { Poll::Pending }
}
