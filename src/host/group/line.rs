//! A connection that the host program passes on: from one pipe to another, with a copy of the beginning.
//!
//! It copies through its own memory. By tee(2) and splice(2) the reader would get the writer's own pages, which a
//! writer that filled the pipe by vmsplice(2) can still change: what is kept might then not be what was read.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::outcome::Transcript;
use crate::config::{Stream, Tee};
use crate::host::sys;

/// What a pipe holds unless somebody has changed that, and so what one read can bring.
const BUFFER: usize = 64 << 10;

/// One connection. It has ended when both of its ends are closed.
pub(super) struct Line {
    /// The place of the member that writes, and its stream.
    pub writer: usize,
    pub stream: Stream,
    /// The place of the member that reads, if one does.
    pub reader: Option<usize>,
    tee: Tee,
    /// Where the host program reads.
    source: Option<File>,
    /// Where it writes.
    sink: Option<File>,
    buffer: Vec<u8>,
    /// What of the buffer is still to be written.
    pending: std::ops::Range<usize>,
    /// Nothing moves before the watch tells of one of the ends.
    pub stuck: bool,
    /// Nobody writes any more, even if somebody holds the pipe open.
    writer_ended: bool,
    /// More was written than the writer may: nothing more is read.
    exceeded: bool,
}

/// Without the buffer.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { writer, stream, reader, tee, .. } = self;
        let mut text = f.debug_struct("Line");
        text.field("writer", writer).field("stream", stream).field("reader", reader).field("tee", tee);
        text.finish_non_exhaustive()
    }
}

impl Line {
    pub fn new(
        (writer, stream, source): (usize, Stream, OwnedFd),
        reader: Option<(usize, OwnedFd)>,
        tee: Tee,
    ) -> io::Result<Self> {
        let (reader, sink) = reader.unzip();
        // Of the host's ends only: the workloads' ends are open files of their own.
        for fd in [Some(&source), sink.as_ref()].into_iter().flatten() {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Line {
            writer,
            stream,
            reader,
            tee,
            source: Some(source.into()),
            sink: sink.map(File::from),
            buffer: vec![0; BUFFER],
            pending: 0..0,
            stuck: false,
            writer_ended: false,
            exceeded: false,
        })
    }

    pub fn cap(&self) -> u64 {
        self.tee.cap
    }

    pub fn source(&self) -> Option<BorrowedFd<'_>> {
        self.source.as_ref().map(AsFd::as_fd)
    }

    pub fn sink(&self) -> Option<BorrowedFd<'_>> {
        self.sink.as_ref().map(AsFd::as_fd)
    }

    pub fn has_ended(&self) -> bool {
        self.source.is_none() && self.sink.is_none()
    }

    /// How many bytes are in the pipe.
    pub fn unread(&self) -> u64 {
        self.source().map_or(0, |source| sys::readable(source).unwrap_or(0))
    }

    /// Whether the writer has written more than it may.
    pub fn exceeded(&self) -> bool {
        self.exceeded
    }

    /// Passes on one buffer at most, so that no connection keeps the others waiting. `left` is what the writer
    /// may still write.
    pub fn pass_on(&mut self, transcript: &mut Transcript<'_>, left: &mut u64) -> io::Result<()> {
        if self.has_ended() || !self.flush(transcript, left)? {
            self.stuck = true;
        } else if self.exceeded {
            self.sink = None;
            self.source.take_if(|_| self.writer_ended);
            self.stuck = true;
        } else {
            self.read(transcript, left)?;
            self.stuck |= !self.flush(transcript, left)?;
        }
        Ok(())
    }

    /// The writer's container has ended: what is in the pipe is all that comes.
    pub fn writer_has_ended(&mut self) {
        self.writer_ended = true;
        self.stuck = false;
    }

    /// Nobody reads any more. So nobody shall write, but what has been written until now is kept.
    pub fn reader_has_gone(&mut self, transcript: &mut Transcript<'_>, left: &mut u64) -> io::Result<()> {
        self.stuck = false;
        self.pending = 0..0;
        if self.sink.take().is_some() && !self.tee.drains && !self.exceeded {
            self.read(transcript, left)?;
            self.pending = 0..0;
            self.source.take_if(|_| !self.exceeded);
        }
        Ok(())
    }

    /// Writes what is pending; tells whether all of it went.
    fn flush(&mut self, transcript: &mut Transcript<'_>, left: &mut u64) -> io::Result<bool> {
        while !self.pending.is_empty() {
            let Some(sink) = &mut self.sink else {
                self.pending = 0..0;
                break;
            };
            match sink.write(&self.buffer[self.pending.clone()]) {
                Ok(count) => self.pending.start += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    self.reader_has_gone(transcript, left)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads once, as far as the limit goes and one byte more, which would show that it is exceeded.
    fn read(&mut self, transcript: &mut Transcript<'_>, left: &mut u64) -> io::Result<()> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let most = left.saturating_add(1).min(BUFFER as u64) as usize;
        match source.read(&mut self.buffer[..most]) {
            Ok(0) => self.close(),
            Ok(count) => {
                self.exceeded = count as u64 > *left;
                let allowed = count - usize::from(self.exceeded);
                *left -= allowed as u64;
                self.pending = 0..allowed;
                transcript.add(&self.buffer[..allowed]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.writer_ended => self.close(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.stuck = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn close(&mut self) {
        self.source = None;
        self.sink = None;
        self.stuck = true;
    }
}
