//! Binds the listening sockets.
//!
//! They are non-blocking: nginx does not set that on inherited sockets, and its workers would then block in accept(2).
#![forbid(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, UnixAddr,
    setsockopt, sockopt,
};

use super::socket_options;

/// Backlog of the TCP sockets; the kernel limits it to net.core.somaxconn.
const TCP_BACKLOG: i32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Another process listens there.
    #[error("cannot listen on {address}: the address is in use{}\n  hint: stop that process, or choose another address with --listen (clients) or --admin (health and status)", holder.as_ref().map(|h| format!(" by {h}")).unwrap_or_default())]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The process that holds it, as "nginx (pid 12)", where it can be found.
        holder: Option<String>,
    },
    /// A port below 1024 needs a capability.
    #[error(
        "cannot listen on {address}: no permission for a port below {limit}\n  hint: choose another port with --listen 8080, or give the container the capability NET_BIND_SERVICE (or sysctl net.ipv4.ip_unprivileged_port_start=0)"
    )]
    NoPermission {
        /// The address.
        address: SocketAddr,
        /// The first port that needs no capability.
        limit: u16,
    },
    /// A path does not fit into the address of a Unix socket.
    #[error("cannot make the socket {}: its path has {} bytes, a Unix socket's has at most 107\n  hint: choose a shorter folder with --runtime-dir", path.display(), path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// Any other error.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// A TCP address, or the path of a Unix socket.
        address: String,
        /// The error of the system call.
        source: io::Error,
    },
}

/// A listening TCP socket.
#[derive(Debug)]
pub(crate) struct Tcp {
    listener: TcpListener,
    /// The actual address: for port 0, with the port that the kernel has chosen.
    pub address: SocketAddr,
}

impl AsFd for Tcp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Tcp {
    /// For a listener that the launcher itself accepts on.
    pub(crate) fn into_listener(self) -> TcpListener {
        self.listener
    }
}

/// Binds and listens on a TCP address.
pub(crate) fn tcp(address: SocketAddr) -> Result<Tcp, BindError> {
    let refused = |source: io::Error| BindError::Refused {
        address: address.to_string(),
        source,
    };
    match bind_tcp(address) {
        Ok(fd) => {
            let listener = TcpListener::from(fd);
            let address = listener.local_addr().map_err(refused)?;
            Ok(Tcp { listener, address })
        }
        Err(Errno::EADDRINUSE) => Err(BindError::InUse {
            address,
            holder: super::ports::holder(address),
        }),
        Err(Errno::EACCES) => Err(BindError::NoPermission {
            address,
            limit: super::low_ports::first_unprivileged(),
        }),
        Err(error) => Err(refused(error.into())),
    }
}

fn bind_tcp(address: SocketAddr) -> nix::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let fd = socket::socket(
        family,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if let Err(error) = socket_options::keep_little_unsent(&fd) {
        // A sandbox without this option: slow clients cost more memory.
        tracing::debug!(%error, "Cannot limit what a connection holds unsent.");
    }
    match address {
        SocketAddr::V4(v4) => socket::bind(fd.as_raw_fd(), &SockaddrIn::from(v4))?,
        SocketAddr::V6(v6) => {
            // Allows 0.0.0.0 and [::] with the same port, and nginx expects it of IPv6 sockets.
            setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
            socket::bind(fd.as_raw_fd(), &SockaddrIn6::from(v6))?;
        }
    }
    socket::listen(&fd, Backlog::new(TCP_BACKLOG)?)?;
    Ok(fd)
}

/// Binds and listens on a path. Removes a file at that path, which an earlier run has left.
pub(crate) fn unix(
    path: &Path,
    places: u32,
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<UnixListener, BindError> {
    // The size of sun_path in unix(7), less the terminating NUL.
    if path.as_os_str().len() > 107 {
        return Err(BindError::TooLong {
            path: path.to_owned(),
        });
    }
    let refused = |source: io::Error| BindError::Refused {
        address: path.display().to_string(),
        source,
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    // The standard library has called listen with a backlog of 128.
    set_places(&listener, places).map_err(refused)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(refused)?;
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(refused)?;
    }
    Ok(listener)
}

/// Connects to a path without waiting: a server whose listen queue is full is an error.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let fd = socket::socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    socket::connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(fd))
}

/// Accepts a connection on a non-blocking Unix socket; none when none waits. The connection does not block either.
pub(crate) fn accept(listener: &OwnedFd) -> io::Result<Option<UnixStream>> {
    match UnixListener::from(listener.try_clone()?).accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(true)?;
            Ok(Some(stream))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes how many connections may wait on a listening Unix socket, by a second listen(2); at least one can. The backlog
/// counts from zero (`unix_recvq_full` in net/unix/af_unix.c). Those that wait already stay.
pub(crate) fn set_places(listener: &impl AsFd, places: u32) -> io::Result<()> {
    let backlog = i32::try_from(places.saturating_sub(1)).unwrap_or(i32::MAX);
    let backlog = Backlog::new(backlog).or_else(|_| Backlog::new(TCP_BACKLOG))?;
    Ok(socket::listen(&listener.as_fd(), backlog)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_its_holder() {
        let first = tcp(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let error = tcp(first.address).unwrap_err().to_string();
        let own = std::process::id().to_string();
        assert!(
            error.contains(&first.address.to_string()) && error.contains(&own),
            "{error}"
        );
    }

    #[test]
    fn a_path_that_is_too_long_is_named() {
        let long = Path::new("/tmp").join("x".repeat(120));
        let error = unix(&long, 5, 0o600, None).unwrap_err().to_string();
        assert!(error.contains("--runtime-dir"), "{error}");
    }
}
