use cofferdam::{Command, Container, Pool, Stdio};
use std::time::{Duration, Instant};
fn med(v: &mut Vec<f64>) -> f64 {
    v.sort_by(|a, b| a.total_cmp(b));
    v[v.len() / 2]
}
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a: Vec<String> = std::env::args().collect();
    let n: usize = a[1].parse()?;
    let mode = a[2].as_str();
    let mut c = Container::new().bind_read_only("/tmp/x", "/x");
    if a.len() > 3 {
        c = c.memory_limit(64 << 20).pids_limit(32);
    }
    let cmd = Command::new("/x/noop");
    let plain = || {
        let t = Instant::now();
        assert!(std::process::Command::new("/tmp/x/noop").status().unwrap().success());
        t.elapsed().as_secs_f64()
    };
    match mode {
        "warm" | "idle" => {
            let pool = Pool::new(&c, 2)?;
            let (mut w, mut p, mut r) = (vec![], vec![], vec![]);
            for i in 0..n + 5 {
                if mode == "idle" {
                    std::thread::sleep(Duration::from_millis(50));
                }
                let t = Instant::now();
                let rep = pool.run(&cmd)?;
                let x = t.elapsed().as_secs_f64();
                assert!(rep.success());
                if mode == "idle" {
                    std::thread::sleep(Duration::from_millis(50));
                }
                let y = plain();
                if i >= 5 {
                    w.push(x);
                    p.push(y);
                    r.push(x / y);
                }
            }
            println!(
                "warm {:.0} us plain {:.0} us ratio {:.3}",
                med(&mut w) * 1e6,
                med(&mut p) * 1e6,
                med(&mut r)
            );
        }
        "exec" => {
            let child = c.command("cat").stdin(Stdio::piped()).spawn()?;
            let (mut w, mut p, mut r) = (vec![], vec![], vec![]);
            for i in 0..n + 5 {
                let t = Instant::now();
                let rep = child.exec(&cmd)?.wait()?;
                let x = t.elapsed().as_secs_f64();
                assert!(rep.success());
                let y = plain();
                if i >= 5 {
                    w.push(x);
                    p.push(y);
                    r.push(x / y);
                }
            }
            println!(
                "exec {:.0} us plain {:.0} us ratio {:.3}",
                med(&mut w) * 1e6,
                med(&mut p) * 1e6,
                med(&mut r)
            );
        }
        "onlyexec" => {
            let child = c.command("cat").stdin(Stdio::piped()).spawn()?;
            let t = Instant::now();
            for _ in 0..n {
                assert!(child.exec(&cmd)?.wait()?.success());
            }
            println!("exec {:.0} us", t.elapsed().as_secs_f64() / n as f64 * 1e6);
        }
        "only" => {
            let pool = Pool::new(&c, 4)?;
            let t = Instant::now();
            std::thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| {
                        for _ in 0..n / 2 {
                            assert!(pool.run(&cmd).unwrap().success())
                        }
                    });
                }
            });
            println!("warm {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
        }
        "rate" => {
            let pool = Pool::new(&c, 4)?;
            for round in 0..3 {
                let t = Instant::now();
                std::thread::scope(|s| {
                    for _ in 0..2 {
                        s.spawn(|| {
                            for _ in 0..n / 2 {
                                assert!(pool.run(&cmd).unwrap().success())
                            }
                        });
                    }
                });
                let w = n as f64 / t.elapsed().as_secs_f64();
                let t = Instant::now();
                std::thread::scope(|s| {
                    for _ in 0..2 {
                        s.spawn(|| {
                            for _ in 0..n / 2 {
                                plain();
                            }
                        });
                    }
                });
                let p = n as f64 / t.elapsed().as_secs_f64();
                println!("{round}: warm {w:.0}/s plain {p:.0}/s ratio {:.3}", w / p);
            }
        }
        _ => {}
    }
    Ok(())
}
