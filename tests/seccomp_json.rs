//! What programs may do under a profile as Docker has them. Needs the feature `seccomp-json`.

mod common;

use cofferdam::{Capabilities, Cause, Container, Seccomp};
use common::{output, sh, stdout, text};

/// Denies what it does not name, in the shape of Docker's default profile.
const PROFILE: &str = include_str!("fixtures/seccomp.json");

fn profile() -> Seccomp {
    Seccomp::from_oci_json(PROFILE).expect("a sound profile")
}

/// What becomes of each of these commands: `yes`, or what it says.
fn tried(container: Container, commands: &[&str]) -> Vec<String> {
    let script: String = commands
        .iter()
        .map(|command| format!("said=$({command} 2>&1 >/dev/null) && echo yes || echo \"${{said##*: }}\"\n"))
        .collect();
    stdout(&container.args(["-c", &script])).lines().map(str::to_owned).collect()
}

fn shell() -> Container {
    Container::new().command("/bin/sh").current_dir("/tmp").umask(0)
}

const COMMANDS: [&str; 7] = [
    "mkdir -m 700 mine",
    "mkdir -m 702 everybodys",
    "ln -s mine symbolic",
    "echo x >file && ln file second",
    "mknod fifo p",
    "mv file renamed",
    "rmdir mine",
];

#[test]
fn what_the_profile_names_is_allowed_and_the_rest_fails_as_it_says() {
    let denied = "Operation not permitted";
    let found = tried(shell().seccomp(profile()), &COMMANDS);
    assert_eq!(found, ["yes", denied, "yes", denied, "Read-only file system", denied, denied]);
    assert_eq!(tried(shell().seccomp(Seccomp::unconfined()), &COMMANDS), ["yes"; 7]);
}

/// The filter of the first run is not that of a container with other capabilities.
#[test]
fn the_capabilities_of_the_container_decide_over_entries() {
    let without = sh("echo x >/tmp/a && mv -n /tmp/a /tmp/b 2>/dev/null; ls /tmp").seccomp(profile());
    assert_eq!(stdout(&without), "a");
    let with = without.clone().capabilities(Capabilities::SYS_CHROOT);
    assert_eq!(stdout(&with), "b");
    assert_eq!(stdout(&without), "a");
    assert_eq!(stdout(&with.capabilities(Capabilities::empty())), "a");
}

#[test]
fn one_of_several_conditions_on_an_argument_suffices() {
    let script = "for my $family (1, 2, 10) { print socket(my $s, $family, 1, 0) ? 'yes ' : 'no ' }";
    let perl = Container::new().command("perl").args(["-e", script]);
    assert_eq!(stdout(&perl.clone().seccomp(profile())), "yes yes no ");
    assert_eq!(stdout(&perl.seccomp(Seccomp::unconfined())), "yes yes yes ");
}

#[test]
fn a_call_that_kills_ends_the_container_by_seccomp() {
    let chroot = Container::new().command("perl").args(["-e", "print chroot('/') ? 'yes' : 'no'"]);
    let killed = output(&chroot.clone().seccomp(profile()));
    assert_eq!((killed.report.cause(), text(&killed.stdout)), (Cause::Seccomp, String::new()));
    let loosened = output(&chroot.clone().seccomp(profile().deny(["chroot"])));
    assert_eq!((loosened.report.cause(), text(&loosened.stdout)), (Cause::Exited, "no".to_owned()));
    let capable = chroot.capabilities(Capabilities::SYS_CHROOT);
    assert_eq!(stdout(&capable.clone().seccomp(Seccomp::unconfined())), "yes");
    assert_eq!(stdout(&capable.seccomp(profile())), "no");
}

#[test]
fn rules_that_are_added_loosen_a_profile_or_count_what_it_denies() {
    let script = "mkdir -m 700 /tmp/mine && rmdir /tmp/mine";
    assert!(!output(&sh(script).seccomp(profile())).status.success());
    assert!(output(&sh(script).seccomp(profile().allow(["rmdir"]))).status.success());
    let killed = output(&sh(script).seccomp(profile().kill(["rmdir"]))).report;
    let named = killed.violation().and_then(|call| call.name());
    assert_eq!((killed.cause(), named), (Cause::Seccomp, Some("rmdir")));
    let trial = output(&sh(script).seccomp(profile().report_only())).report;
    assert!(trial.success());
    assert!(trial.would_be_denied().iter().any(|call| call.name() == Some("rmdir")));
}
