//! Those who run the same program.

use std::process::Command as Program;
use std::time::Duration;

use cofferdam::{Child, Command, Container};

use super::setting::Setting;
use super::{oci, peers};
use crate::support::measure;
use crate::support::run::{PLACE, contained};

/// Makes so many runs, one after the other, and says how long they took together.
pub type Runner<'a> = Box<dyn FnMut(u32) -> Duration + Send + 'a>;

/// Makes a runner, one for each thread that needs one; or says why there is none here.
type Make<'a> = Box<dyn Fn() -> Result<Runner<'a>, String> + 'a>;

/// Somebody who runs the program.
pub struct Contender<'a> {
    /// Those of a group are shown side by side.
    pub group: &'static str,
    pub name: &'static str,
    make: Make<'a>,
}

/// A contender who is here.
pub struct Ready<'a> {
    pub group: &'static str,
    pub name: &'static str,
    pub runner: Runner<'a>,
    pub make: Make<'a>,
}

/// Everybody. The groups: `cold`, where all is made anew for each run; `warm`, where it is prepared.
pub fn all(setting: &Setting) -> Vec<Contender<'_>> {
    let cold = |name, make| Contender { group: "cold", name, make };
    let warm = |name, make| Contender { group: "warm", name, make };
    vec![
        cold("posix_spawn", command(|| Ok(Program::new(&setting.program)))),
        cold("bare", command(|| Ok(Program::new(&setting.bare)))),
        cold("cold", container(&setting.container)),
        cold("cold_limits", container(&setting.limited)),
        cold("bubblewrap", command(|| crate::support::peers::bubblewrap(&setting.explained, PLACE))),
        cold("crun_limits", Box::new(|| oci::runner("crun", setting))),
        cold("runc_limits", Box::new(|| oci::runner("runc", setting))),
        cold("hakoniwa", Box::new(|| peers::hakoniwa("cold", setting))),
        cold("hakoniwa_limits", Box::new(|| peers::hakoniwa("limits", setting))),
        cold("go_sandbox", Box::new(|| peers::go_sandbox("cold", setting))),
        cold("go_sandbox_limits", Box::new(|| peers::go_sandbox("limits", setting))),
        cold("go_sandbox_few_limits", Box::new(|| peers::go_sandbox("few", setting))),
        warm("warm", Box::new(|| pooled(setting))),
        warm("exec", Box::new(|| Ok(each(|| beside(&setting.running))))),
        warm("go_sandbox_pool", Box::new(|| peers::go_sandbox("pool", setting))),
    ]
}

/// Those who are here. The others are noted, with the reason.
pub fn ready<'a>(contenders: Vec<Contender<'a>>, summary: &mut Vec<String>) -> Vec<Ready<'a>> {
    let mut present = Vec::new();
    for Contender { group, name, make } in contenders {
        match make() {
            Ok(runner) => present.push(Ready { group, name, runner, make }),
            Err(reason) => summary.push(format!("SKIP {name} {reason}")),
        }
    }
    present
}

/// Runs of the library.
fn container(container: &Container) -> Make<'_> {
    Box::new(move || {
        container.explain().map_err(|error| error.to_string().replace('\n', "; "))?;
        Ok(each(move || contained(container)))
    })
}

/// Runs in a pool, with limits.
fn pooled(setting: &Setting) -> Result<Runner<'_>, String> {
    let pool = setting.pool.as_ref().map_err(String::clone)?;
    let command = Command::new(PLACE);
    Ok(each(move || {
        measure::time(|| assert!(pool.run(&command).expect("a run that worked before").success()))
    }))
}

/// A command beside a workload.
fn beside(running: &Child) -> Duration {
    measure::time(|| {
        let report = running.exec(&Command::new(PLACE)).and_then(|mut command| command.wait());
        assert!(report.expect("a command that worked before").success());
    })
}

/// Runs of a program, as std makes them: a vfork-style spawn, and a wait.
fn command<'a>(command: impl Fn() -> Result<Program, String> + 'a) -> Make<'a> {
    Box::new(move || {
        let mut command = command()?;
        Ok(each(move || run(&mut command)))
    })
}

/// Runs a program, which must succeed.
pub fn run(command: &mut Program) -> Duration {
    measure::time(|| {
        let status = command.status().expect("a program that ran a moment ago");
        assert!(status.success(), "{command:?} ended with {status}");
    })
}

/// Makes a runner of something that makes one run.
pub fn each<'a>(mut once: impl FnMut() -> Duration + Send + 'a) -> Runner<'a> {
    Box::new(move |runs| (0..runs).map(|_| once()).sum())
}
