//! The handle of a running group: one loop that passes on, watches the ends, and keeps their order.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollTimeout;

use super::line::Line;
use super::outcome::{GroupOutcome, MemberEnd, Records, Teed, Transcript};
use super::watch::{Watch, Watched};
use crate::config::Stream;
use crate::error::{Error, Result};
use crate::host::child::{Child, Link, NUDGE_INTERVAL, milliseconds_until, nudge};
use crate::host::output::Writer;
use crate::host::sys::BrokenPipesAreErrors;
use crate::report::Report;

/// A running group.
///
/// Dropped, it ends: every member is killed and removed, as a dropped [`Child`] is.
///
/// What goes through a tee moves, ends are seen, and
/// [`end_all_when_any_ends`](crate::Group::end_all_when_any_ends) acts, only while somebody waits: in
/// [`wait`](Self::wait), [`wait_timeout`](Self::wait_timeout) or [`next_end`](Self::next_end). Plain connections,
/// limits, and the order of the ends need nobody.
///
/// ```
/// use cofferdam::{Container, Group, Stdio, Stream};
/// use std::io::{Read, Write};
/// let mut running = Group::new()
///     .member("upper", Container::new().command("tr").args(["a-z", "A-Z"]).stdin(Stdio::piped()))
///     .member("reverse", Container::new().command("rev").stdout(Stdio::piped()))
///     .connect(("upper", Stream::Stdout), ("reverse", Stream::Stdin))
///     .spawn()?;
/// let input = running.member_mut("upper").and_then(|child| child.stdin.take());
/// input.expect("a pipe").write_all(b"abc\n")?;
/// let output = running.member_mut("reverse").and_then(|child| child.stdout.take());
/// assert_eq!(std::io::read_to_string(output.expect("a pipe"))?, "CBA\n");
/// while let Some(end) = running.next_end()? {
///     println!("{} after {:?}", end.member, end.elapsed);
/// }
/// assert_eq!(running.ends().len(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct RunningGroup {
    members: Vec<Member>,
    lines: Vec<Line>,
    records: Records,
    watch: Watch,
    end_all_when_any_ends: bool,
    /// When the first workload ran.
    started: Option<Instant>,
    /// The places of members whose workload has ended, in that order, until they stand in `ends`.
    ending: VecDeque<usize>,
    ends: Vec<MemberEnd>,
    /// How many of the ends [`next_end`](Self::next_end) has told.
    told: usize,
}

#[derive(Debug)]
struct Member {
    name: String,
    child: Child,
    /// What it may still write to streams that are read for the group.
    left: u64,
    /// When its workload was seen to have ended.
    ended: Option<Duration>,
    report: Option<Report>,
    /// Nothing of it is left, whether or not there is a report.
    gone: bool,
}

impl RunningGroup {
    /// A group that will have these members.
    pub(super) fn new(names: &[&str], lines: Vec<Line>, end_all_when_any_ends: bool) -> Result<Self> {
        let watch = Watch::new().map_err(|errno| cannot_watch(errno.into()))?;
        for (place, line) in lines.iter().enumerate() {
            let source = line.source().map(|fd| watch.add(fd, Watched::Source(place)));
            let sink = line.sink().map(|fd| watch.add(fd, Watched::Sink(place)));
            let added = source.into_iter().chain(sink).collect::<nix::Result<()>>();
            added.map_err(|errno| cannot_watch(errno.into()))?;
        }
        let tees = lines.iter().map(|line| Teed::new(names[line.writer].to_owned(), line.stream)).collect();
        Ok(RunningGroup {
            members: Vec::new(),
            lines,
            records: Records { tees, passages: Vec::new() },
            watch,
            end_all_when_any_ends,
            started: None,
            ending: VecDeque::new(),
            ends: Vec::new(),
            told: 0,
        })
    }

    /// Takes in a member that has been started, before the next one is: so the order of their ends is known from
    /// the first.
    pub(super) fn add(&mut self, name: String, child: Child) -> Result<()> {
        let place = self.members.len();
        let workload = self.watch.add(child.pidfd(), Watched::Workload(place));
        let init =
            child.running.link.as_ref().map(|link| self.watch.add(link.init.as_fd(), Watched::Init(place)));
        workload.and(init.unwrap_or(Ok(()))).map_err(|errno| cannot_watch(errno.into()).of_member(&name))?;
        self.started.get_or_insert(child.running.started);
        let left = child.running.terms.output.unwrap_or(u64::MAX);
        self.members.push(Member { name, child, left, ended: None, report: None, gone: false });
        Ok(())
    }

    /// The handle of a member; `None` where there is no member of that name.
    pub fn member(&self, name: &str) -> Option<&Child> {
        self.members.iter().find(|member| member.name == name).map(|member| &member.child)
    }

    /// As [`member`](Self::member), to change limits, or to take out streams that are
    /// [`piped`](crate::Stdio::piped) and not connected.
    pub fn member_mut(&mut self, name: &str) -> Option<&mut Child> {
        self.members.iter_mut().find(|member| member.name == name).map(|member| &mut member.child)
    }

    /// The names and handles of the members, in the order of the calls that added them.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Child)> {
        self.members.iter().map(|member| (member.name.as_str(), &member.child))
    }

    /// The ends that have been seen, in their order.
    pub fn ends(&self) -> &[MemberEnd] {
        &self.ends
    }

    /// Kills everything in every member: see [`Child::kill`]. The reports of those that had not ended say
    /// [`Cause::Killed`](crate::Cause::Killed).
    ///
    /// # Errors
    /// As [`Child::kill`], the first of them; all members are tried.
    pub fn kill(&self) -> Result<()> {
        self.kill_where(|_| true)
    }

    fn kill_where(&self, wanted: impl Fn(&Member) -> bool) -> Result<()> {
        let wanted = self.members.iter().filter(|member| wanted(member));
        let killed = wanted.map(|member| member.child.kill().map_err(|error| error.of_member(&member.name)));
        killed.fold(Ok(()), Result::and)
    }

    /// Waits for the next end that this has not yet returned, in the order of the ends; `None` when all members
    /// have ended. Standard inputs stay open.
    ///
    /// ```
    /// use cofferdam::{Container, Group};
    /// let mut running = Group::new()
    ///     .member("server", Container::new().command("sleep").arg("1000"))
    ///     .member("client", Container::new().command("false"))
    ///     .spawn()?;
    /// while let Some(end) = running.next_end()? {
    ///     if end.member == "client" {
    ///         running.member("server").expect("a member").kill()?;
    ///     }
    /// }
    /// let outcome = running.wait()?;
    /// assert_eq!(outcome.report("client").expect("a member").code(), Some(1));
    /// assert_eq!(outcome.ends.last().expect("an end").report.signal(), Some(9));
    /// # Ok::<(), cofferdam::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a member's init was killed from outside, so that there is no report. The error names the member, which
    /// has ended and has no place in the order; called again, this goes on with the others. Or if a connection
    /// fails in a way that no pipe is known to.
    pub fn next_end(&mut self) -> Result<Option<&MemberEnd>> {
        self.drive(None, |group| group.ends.len() > group.told || group.all_gone())?;
        let next = self.ends.get(self.told);
        self.told += usize::from(next.is_some());
        Ok(next)
    }

    /// Waits until all members have ended, but not longer than this, and tells whether they have. Then
    /// [`wait`](Self::wait) returns at once. Standard inputs stay open.
    ///
    /// # Errors
    /// As [`next_end`](Self::next_end).
    pub fn wait_timeout(&mut self, time: Duration) -> Result<bool> {
        self.drive(Instant::now().checked_add(time), RunningGroup::is_over)
    }

    /// Closes the standard inputs and notifiers that the members' handles hold, waits until all members have ended
    /// and everything has passed, and says how.
    ///
    /// It does not read from streams that are [`piped`](crate::Stdio::piped): a member that fills one that nobody
    /// reads waits for ever. [`collect`](crate::Group::collect) reads.
    ///
    /// # Errors
    /// As [`next_end`](Self::next_end); all members are ended then.
    pub fn wait(mut self) -> Result<GroupOutcome> {
        for member in &mut self.members {
            drop(member.child.stdin.take());
            drop(member.child.notifier.take());
        }
        self.drive(None, RunningGroup::is_over)?;
        let Records { tees, passages } = self.records;
        Ok(GroupOutcome { ends: self.ends, tees, passages })
    }

    fn all_gone(&self) -> bool {
        self.members.iter().all(|member| member.gone)
    }

    fn is_over(&self) -> bool {
        self.all_gone() && self.lines.iter().all(Line::has_ended)
    }

    /// Passes on and watches until something is so (true) or the deadline has passed (false).
    fn drive(&mut self, deadline: Option<Instant>, is_so: impl Fn(&Self) -> bool) -> Result<bool> {
        // Only where this thread writes to pipes at all.
        let writes = self.lines.iter().any(|line| line.sink().is_some());
        let _errors = writes.then(BrokenPipesAreErrors::new).transpose().map_err(cannot_watch)?;
        let mut late = false;
        loop {
            let moving = self.pass_on()?;
            if late || is_so(self) {
                return Ok(is_so(self));
            }
            // Before the look, so that what is there already is seen even where no time is given.
            late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            self.look(if late || moving { EpollTimeout::ZERO } else { self.patience(deadline) })?;
        }
    }

    /// Passes on one buffer of every connection, and tells whether there may be more.
    fn pass_on(&mut self) -> Result<bool> {
        for place in 0..self.lines.len() {
            if !self.lines[place].stuck {
                self.on_line(place, Line::pass_on)?;
            }
        }
        Ok(self.lines.iter().any(|line| !line.stuck))
    }

    /// Does something with a connection, and ends the writer if it has written more than it may.
    fn on_line(
        &mut self,
        place: usize,
        act: impl FnOnce(&mut Line, &mut Transcript<'_>, &mut u64) -> std::io::Result<()>,
    ) -> Result<()> {
        let line = &mut self.lines[place];
        let writer = &mut self.members[line.writer];
        let mut transcript = Transcript { place, cap: line.cap(), records: &mut self.records };
        let mut unlimited = u64::MAX;
        let left = if counts(line) { &mut writer.left } else { &mut unlimited };
        act(line, &mut transcript, left).map_err(|error| {
            Error::io("group", format!("passing on {} of `{}`", line.stream, writer.name), &error)
        })?;
        let running = &mut writer.child.running;
        if line.exceeded() && !running.output_exceeded {
            running.end_for_its_output();
        }
        Ok(())
    }

    /// Waits for what happens, and takes it in.
    fn look(&mut self, timeout: EpollTimeout) -> Result<()> {
        let events = self.watch.wait(timeout).map_err(|errno| cannot_watch(errno.into()))?;
        if events.is_empty() {
            self.nudge_inits();
        }
        let taken = events.into_iter().map(|event| self.take_in(event)).fold(Ok(()), Result::and);
        self.publish();
        taken.and(self.end_all_after_the_first())
    }

    /// Once: whoever is told to end need not hear it again.
    fn end_all_after_the_first(&mut self) -> Result<()> {
        if !self.end_all_when_any_ends || self.members.iter().all(|member| member.ended.is_none()) {
            return Ok(());
        }
        self.end_all_when_any_ends = false;
        self.kill_where(|member| member.ended.is_none())
    }

    fn take_in(&mut self, event: Watched) -> Result<()> {
        match event {
            Watched::Workload(place) => self.note_end(place),
            Watched::Init(place) => return self.note_report(place),
            Watched::Source(place) | Watched::Sink(place) => self.lines[place].stuck = false,
            Watched::Broken(place) => return self.on_line(place, Line::reader_has_gone),
        }
        Ok(())
    }

    fn note_end(&mut self, place: usize) {
        let elapsed = self.started.map(|started| started.elapsed());
        let ended = &mut self.members[place].ended;
        if ended.is_none() {
            *ended = elapsed;
            self.ending.push_back(place);
        }
    }

    /// Init is gone, and with it the whole container: it has sent its report, or never will.
    fn note_report(&mut self, place: usize) -> Result<()> {
        self.note_end(place);
        let member = &mut self.members[place];
        // A pidfd tells of the end, and again when the process is reaped.
        if std::mem::replace(&mut member.gone, true) {
            return Ok(());
        }
        // What is still to be read counts too, and the report is made now.
        let unread = self.lines.iter().filter(|line| line.writer == place && counts(line)).map(Line::unread);
        member.child.running.output_exceeded |= unread.sum::<u64>() > member.left;
        let report = member.child.wait().map_err(|error| error.of_member(&member.name));
        let report = report.map(|report| member.report = Some(report));
        for line in 0..self.lines.len() {
            if self.lines[line].writer == place {
                self.lines[line].writer_has_ended();
            }
            if self.lines[line].reader == Some(place) {
                self.on_line(line, Line::reader_has_gone)?;
            }
        }
        report
    }

    /// Tells the ends in their order: one whose report is still to come keeps back those behind it.
    fn publish(&mut self) {
        while let Some(place) = self.ending.front().copied().filter(|place| self.members[*place].gone) {
            self.ending.pop_front();
            let member = &mut self.members[place];
            if let (Some(report), Some(elapsed)) = (member.report.take(), member.ended) {
                self.ends.push(MemberEnd { member: member.name.clone(), report, elapsed });
            }
        }
    }

    /// Inits that the workload can stop, because they are not PID 1, and that have not ended.
    fn inits_to_nudge(&self) -> impl Iterator<Item = &Link> {
        let there = self.members.iter().filter(|member| !member.gone);
        there.filter_map(|member| member.child.running.link.as_ref()).filter(|link| !link.init_is_pid_1)
    }

    fn nudge_inits(&self) {
        self.inits_to_nudge().for_each(|link| nudge(link.init.as_fd()));
    }

    fn patience(&self, deadline: Option<Instant>) -> EpollTimeout {
        let interval = self.inits_to_nudge().next().map(|_| i32::from(NUDGE_INTERVAL));
        let shortest = [interval, deadline.map(milliseconds_until)].into_iter().flatten().min();
        shortest.map_or(EpollTimeout::NONE, |left| EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX))
    }
}

/// Whether a limit of output is about it: other descriptors are not.
fn counts(line: &Line) -> bool {
    matches!(line.stream, Stream::Stdout | Stream::Stderr)
}

fn cannot_watch(error: std::io::Error) -> Error {
    Error::io("group", "cannot watch the members", &error)
}
