//! Hosts with much or little memory. Each is a process of its own, because the size of a process is what
//! is measured, and it cannot be given back reliably.

use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam::Container;

/// One run in a host: how long it took, and the workload's peak memory.
#[derive(Clone, Copy)]
pub struct Run {
    /// From the call of `spawn` to the report.
    pub time: Duration,
    /// In bytes.
    pub memory_peak: u64,
}

/// A process that has touched memory and runs containers when asked to.
pub struct Host {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Host {
    /// Starts this very program as a host of so many MiB, and waits until it has touched them. The options are
    /// those that the bench has for its hosts.
    pub fn start(mebibytes: u64, program: &Path, options: &[&str]) -> io::Result<Host> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--host").arg(mebibytes.to_string()).arg("--program").arg(program).args(options);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (Some(requests), Some(stdout)) = (stdin, stdout) else { return Err(io::ErrorKind::Other.into()) };
        let mut host = Host { process, requests, answers: BufReader::new(stdout) };
        host.run()?;
        Ok(host)
    }

    /// Has it run one container.
    pub fn run(&mut self) -> io::Result<Run> {
        self.requests.write_all(b"\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>();
        match numbers.as_deref() {
            Ok([nanoseconds, memory_peak]) => {
                Ok(Run { time: Duration::from_nanos(*nanoseconds), memory_peak: *memory_peak })
            }
            _ => Err(io::Error::other("a host of the bench failed")),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The life of a host: touches its memory, then runs the container once for each byte that it reads.
pub fn serve(mebibytes: u64, container: &Container) -> Result<(), Box<dyn std::error::Error>> {
    let memory = vec![1u8; (mebibytes << 20) as usize];
    for request in io::stdin().lock().bytes() {
        request?;
        let start = Instant::now();
        let report = container.spawn()?.wait()?;
        println!("{} {}", start.elapsed().as_nanos(), report.memory_peak());
    }
    black_box(&memory);
    Ok(())
}
