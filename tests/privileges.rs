//! Privileges that stay behind: the securebits, root that is nobody, and the host program's session keyring.

mod common;

use cofferdam::{Capabilities, CapabilitySets, Container, Namespaces, Seccomp, Securebits, SyscallGroup};
use common::calls::{error, has_perl, perl, with_numbers};
use common::helper::{is_helper, printed_by, this_test_through};
use common::limits::PERL;
use common::stdout;

/// `PR_GET_SECUREBITS` of prctl(2).
const GET_SECUREBITS: i32 = 27;

#[track_caller]
fn securebits(change: impl Fn(Container) -> Container) -> String {
    stdout(&change(perl(&format!("say syscall(SYS(prctl), {GET_SECUREBITS}, 0, 0, 0, 0)"))))
}

/// A field of `/proc/self/status` of a program that was started inside.
#[track_caller]
fn status(container: &Container, field: &str) -> String {
    let text = stdout(&container.clone().command("/bin/cat").arg("/proc/self/status"));
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.expect("a field").trim().to_owned()
}

#[test]
fn the_securebits_are_those_that_were_asked_for() {
    if !has_perl() {
        return;
    }
    let nobody = Securebits::ROOT_IS_NOBODY.bits().to_string();
    assert_eq!(securebits(|container| container), nobody);
    assert_eq!(securebits(|container| container.user(0, 0)), nobody);
    assert_eq!(securebits(|container| container.capabilities(Capabilities::CHOWN)), "0");
    let chosen = Securebits::NOROOT | Securebits::NO_CAP_AMBIENT_RAISE_LOCKED;
    assert_eq!(securebits(|container| container.securebits(chosen)), chosen.bits().to_string());
    assert_eq!(securebits(|container| container.securebits(Securebits::empty())), "0");
    let capable = |container: Container| container.capabilities(Capabilities::CHOWN).securebits(chosen);
    assert_eq!(securebits(capable), chosen.bits().to_string());
}

/// Root gains by execve what its bounding set has, unless it is nobody.
#[test]
fn root_inside_is_nobody() {
    let bounding = CapabilitySets { bounding: Capabilities::CHOWN, ..CapabilitySets::default() };
    let bounded = Container::new().user(0, 0).capability_sets(bounding);
    // Which alone keeps it from gaining any.
    let bounded = bounded.no_new_privs(false).seccomp(Seccomp::unconfined());
    let chown = format!("{:016x}", Capabilities::CHOWN.bits());
    let none = "0".repeat(16);

    for field in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(status(&Container::new().user(0, 0), field), none, "{field}");
        assert_eq!(status(&bounded.clone().securebits(Securebits::ROOT_IS_NOBODY), field), none, "{field}");
    }
    assert_eq!(status(&bounded, "CapBnd"), chown);
    assert_eq!(
        status(&bounded, "CapEff"),
        chown,
        "the control: root is somebody where there are capabilities"
    );
}

#[test]
fn locked_securebits_stay() {
    if !has_perl() {
        return;
    }
    let script = || perl("say call(SYS(prctl), 28, 0, 0, 0, 0)").capabilities(Capabilities::SETPCAP);
    let locked = Securebits::NOROOT | Securebits::NOROOT_LOCKED;
    assert_eq!(stdout(&script().securebits(locked)), libc::EPERM.to_string());
    assert_eq!(stdout(&script().securebits(Securebits::NOROOT)), "0", "the control: without lock");
}

#[test]
fn the_steps_stand_in_the_explanation_in_their_order() {
    let keys = Seccomp::default().allow_group(SyscallGroup::Keyrings);
    let text = Container::new().command("/bin/true").seccomp(keys).explain().expect("a plan");
    let order = [
        "bounding-set",
        "session-keyring",
        "securebits",
        "identity",
        "capabilities",
        "no-new-privs",
        "seccomp",
        "exec",
    ];
    let line = |step: &str| {
        let has = |line: &str| line.split_whitespace().any(|word| word == step);
        text.lines().position(has).unwrap_or_else(|| panic!("no {step} in\n{text}"))
    };
    assert!(order.map(line).is_sorted(), "{text}");
    assert!(
        text.lines().any(|line| line.contains("securebits") && line.contains("NOROOT NOROOT_LOCKED")),
        "{text}"
    );
}

/// Makes a session keyring with a key in it, and becomes the test program: a host that has a secret.
const WITH_A_KEY: &str = "
    my ($type, $name, $secret) = ('user', 'cofferdam-test', 'from the host');
    $ENV{SESSION} = syscall(SYS(keyctl), 1, 0);
    $ENV{SESSION} > 0 or die \"no session keyring: $!\";
    $ENV{KEY} = syscall(SYS(add_key), $type, $name, $secret, length $secret, -3);
    $ENV{KEY} > 0 or die \"no key: $!\";
    exec @ARGV; die $!";

/// Says the id of the session keyring, then the error number of reading the host's key and of searching it.
fn reader() -> String {
    let key = std::env::var("KEY").expect("a key");
    format!(
        "my $buffer = ' ' x 64; say syscall(SYS(keyctl), 0, -3, 0);
         say call(SYS(keyctl), 11, {key}, $buffer, 64);
         say call(SYS(keyctl), 10, -3, 'user', 'cofferdam-test', 0)"
    )
}

#[test]
fn helper_with_a_key() {
    if !is_helper("helper_with_a_key") {
        return;
    }
    let session = std::env::var("SESSION").expect("a keyring");
    let open = || perl(&reader()).seccomp(Seccomp::default().allow_group(SyscallGroup::Keyrings));
    let bare = open().namespaces(Namespaces::empty());
    let unconfined = perl(&reader()).seccomp(Seccomp::unconfined());
    let said = [open(), open(), bare, unconfined].map(|container| stdout(&container));

    let sessions: Vec<_> = said.iter().map(|said| said.lines().next().expect("a line").to_owned()).collect();
    for (number, said) in said.iter().enumerate() {
        let (read, found) = (said.lines().nth(1), said.lines().nth(2));
        let refused = [libc::EACCES, libc::EPERM].map(|errno| errno.to_string());
        assert!(read.is_some_and(|read| refused.iter().any(|errno| errno == read)), "{number}: {said}");
        assert_eq!(found, Some(libc::ENOKEY.to_string().as_str()), "{number}: {said}");
        assert_ne!(sessions[number], session);
        assert!(sessions.iter().filter(|other| **other == sessions[number]).count() == 1, "{sessions:?}");
    }
    let outside =
        std::process::Command::new(PERL).args(["-e", &with_numbers(&reader())]).output().expect("perl");
    assert_eq!(common::text(&outside.stdout), format!("{session}\n0\n0"), "the control: outside it is read");
}

#[test]
fn the_hosts_session_keyring_is_out_of_reach() {
    if !has_perl() {
        return;
    }
    let name = "helper_with_a_key";
    let script = with_numbers(WITH_A_KEY);
    printed_by(&mut this_test_through(PERL, &["-e", &script, "--"], name), name);
}

#[test]
fn keys_are_denied_by_default() {
    if !has_perl() {
        return;
    }
    for call in [
        "SYS(keyctl), 0, -3, 0",
        "SYS(add_key), 'user', 'name', 'x', 1, -3",
        "SYS(request_key), 'user', 'name', 0, 0",
    ] {
        assert_eq!(error(Seccomp::default(), call), libc::EPERM, "{call}");
        let open = Seccomp::default().allow_group(SyscallGroup::Keyrings);
        assert_ne!(error(open, call), libc::EPERM, "{call}");
    }
}
