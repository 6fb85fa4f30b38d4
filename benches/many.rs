//! Thousands of containers that live at once: what one more costs, what an idle one takes, and how soon all are
//! gone.
//!
//! `cargo bench --bench many` prints lines as the bench `spawn` does: `FIGURE name value`, in the unit that the
//! name ends with; `RATIO name value`; `SKIP name reason`. It starts 5,000 containers; `-- --quick` 500, for CI.
//! It raises its own soft limit of open files as far as any program may. It works as root and as an ordinary
//! user, and needs a C compiler with a static C library. `docs/performance.md` says what the results mean.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use cofferdam::{Child, Container, Stdio};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::options::{self, Common};
use support::run::PLACE;
use support::{c, measure};

mod support;

/// A workload that waits for a signal.
const IDLE: &str = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n";
/// How many spawns make one figure.
const SPAN: usize = 100;
/// How often the ways to end are compared.
const ROUNDS: usize = 5;
/// Memory that is touched beforehand, in MiB: the kernel of a virtual machine gets its memory when it is first used,
/// which would be counted against the later containers.
const TOUCHED: u64 = 6 << 10;

/// Measures many containers at once.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    /// So many containers.
    #[arg(long)]
    count: Option<usize>,
    /// Be a host program that starts containers with this workload and waits to be killed.
    #[arg(long, hide = true)]
    program: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let count = arguments.count.unwrap_or(if arguments.common.quick { 500 } else { 5000 });
    options::finish(raise_open_files().and_then(|()| match arguments.program {
        Some(program) => serve(&program, count),
        None => measure_all(count),
    }))
}

/// What every program may do, and what a library must leave to it.
fn raise_open_files() -> Result<(), Box<dyn Error>> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

fn measure_all(count: usize) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let program = c::compile(directory.path(), "idle", IDLE)?;
    let container = idle(&program);
    touch_memory()?;
    (0..SPAN).try_for_each(|_| container.spawn().map(drop))?;
    let children = begin(&container, count)?;
    hold(&children)?;
    end(children);
    end_in_two_ways(&container)?;
    end_with_the_host(&program, count)
}

fn idle(program: &Path) -> Container {
    let container = Container::new().command(PLACE).bind_read_only(program, PLACE);
    container.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

fn touch_memory() -> Result<(), Box<dyn Error>> {
    let wanted = TOUCHED.min(available()? >> 11);
    std::hint::black_box(vec![1u8; (wanted << 20) as usize]);
    Ok(())
}

/// `MemAvailable` of proc_meminfo(5), in KiB.
fn available() -> Result<u64, Box<dyn Error>> {
    field("/proc/meminfo", "MemAvailable:").ok_or("/proc/meminfo has no MemAvailable".into())
}

/// A number of KiB in a file of /proc.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Starts them, one after the other.
fn begin(container: &Container, count: usize) -> Result<Vec<Child>, Box<dyn Error>> {
    let (memory, descriptors) = (available()?, descriptors()?);
    let start = Instant::now();
    let mut times = Vec::with_capacity(count);
    let mut children = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        children.push(container.spawn()?);
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    println!("FIGURE many_count {count}");
    println!("FIGURE many_spawn_s {:.2}", start.elapsed().as_secs_f64());
    let span = SPAN.min(count);
    let (first, last) =
        (measure::median(times[..span].to_vec()), measure::median(times[count - span..].to_vec()));
    println!("FIGURE many_first_us {first:.0}");
    println!("FIGURE many_last_us {last:.0}");
    println!("RATIO many_last_over_first {:.3}", last / first);
    let each = |before: u64, after: u64| before.saturating_sub(after) as f64 / count as f64;
    println!("FIGURE many_memory_each_kib {:.0}", each(memory, available()?));
    println!("FIGURE many_descriptors_each {:.2}", each(self::descriptors()?, descriptors));
    Ok(children)
}

fn descriptors() -> Result<u64, Box<dyn Error>> {
    Ok(fs::read_dir("/proc/self/fd")?.count() as u64)
}

/// What an idle init takes for itself.
fn hold(children: &[Child]) -> Result<(), Box<dyn Error>> {
    let shares: Vec<f64> = inits_of(process::id())?.into_iter().filter_map(share).collect();
    if shares.len() < children.len() {
        return Err("the inits are not to be found".into());
    }
    println!("FIGURE many_init_pss_kib {:.0}", measure::median(shares));
    Ok(())
}

fn share(pid: u32) -> Option<f64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:").map(|pss| pss as f64)
}

/// The children of a process.
fn inits_of(host: u32) -> Result<Vec<u32>, Box<dyn Error>> {
    let list = fs::read_to_string(format!("/proc/{host}/task/{host}/children"))?;
    Ok(list.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

fn end(children: Vec<Child>) {
    let time = measure::time(|| Child::end_all(children));
    println!("FIGURE many_end_all_s {:.2}", time.as_secs_f64());
}

/// A few, in turn: all together, and one after the other.
fn end_in_two_ways(container: &Container) -> Result<(), Box<dyn Error>> {
    let some = || (0..SPAN).map(|_| container.spawn()).collect::<Result<Vec<_>, _>>();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (together, apart) = (some()?, some()?);
        let together = measure::time(|| Child::end_all(together)).as_secs_f64();
        let apart = measure::time(|| drop(apart)).as_secs_f64();
        ratios.push(together / apart);
    }
    println!("RATIO many_end_all_over_drops {:.3}", measure::median(ratios));
    Ok(())
}

fn end_with_the_host(program: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--program").arg(program).arg("--count").arg(count.to_string());
    let mut host = command.stdin(process::Stdio::piped()).stdout(process::Stdio::piped()).spawn()?;
    let mut ready = String::new();
    BufReader::new(host.stdout.take().ok_or("no pipe")?).read_line(&mut ready)?;
    let mut inits = inits_of(host.id())?;
    let start = Instant::now();
    host.kill()?;
    host.wait()?;
    while start.elapsed() < Duration::from_secs(100) && !inits.is_empty() {
        inits.retain(|pid| is_alive(*pid));
    }
    println!("FIGURE many_host_killed_s {:.2}", start.elapsed().as_secs_f64());
    Ok(())
}

/// A process that has ended and waits for its parent does not count.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn serve(program: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let container = idle(program);
    let children = (0..count).map(|_| container.spawn()).collect::<Result<Vec<_>, _>>()?;
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(children);
    Ok(())
}
