//! Is a port free, and who has it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// Returns what stands in the way of listening on `address:port`: who holds it, where that can be
/// seen. Tried by listening for a moment, because no list of sockets tells all that a bind meets:
/// a listener on 0.0.0.0 blocks the port on every loopback address too.
pub(crate) fn check(address: IpAddr, port: u16) -> Result<(), String> {
    let wanted = SocketAddr::new(address, port);
    let Err(error) = TcpListener::bind(wanted) else { return Ok(()) };
    match error.kind() {
        io::ErrorKind::AddrInUse => Err(match holder(wanted) {
            Some(holder) => format!("port {port} on {address} is in use by {holder}"),
            None => format!("port {port} on {address} is in use by a process of another user"),
        }),
        io::ErrorKind::AddrNotAvailable => {
            Err(format!("address {address} does not exist on this machine"))
        }
        // An unprivileged port that another user may use is the service's own affair to try.
        io::ErrorKind::PermissionDenied => {
            Err(format!("port {port} on {address} needs rights that this user does not have"))
        }
        _ => Err(format!("port {port} on {address} cannot be used: {error}")),
    }
}

/// Names the process that listens where `wanted` would: on the same address or on all of them.
#[cfg(target_os = "linux")]
fn holder(wanted: SocketAddr) -> Option<String> {
    use procfs::net::{TcpState, tcp, tcp6};
    let sockets = tcp().into_iter().flatten().chain(tcp6().into_iter().flatten());
    let inodes: Vec<(u64, SocketAddr)> = sockets
        .filter(|socket| socket.state == TcpState::Listen)
        .filter(|socket| socket.local_address.port() == wanted.port())
        .filter(|socket| {
            let ip = socket.local_address.ip().to_canonical();
            ip == wanted.ip() || ip.is_unspecified()
        })
        .map(|socket| (socket.inode, socket.local_address))
        .collect();
    let processes = procfs::process::all_processes().ok()?;
    processes.flatten().find_map(|process| {
        let fds = process.fd().ok()?;
        let address = fds.flatten().find_map(|fd| match fd.target {
            procfs::process::FDTarget::Socket(inode) => {
                inodes.iter().find(|(held, _)| *held == inode).map(|(_, address)| *address)
            }
            _ => None,
        })?;
        let command = process.stat().ok()?.comm;
        let on = if address.ip() == wanted.ip() {
            String::new()
        } else {
            format!(", which listens on {address}")
        };
        Some(format!("process {} (`{command}`){on}", process.pid()))
    })
}

/// Missing here: macOS has no /proc to look in.
#[cfg(not(target_os = "linux"))]
fn holder(_wanted: SocketAddr) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_who_holds_a_port_also_through_all_addresses() {
        let everywhere = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let port = everywhere.local_addr().expect("bound").port();
        let why = check("127.83.4.9".parse().expect("an address"), port).expect_err("taken");
        let expected =
            format!("port {port} on 127.83.4.9 is in use by process {}", std::process::id());
        assert!(why.starts_with(&expected), "{why}");
        assert!(why.contains("which listens on 0.0.0.0"), "{why}");
        drop(everywhere);
        assert_eq!(check("127.83.4.9".parse().expect("an address"), port), Ok(()));
    }

    #[test]
    fn a_foreign_address_is_said_to_be_foreign() {
        let why = check("192.0.2.1".parse().expect("an address"), 1).expect_err("not ours");
        assert_eq!(why, "address 192.0.2.1 does not exist on this machine");
    }
}
