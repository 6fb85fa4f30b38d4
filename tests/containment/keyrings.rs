//! Kernel keyrings, which belong to no namespace: a session keyring goes from parent to child.
//!
//! The rule: the filter knows no call for keys, the session keyring is a new one, and `/proc/keys` is masked.

use std::any::Any;

use crate::check::{Answer, Check, Scene};
use crate::scenes::unique_name;
use crate::sys::{Outcome, at, at_mut, c, call};

const LACKING: &[(i32, &str)] = &[(libc::ENOSYS, "keyrings")];

/// By the filter, or, where there is none, because the session is a new one.
const HIDDEN: &[i32] = &[libc::EPERM, libc::ENOKEY];

const SESSION: usize = -3i32 as usize;
const USER: usize = -4i32 as usize;
const JOIN_SESSION: usize = 1;
const DESCRIBE: usize = 6;
const SEARCH: usize = 10;
const READ: usize = 11;
const UNLINK: usize = 9;

/// What the host's session keyring has.
const SECRET_KEY: &str = "cofferdam-containment";

pub const CHECKS: &[Check] = &[
    Check::new("key_of_the_session", |_| search(SESSION).into()).refused(HIDDEN).lacking(LACKING),
    Check::new("value_of_a_key_of_the_session", |_| {
        let mut value = [0u8; 16];
        let read = |key| call(libc::SYS_keyctl, &[READ, key as usize, at_mut(&mut value), 16]);
        search(SESSION).and_then(read).into()
    })
    .refused(HIDDEN)
    .lacking(LACKING),
    Check::new("request_of_a_key", |_| {
        let (kind, name) = (c("user"), c(SECRET_KEY));
        call(libc::SYS_request_key, &[kind.as_ptr() as usize, name.as_ptr() as usize, 0, 0]).into()
    })
    .refused(HIDDEN)
    .lacking(LACKING),
    Check::new("new_key_in_the_session", |_| {
        let key = add(&unique_name(), SESSION);
        let _ = key.map(|key| call(libc::SYS_keyctl, &[UNLINK, key as usize, SESSION]));
        key.into()
    })
    .by_filter()
    .lacking(LACKING),
    Check::new("new_key_of_the_user", |_| {
        let key = add(&unique_name(), USER);
        let _ = key.map(|key| call(libc::SYS_keyctl, &[UNLINK, key as usize, USER]));
        key.into()
    })
    .by_filter()
    .lacking(LACKING),
    Check::new("new_session_keyring", |_| call(libc::SYS_keyctl, &[JOIN_SESSION, 0]).into())
        .by_filter()
        .lacking(LACKING),
    Check::new("key_by_its_number", |a| {
        let number: usize = a[0].parse().unwrap_or(0);
        call(libc::SYS_keyctl, &[DESCRIBE, number, 0, 0]).into()
    })
    .scene(|_| {
        let key = search(SESSION).map_err(|errno| format!("keyrings: {errno}"))?;
        Ok(Scene::new().arg(key))
    })
    .by_filter()
    .lacking(LACKING),
    Check::new("list_of_keys", |_| {
        Answer::seen(std::fs::read_to_string("/proc/keys").is_ok_and(|text| text.contains(SECRET_KEY)))
    })
    .hidden()
    .lacking(LACKING)
    .scene(|_| search(SESSION).map(|_| Scene::new()).map_err(|_| "keyrings".into())),
    Check::new("list_of_keys_as_root_inside", |_| {
        Answer::seen(std::fs::read_to_string("/proc/keys").is_ok_and(|text| !text.is_empty()))
    })
    .with(crate::namespaces::root_of_its_own)
    .hidden()
    .scene(|_| search(SESSION).map(|_| Scene::new()).map_err(|_| "keyrings".into())),
];

fn search(keyring: usize) -> Outcome {
    let (kind, name) = (c("user"), c(SECRET_KEY));
    call(libc::SYS_keyctl, &[SEARCH, keyring, kind.as_ptr() as usize, name.as_ptr() as usize, 0])
}

fn add(name: &str, keyring: usize) -> Outcome {
    let (kind, name) = (c("user"), c(name));
    call(libc::SYS_add_key, &[kind.as_ptr() as usize, name.as_ptr() as usize, at("secret"), 6, keyring])
}

/// This program enters a session keyring of its own, with a key that containers must not see. The kernel forgets
/// both when the last process of the session has ended. Without keyrings there is none, as the controls show.
pub fn join_session_with_secret() {
    let _ = call(libc::SYS_keyctl, &[JOIN_SESSION, 0]).and_then(|_| add(SECRET_KEY, SESSION));
}

/// A part: has a key which everybody may see who knows its number.
pub fn hold(_: &[String]) -> Result<(Box<dyn Any>, String), i32> {
    const SET_PERMISSIONS: usize = 5;
    let key = call(libc::SYS_keyctl, &[JOIN_SESSION, 0]).and_then(|_| add(&unique_name(), SESSION))?;
    call(libc::SYS_keyctl, &[SET_PERMISSIONS, key as usize, 0x3f3f_3f3f])?;
    Ok((Box::new(()), key.to_string()))
}

/// Describes a key by its number.
pub fn describe(arguments: &[String]) -> Answer {
    let number: usize = arguments[0].parse().unwrap_or(0);
    call(libc::SYS_keyctl, &[DESCRIBE, number, 0, 0]).into()
}
