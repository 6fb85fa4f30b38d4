//! Walks the plan: which function carries out which step.

use core::ffi::CStr;

use super::abi;
use super::channel::{self, Reporter, send};
use super::shared::Shared;
use super::state::{Failure, In, Outcome, Places, Plan};
use super::sys::{self, Errno, Fd, Fork, How, Pass};
use super::{identity, init, landlock, mounts, system, workload};
use crate::wire::{Command, Reader, Record, Step, item, listener};

/// A step as the launcher sees it.
type ReceivedStep = Step<&'static CStr, &'static [u8]>;

/// Everything the steps work on.
struct Walk {
    plan: Plan,
    rest: Reader<'static>,
    places: Places,
    reporter: Reporter,
    index: u32,
    /// The process was created in the cgroup of the step `start-workload`.
    born_in_cgroup: bool,
    /// Memory for the pointer tables of `execve`: once there is a filter none can be asked for.
    scratch: &'static mut [u8],
    /// What the calls after the filter carry.
    pass: Pass,
}

/// Stack for the steps between the creation of the workload's process and `execve`.
const STACK: usize = 64 << 10;

/// Carries out the plan. Init's way through ends in its main loop, the workload's in `execve`.
pub fn walk(plan: Plan) -> ! {
    let rest = Reader::new(plan.body);
    let places = Places::default();
    let reporter = Reporter::Control;
    let (scratch, pass) = (Default::default(), Pass::default());
    Walk { plan, rest, places, reporter, index: 0, born_in_cgroup: false, scratch, pass }.run()
}

impl Walk {
    fn run(&mut self) -> ! {
        while !self.rest.is_empty() {
            self.reporter.step(self.index);
            let outcome = match Step::decode(&mut self.rest) {
                Some(Step::StartWorkload { cgroup }) => match self.plan.fds.find(cgroup) {
                    Ok(cgroup) => self.start_workload(cgroup),
                    Err(errno) => Err(errno.into()),
                },
                Some(step) => self.carry_out(&step),
                None => Err(Failure { errno: Errno(abi::EINVAL), item: item::PLAN }),
            };
            if let Err(failure) = outcome {
                self.reporter.failed(self.index, failure, self.pass);
            }
            self.index += 1;
        }
        // Only a plan without workload gets here: the host asked whether the steps work, and they do.
        init::finish_without_workload()
    }

    /// Creates the process that carries out the rest of the plan and becomes the workload, and goes on as
    /// init. Returns only the failure to do so.
    fn start_workload(&mut self, cgroup: Option<Fd>) -> Outcome {
        let shared = Shared::new()?;
        // As PID 1 init gets all orphans; elsewhere it must ask for them before there can be any.
        if sys::getpid() != 1 {
            sys::prctl(abi::PR_SET_CHILD_SUBREAPER, 1)?;
        }
        // What init has open and in memory is nobody's business, from the workload's first moment on.
        sys::prctl(abi::PR_SET_DUMPABLE, 0)?;
        let messages = self.prepare_for_a_listener()?;
        let started = match self.spawn_shared(cgroup, shared) {
            // The kernel does not know how (ENOSYS, E2BIG, EINVAL), or does not let init (EACCES): the process
            // enters the group by itself.
            Err(_) if cgroup.is_some() => self.spawn_shared(None, shared),
            started => started,
        };
        let (workload, offset) = started.item(item::FORK)?;
        init::main(&self.plan, &self.places, shared, offset, &workload, messages)
    }

    /// The socket at which init gets the listener of the workload's filter, if that is to have one.
    fn prepare_for_a_listener(&mut self) -> Outcome<Option<Fd>> {
        if self.plan.header.listener == listener::NONE {
            return Ok(None);
        }
        let (ours, theirs) = sys::socket_pair()?;
        self.places.messenger = Some(theirs);
        Ok(Some(ours))
    }

    /// On shared memory nothing need be copied. Before Linux 6.1 a process that is to enter a new time namespace
    /// may not share (EINVAL), and enters it when it is created, not at exec: its clock then is ahead by the
    /// offset, which is returned.
    fn spawn_shared(&mut self, cgroup: Option<Fd>, shared: Shared) -> sys::Result<(sys::Spawned, i64)> {
        match self.spawn(How { share: true, cgroup }, shared) {
            Err(Errno(abi::EINVAL)) => {
                let workload = self.spawn(How { share: false, cgroup }, shared)?;
                Ok((workload, self.plan.header.clock_offset))
            }
            workload => Ok((workload?, 0)),
        }
    }

    /// The child works on a walk of its own, as it moves the descriptors, which remain where they are here.
    fn spawn(&mut self, how: How, shared: Shared) -> sys::Result<sys::Spawned> {
        let walk = Walk {
            plan: self.plan.clone(),
            rest: self.rest,
            places: self.places,
            reporter: Reporter::Init(shared),
            index: self.index + 1,
            born_in_cgroup: how.cgroup.is_some(),
            scratch: sys::allocate(self.plan.header.scratch as usize)?,
            pass: Pass::default(),
        };
        sys::spawn(how, sys::allocate(STACK)?, go_on, sys::allocate_value(walk)?)
    }

    fn carry_out(&mut self, step: &ReceivedStep) -> Outcome {
        let places = &mut self.places;
        let fds = &mut self.plan.fds;
        match *step {
            Step::JoinNamespace { fd, kinds } => Ok(sys::setns(fds.get(fd)?, kinds)?),
            Step::Unshare { kinds } => Ok(sys::unshare(kinds)?),
            Step::IdMaps {} => await_id_maps(),
            Step::ForkInit {} => fork_init(),
            Step::InitIdentity { uid, gid, groups } => identity::for_init(uid, gid, groups != 0),
            Step::TimeOffsets { lines } => system::time_offsets(places, lines),
            Step::HostProc {} => system::open_host_proc(places),
            Step::HostName { name } => Ok(sys::sethostname(name)?),
            Step::Loopback {} => Ok(system::loopback_up()?),

            Step::PrivateMounts {} => Ok(sys::make_mounts_private()?),
            Step::Stage { size } => mounts::stage(places, size),
            Step::Bind { source, fd, device, inode, target, attributes } => {
                let source = mounts::Source { path: source, fd: fds.take(fd)?, device, inode };
                mounts::bind(places, &source, target, attributes)
            }
            Step::Tmpfs { target, mode, size, inodes, attributes } => {
                mounts::tmpfs(places, target, &mounts::TmpfsOptions { mode, size, inodes }, attributes)
            }
            Step::Skeleton { path, directory } => mounts::skeleton(places, path, directory != 0),
            Step::OverlayLayer { name, fd, .. } => {
                let layer = fds.take(fd)?.ok_or(Errno(abi::EINVAL))?;
                mounts::overlay_layer(places, name, layer)
            }
            Step::Overlay { target, options, memory, size, inodes, place, attributes } => {
                let bounds = mounts::TmpfsOptions { mode: c"700", size, inodes };
                let overlay = mounts::Overlay { options, memory, bounds, place, attributes };
                mounts::overlay(places, &overlay, target)
            }
            Step::Pool { size, inodes } => mounts::pool(places, size, inodes),
            Step::PooledDirectory { target, name, mode, attributes } => {
                mounts::pooled_directory(places, target, name, mode, attributes)
            }
            Step::Proc { target, outer } => mounts::proc(places, target, outer != 0),
            Step::Mask { path } => mounts::mask(places, path),
            Step::ReadOnly { path } => mounts::read_only(places, path),
            Step::Devpts { target } => mounts::devpts(places, target),
            Step::Mqueue { target } => mounts::mqueue(places, target),
            Step::Directory { path, mode } => mounts::directory(places, path, mode),
            Step::File { path, mode, fd, content, bound } => {
                let content = mounts::Content { fd: fds.find(fd)?, bytes: content };
                mounts::file(places, path, mode, &content, bound)
            }
            Step::Symlink { target, path } => mounts::symlink(places, target, path),
            Step::SealMount { path } => mounts::seal(places, path),
            Step::EnterRoot {} => mounts::enter_root(places),

            Step::StartWorkload { .. } => Ok(()),
            Step::Cgroup { of_start, .. } if of_start != 0 && self.born_in_cgroup => Ok(()),
            Step::Cgroup { fd, .. } => Ok(sys::write_all(fds.get(fd)?, b"0")?),
            Step::SessionKeyring {} => Ok(identity::leave_session_keyring()?),
            Step::Session {} => Ok(sys::setsid()?),
            Step::LiftDescriptors { above } => {
                places.lift(above)?;
                Ok(fds.lift(above)?)
            }
            Step::Descriptor { fd, target } => Ok(sys::give_number(fds.get(fd)?, target as i32)?),
            Step::ResourceLimit { resource, soft, hard } => {
                Ok(sys::set_rlimit(resource, soft, hard, self.pass)?)
            }
            Step::Nice { value } => Ok(sys::set_nice(value)?),
            Step::Affinity { mask } => Ok(sys::set_affinity(mask)?),
            Step::OomScoreAdj { value } => system::oom_score_adj(places, value),
            Step::Personality { persona } => Ok(sys::personality(persona)?),
            Step::Umask { mask } => {
                sys::umask(mask);
                Ok(())
            }
            Step::BoundingSet { keep } => Ok(identity::drop_bounding_set(keep)?),
            Step::Securebits { bits } => Ok(sys::prctl(abi::PR_SET_SECUREBITS, bits as usize)?),
            Step::Groups { gids } => Ok(sys::setgroups(gids)?),
            Step::Identity { uid, gid } => identity::for_workload(uid, gid),
            Step::Capabilities { effective, permitted, inheritable, ambient } => {
                Ok(identity::set_capabilities(effective, permitted, inheritable, ambient)?)
            }
            Step::NoNewPrivs {} => Ok(sys::prctl(abi::PR_SET_NO_NEW_PRIVS, 1)?),
            Step::WorkingDirectory { path } => Ok(sys::chdir(path)?),
            Step::ParentDeath {} => Ok(sys::prctl(abi::PR_SET_PDEATHSIG, abi::SIGKILL as usize)?),
            Step::DefaultSignals {} => Ok(workload::default_signals()?),
            Step::LandlockRule { fd, path, access } => landlock::add_rule(fds.get(fd)?, path, access),
            Step::LandlockRestrict { fd, .. } => Ok(sys::landlock_restrict_self(fds.get(fd)?)?),
            Step::Seccomp { program, listener, pass_1, pass_2, pass_3 } => {
                self.pass = Pass([pass_1, pass_2, pass_3]);
                attach_filter(places, program, listener != 0, self.pass)
            }
            Step::Execute { candidates, arguments, environment, strings } => {
                let counts = workload::Counts { candidates, arguments, environment };
                let scratch = core::mem::take(&mut self.scratch);
                workload::execute(&counts, strings, scratch, self.reporter, self.pass)
            }
        }
    }
}

/// The workload's process begins here, on a stack of its own.
extern "C" fn go_on(walk: &'static mut Walk) -> ! {
    walk.run()
}

/// From here on this process makes no call that the filter does not know by the pass.
fn attach_filter(places: &Places, program: &[u8], has_listener: bool, pass: Pass) -> Outcome {
    if let Some(listener) = sys::set_filter(program, has_listener)? {
        channel::hand_over(places.messenger()?, listener, pass).item(item::LISTENER)?;
    }
    Ok(())
}

/// Asks the host for the id maps and waits for its word.
fn await_id_maps() -> Outcome {
    send(&Record::NeedIdMaps);
    match super::channel::await_command()? {
        Some(Command::IdMapsWritten) => Ok(()),
        // The host could not write them and says why itself.
        _ => sys::exit(1),
    }
}

/// Forks inside a joined PID namespace. The parent only keeps the host's child alive until init ends.
fn fork_init() -> Outcome {
    match sys::fork() {
        Ok(Fork::Child) => Ok(()),
        Ok(Fork::Parent) => {
            let _ = sys::close_range(0, u32::MAX);
            let _ = sys::reap(true);
            sys::exit(0)
        }
        Err(errno) => Err(Failure { errno, item: item::FORK }),
    }
}
