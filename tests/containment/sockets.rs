//! Sockets of the host and of its network; families that belong to no namespace.
//!
//! The rule: a network namespace with nothing but loopback, and a filter that knows only the families which
//! that namespace covers.

use std::any::Any;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

use cofferdam::{Capabilities, Namespaces};
use libc::{AF_INET, AF_INET6, AF_UNIX, EACCES, EAFNOSUPPORT, ECONNREFUSED, ENOENT, EPERM, EPROTONOSUPPORT};

use crate::check::{Answer, Check, Control, Scene};
use crate::scenes::{open_directory, set_mode, unique_name};
use crate::sys::{Outcome, at, call};

const WITH_NETWORK: Control = Control::Loosened(|container| container.share(Namespaces::NET));
const WITH_RAW: Control = Control::Loosened(|container| container.capabilities(Capabilities::NET_RAW));
const WITH_ADMIN: Control = Control::Loosened(|container| container.capabilities(Capabilities::NET_ADMIN));

/// A family of sockets that only a filter keeps out; unless root is asked for, everybody may have one outside.
macro_rules! family {
    ($name:literal, $family:expr, $kind:expr) => {
        Check::new($name, |_| socket($family, $kind, 0).into())
            .refused(&[EAFNOSUPPORT])
            .by_filter()
            .lacking(LACKING_FAMILY)
    };
}

/// A protocol of netlink.
macro_rules! netlink {
    ($name:literal, $protocol:expr) => {
        Check::new($name, |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, $protocol).into())
            .refused(&[EPROTONOSUPPORT])
            .by_filter()
            .lacking(&[(EPROTONOSUPPORT, "this protocol of netlink")])
    };
}

const LACKING_FAMILY: &[(i32, &str)] =
    &[(EAFNOSUPPORT, "this family of sockets"), (EPROTONOSUPPORT, "this family of sockets")];

pub const CHECKS: &[Check] = &[
    Check::new("abstract_stream", |a| connect_abstract(libc::SOCK_STREAM, &a[0]))
        .scene(|_| {
            let name = unique_name();
            let address = SocketAddr::from_abstract_name(&name).map_err(text)?;
            Ok(Scene::new().arg(&name).keep(UnixListener::bind_addr(&address).map_err(text)?))
        })
        .refused(&[ECONNREFUSED]),
    Check::new("abstract_datagram", |a| connect_abstract(libc::SOCK_DGRAM, &a[0]))
        .scene(|_| {
            let name = unique_name();
            let address = SocketAddr::from_abstract_name(&name).map_err(text)?;
            Ok(Scene::new().arg(&name).keep(UnixDatagram::bind_addr(&address).map_err(text)?))
        })
        .refused(&[ECONNREFUSED]),
    Check::new("abstract_stream_where_the_network_is_shared", |a| connect_abstract(libc::SOCK_STREAM, &a[0]))
        .scene(|_| {
            let name = unique_name();
            let address = SocketAddr::from_abstract_name(&name).map_err(text)?;
            Ok(Scene::new().arg(&name).keep(UnixListener::bind_addr(&address).map_err(text)?))
        })
        .refused(&[ECONNREFUSED])
        .control(WITH_NETWORK),
    Check::new("socket_by_its_path", |a| connect_path(&a[0]))
        .scene(|_| {
            let directory = open_directory();
            let path = directory.path().join("socket");
            let listener = UnixListener::bind(&path).map_err(text)?;
            set_mode(&path, 0o777);
            Ok(Scene::new().arg(path.display()).keep(directory).keep(listener))
        })
        .refused(&[ENOENT]),
    Check::new("listening_port", |a| connect_inet(AF_INET, libc::SOCK_STREAM, &a[0]))
        .scene(|_| port(TcpListener::bind("127.0.0.1:0")))
        .refused(&[ECONNREFUSED]),
    Check::new("listening_port_of_version_6", |a| connect_inet(AF_INET6, libc::SOCK_STREAM, &a[0]))
        .scene(|_| port(TcpListener::bind("[::1]:0")).map_err(|_| "IPv6 on loopback".into()))
        .refused(&[ECONNREFUSED, libc::EADDRNOTAVAIL]),
    Check::new("datagram_to_a_port", |a| send_inet(&a[0]))
        .scene(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").map_err(text)?;
            socket.set_read_timeout(Some(Duration::from_millis(1))).map_err(text)?;
            let port = socket.local_addr().map_err(text)?.port();
            // On loopback it has arrived when the call that sends it returns.
            Ok(Scene::new().arg(port).effect(move || socket.recv(&mut [0; 8]).is_ok()))
        })
        .hidden(),
    Check::new("interfaces", |_| {
        let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
        Answer::seen(text.lines().skip(2).any(|line| !line.trim_start().starts_with("lo:")))
    })
    .hidden()
    .control(Control::Loosened(|container| container.share(Namespaces::NET)))
    .scene(|place| {
        let others = fs::read_dir("/sys/class/net").map_or(0, Iterator::count);
        if place.is_control() && others < 2 {
            return Err("an interface beside loopback".into());
        }
        Ok(Scene::new())
    }),
    Check::new("names_of_sockets_of_the_host", |a| {
        Answer::seen(fs::read_to_string("/proc/net/unix").is_ok_and(|text| text.contains(&a[0])))
    })
    .scene(|_| {
        let name = unique_name();
        let address = SocketAddr::from_abstract_name(&name).map_err(text)?;
        Ok(Scene::new().arg(&name).keep(UnixListener::bind_addr(&address).map_err(text)?))
    })
    .hidden(),
    Check::new("ports_of_the_host", |a| {
        let port: u16 = a[0].parse().unwrap_or(0);
        let shown = format!("0100007F:{port:04X} ");
        Answer::seen(fs::read_to_string("/proc/net/tcp").is_ok_and(|text| text.contains(&shown)))
    })
    .scene(|_| port(TcpListener::bind("127.0.0.1:0")))
    .hidden(),
    Check::new("raw_packets", |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0).into())
        .refused(&[EPERM, EAFNOSUPPORT])
        .control(WITH_RAW)
        .lacking(LACKING_FAMILY),
    Check::new("raw_internet_protocol", |_| socket(AF_INET, libc::SOCK_RAW, 1).into()).control(WITH_RAW),
    Check::new("settings_of_an_interface", bring_loopback_up).control(WITH_ADMIN),
    Check::new("foreign_credentials", |_| send_credentials())
        .control(Control::Loosened(|container| container.user(0, 0).capabilities(Capabilities::all()))),
    Check::new("port_below_1024", |_| bind_port(80))
        .refused(&[EACCES])
        .control(Control::Loosened(|container| container.capabilities(Capabilities::NET_BIND_SERVICE))),
    family!("machine_to_machine", libc::AF_VSOCK, libc::SOCK_STREAM),
    family!("cryptography", libc::AF_ALG, libc::SOCK_SEQPACKET),
    family!("bluetooth", libc::AF_BLUETOOTH, libc::SOCK_RAW),
    family!("controller_area_network", libc::AF_CAN, libc::SOCK_DGRAM),
    family!("cluster", libc::AF_TIPC, libc::SOCK_DGRAM),
    family!("reliable_datagrams", libc::AF_RDS, libc::SOCK_SEQPACKET),
    family!("kernel_connections", 41, libc::SOCK_STREAM),
    family!("express_data_path", libc::AF_XDP, libc::SOCK_RAW)
        .needs_root("the kernel itself answers EPERM to others"),
    family!("keys_of_ipsec", libc::AF_KEY, libc::SOCK_RAW)
        .needs_root("the kernel itself answers EPERM to others"),
    family!("packets", libc::AF_PACKET, libc::SOCK_DGRAM)
        .needs_root("the kernel itself answers EPERM to others"),
    family!("family_with_high_bits", AF_UNIX | libc::AF_VSOCK, libc::SOCK_STREAM),
    netlink!("netlink_of_sockets", libc::NETLINK_SOCK_DIAG),
    netlink!("netlink_of_events", libc::NETLINK_KOBJECT_UEVENT),
    netlink!("netlink_of_audit", libc::NETLINK_AUDIT),
    netlink!("netlink_of_packet_filters", libc::NETLINK_NETFILTER),
    netlink!("netlink_of_ipsec", libc::NETLINK_XFRM),
    netlink!("generic_netlink", libc::NETLINK_GENERIC),
];

pub fn text(error: impl ToString) -> String {
    error.to_string()
}

fn port(listener: std::io::Result<TcpListener>) -> Result<Scene, String> {
    let listener = listener.map_err(text)?;
    let port = listener.local_addr().map_err(text)?.port();
    Ok(Scene::new().arg(port).keep(listener))
}

pub fn socket(family: i32, kind: i32, protocol: i32) -> Outcome {
    call(libc::SYS_socket, &[family as usize, (kind | libc::SOCK_CLOEXEC) as usize, protocol as usize])
}

/// Connects a new unix socket to a name, whose first byte is zero where it is abstract.
fn connect_unix(kind: i32, name: &[u8]) -> Answer {
    let mut address = [0u8; 110];
    address[..2].copy_from_slice(&(AF_UNIX as u16).to_ne_bytes());
    address[2..2 + name.len()].copy_from_slice(name);
    let connect = |fd| call(libc::SYS_connect, &[fd as usize, at(&address), 2 + name.len()]);
    socket(AF_UNIX, kind, 0).and_then(connect).into()
}

pub fn connect_abstract(kind: i32, name: &str) -> Answer {
    connect_unix(kind, &[b"\0", name.as_bytes()].concat())
}

fn connect_path(path: &str) -> Answer {
    connect_unix(libc::SOCK_STREAM, &[path.as_bytes(), b"\0"].concat())
}

/// The loopback address with a port, and its length.
fn loopback(family: i32, port: u16) -> ([u8; 28], usize) {
    let mut address = [0u8; 28];
    address[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    if family == AF_INET {
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        return (address, 16);
    }
    address[23] = 1;
    (address, 28)
}

pub fn connect_inet(family: i32, kind: i32, port: &str) -> Answer {
    let (address, length) = loopback(family, port.parse().unwrap_or(0));
    let connect = |fd| call(libc::SYS_connect, &[fd as usize, at(&address), length]);
    socket(family, kind, 0).and_then(connect).into()
}

fn send_inet(port: &str) -> Answer {
    let (address, length) = loopback(AF_INET, port.parse().unwrap_or(0));
    let send = |fd| call(libc::SYS_sendto, &[fd as usize, at("x"), 1, 0, at(&address), length]);
    socket(AF_INET, libc::SOCK_DGRAM, 0).and_then(send).into()
}

fn bind_port(port: u16) -> Answer {
    let (address, length) = loopback(AF_INET, port);
    let bind = |fd| call(libc::SYS_bind, &[fd as usize, at(&address), length]);
    socket(AF_INET, libc::SOCK_STREAM, 0).and_then(bind).into()
}

fn bring_loopback_up(_: &[String]) -> Answer {
    // Of an ifreq: the name, and flags that say `up`.
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16..18].copy_from_slice(&(libc::IFF_UP as u16).to_ne_bytes());
    let set = |fd| call(libc::SYS_ioctl, &[fd as usize, 0x8914, at(&request)]);
    socket(AF_INET, libc::SOCK_DGRAM, 0).and_then(set).into()
}

/// Sends credentials that claim to be those of init.
fn send_credentials() -> Answer {
    let mut pair = [0i32; 2];
    let kind = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as usize;
    let made = call(libc::SYS_socketpair, &[AF_UNIX as usize, kind, 0, crate::sys::at_mut(&mut pair)]);
    // A cmsghdr of SOL_SOCKET, SCM_CREDENTIALS, and a ucred.
    let header = [28u64.to_ne_bytes(), (1u64 | 2 << 32).to_ne_bytes()].concat();
    let id = |number| call(number, &[]).unwrap_or(0) as u32;
    let claim = [1, id(libc::SYS_geteuid), id(libc::SYS_getegid), 0].map(u32::to_ne_bytes).concat();
    let control = [header, claim].concat();
    let data = [at("x"), 1];
    let message = [0, 0, at(&data), 1, at(&control[..]), 28, 0];
    made.and_then(|_| call(libc::SYS_sendmsg, &[pair[0] as usize, at(&message), 0])).into()
}

/// A part: listens on an abstract socket.
pub fn hold_abstract_socket(arguments: &[String]) -> Result<(Box<dyn Any>, String), i32> {
    let listener = SocketAddr::from_abstract_name(&arguments[0])
        .and_then(|address| UnixListener::bind_addr(&address))
        .map_err(|error| error.raw_os_error().unwrap_or(0))?;
    Ok((Box::new(listener), String::new()))
}

/// A part: listens on a port of loopback.
pub fn hold_port(_: &[String]) -> Result<(Box<dyn Any>, String), i32> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.raw_os_error().unwrap_or(0))?;
    let port = listener.local_addr().map_or(0, |address| address.port());
    Ok((Box::new(listener), port.to_string()))
}
