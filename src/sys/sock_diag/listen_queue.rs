//! The connections that wait in a Unix socket's listen queue, in the order in which accept(2) takes them.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use super::netlink::{
    BUFFER, LISTEN, Message, Netlink, UnixRequest, attributes, inode, inode_of, next_message,
    u32_at,
};

// linux/unix_diag.h
const SHOW_CONNECTIONS: u32 = 0x08;
const CONNECTIONS: u16 = 3;

/// Looks at one listening Unix socket again and again.
#[derive(Debug)]
pub(crate) struct ListenQueue {
    netlink: Netlink,
    inode: u32,
    buffer: Vec<u8>,
}

impl ListenQueue {
    /// Fails where the system has no socket diagnostics.
    pub(crate) fn of(listener: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            netlink: Netlink::open()?,
            inode: inode_of(listener)?,
            buffer: vec![0; BUFFER],
        })
    }

    /// The waiting connections, the oldest first: the inode of each client's socket, 0 for a client that has closed it.
    pub(crate) fn waiting(&mut self) -> io::Result<Vec<u32>> {
        // A single socket costs 10 µs, all of the machine 60 µs and more. But only the dump has room for more than some
        // 1,900 connections (`unix_diag_get_exact` in net/unix/diag.c): EMSGSIZE. It has room for some 8,000.
        match self.ask(false) {
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EMSGSIZE as i32) => {
                self.ask(true)
            }
            answer => answer,
        }
    }

    fn ask(&mut self, dump: bool) -> io::Result<Vec<u32>> {
        let request = UnixRequest {
            dump,
            states: LISTEN,
            inode: self.inode,
            show: SHOW_CONNECTIONS,
        };
        self.netlink.send(&request.bytes())?;
        let mut answer = QueueAnswer::to(self.inode, dump);
        loop {
            let datagram = self.netlink.receive(&mut self.buffer)?;
            if let ControlFlow::Break(answer) = answer.take(datagram) {
                return answer;
            }
        }
    }
}

/// What the kernel has answered so far about one socket.
#[derive(Clone, Debug)]
pub(crate) struct QueueAnswer {
    inode: u32,
    dump: bool,
    found: Option<Vec<u32>>,
}

impl QueueAnswer {
    pub(crate) fn to(inode: u32, dump: bool) -> Self {
        Self {
            inode,
            dump,
            found: None,
        }
    }

    /// Takes the next datagram; breaks with the connections, or with the kernel's error, when the answer is complete.
    pub(crate) fn take(&mut self, mut datagram: &[u8]) -> ControlFlow<io::Result<Vec<u32>>> {
        while let Some((message, rest)) = next_message(datagram) {
            match message {
                Message::Socket(body) if inode(body) == Some(self.inode) => {
                    let connections = connections(body);
                    if !self.dump {
                        return ControlFlow::Break(Ok(connections));
                    }
                    self.found = Some(connections);
                }
                Message::Socket(_) => {}
                Message::Error(errno) => {
                    return ControlFlow::Break(Err(io::Error::from_raw_os_error(errno)));
                }
                Message::End => {
                    let unknown =
                        || io::Error::other("the kernel does not know the listening socket");
                    return ControlFlow::Break(self.found.take().ok_or_else(unknown));
                }
            }
            datagram = rest;
        }
        ControlFlow::Continue(())
    }
}

fn connections(message: &[u8]) -> Vec<u32> {
    let list = attributes(message).find(|(kind, _)| *kind == CONNECTIONS);
    let list = list.map(|(_, value)| value).unwrap_or_default();
    (0..list.len() / 4)
        .filter_map(|n| u32_at(list, n * 4))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    use super::*;
    use crate::sys::sockets;

    #[test]
    fn connections_are_listed_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut queue = ListenQueue::of(&listener).unwrap();
        assert!(queue.waiting().unwrap().is_empty());
        let mut clients: Vec<UnixStream> = (0..4)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        let mut inodes: Vec<u32> = clients.iter().map(|c| inode_of(c).unwrap()).collect();
        assert_eq!(queue.waiting().unwrap(), inodes);
        drop(clients.remove(1));
        inodes[1] = 0;
        assert_eq!(queue.waiting().unwrap(), inodes);
        drop(listener.accept().unwrap());
        assert_eq!(queue.waiting().unwrap(), inodes[1..]);
    }

    #[test]
    fn an_error_is_an_error_whatever_its_number() {
        for errno in [-2, 0, 7, i32::MIN] {
            let mut datagram = Vec::new();
            datagram.extend(20_u32.to_ne_bytes());
            datagram.extend(2_u32.to_ne_bytes());
            datagram.extend([0; 8]);
            datagram.extend(errno.to_ne_bytes());
            let ControlFlow::Break(Err(error)) = QueueAnswer::to(7, true).take(&datagram) else {
                panic!("{errno} is no error");
            };
            assert!(errno != -2 || error.kind() == io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_long_queue_is_listed_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        sockets::set_places(&listener, 4096).unwrap();
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        let mut queue = ListenQueue::of(&listener).unwrap();
        let clients: Vec<UnixStream> = (0..2500)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        let seen = queue.waiting().unwrap();
        assert_eq!(seen.len(), clients.len());
        assert_eq!(seen.first(), inode_of(&clients[0]).ok().as_ref());
    }
}
