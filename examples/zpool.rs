use cofferdam::{Command, Container, Pool};
use std::time::Instant;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n: usize = std::env::args().nth(1).map_or(5, |n| n.parse().unwrap());
    let prog = std::env::args().nth(2).unwrap_or("/bin/true".into());
    let mut c = Container::new();
    if std::env::args().nth(3).is_some() {
        c = c.memory_limit(64 << 20).pids_limit(32);
    }
    c = c.bind_read_only("/tmp/x", "/x");
    let pool = Pool::new(&c, 1)?;
    for i in 0..n.min(3) {
        let out = pool.output(&Command::new("sh").args(["-c", "echo $$; cat /proc/self/stat | cut -c1-20; echo hi >/tmp/x; ls -la /tmp; ls /proc | head -3; ipcmk -M 100"]))?;
        println!(
            "{i} {:?} {} {}",
            out.report.cause(),
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    let mut times = vec![];
    let cmd = Command::new(&prog);
    let total = Instant::now();
    for _ in 0..n {
        let t = Instant::now();
        let r = pool.run(&cmd)?;
        assert!(r.success(), "{r:?}");
        times.push(t.elapsed());
    }
    println!("rate {:.0}/s", n as f64 / total.elapsed().as_secs_f64());
    times.sort();
    let mut plain = vec![];
    for _ in 0..n {
        let t = Instant::now();
        assert!(std::process::Command::new(prog.replace("/x/", "/tmp/x/")).status()?.success());
        plain.push(t.elapsed());
    }
    plain.sort();
    println!(
        "warm median {:?} plain {:?} ratio {:.3}",
        times[n / 2],
        plain[n / 2],
        times[n / 2].as_secs_f64() / plain[n / 2].as_secs_f64()
    );
    Ok(())
}
