//! Compiles the launcher: the static, `no_std` program that becomes PID 1 of every container.
//!
//! It is a program of its own, and not code of the library that runs after a fork, so that nothing of
//! the host program (its memory, its locks, its allocator) exists in the container. The library embeds
//! the finished file with `include_bytes!`.

use std::env;
use std::path::PathBuf;
use std::process::{Command, exit};

const SOURCE: &str = "src/launcher/main.rs";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/launcher");
    println!("cargo:rerun-if-changed=src/wire.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");

    let target = variable("TARGET");
    if !target.contains("-linux-") {
        fail(&format!("cofferdam runs on Linux only, not on {target}"));
    }
    let output = PathBuf::from(variable("OUT_DIR")).join("launcher");

    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args(["--crate-name", "cofferdam_launcher", "--crate-type", "bin", "--edition", "2024"])
        .args(["--target", &target])
        .arg("-o")
        .arg(&output)
        .arg(SOURCE);
    // The optimisation level is fixed: the launcher turns every panic into a link error, which holds only
    // where the optimiser has removed the checks that it can prove.
    for option in ["opt-level=2", "panic=abort", "debug-assertions=off", "overflow-checks=off"] {
        rustc.args(["-C", option]);
    }
    for option in ["codegen-units=1", "force-unwind-tables=no", "strip=symbols"] {
        rustc.args(["-C", option]);
    }
    // A fixed address and no dynamic linker: the kernel maps the file and jumps to `_start`.
    for option in ["relocation-model=static", "target-feature=+crt-static"] {
        rustc.args(["-C", option]);
    }
    for option in ["-nostartfiles", "-nostdlib", "-static", "-Wl,--build-id=none", "-Wl,-z,noexecstack"] {
        rustc.arg("-C").arg(format!("link-arg={option}"));
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut argument = std::ffi::OsString::from("linker=");
        argument.push(linker);
        rustc.arg("-C").arg(argument);
    }

    match rustc.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("the launcher did not compile ({status}): {rustc:?}")),
        Err(error) => fail(&format!("cannot run the compiler for the launcher: {error}")),
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    exit(1)
}
