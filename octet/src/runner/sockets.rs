//! The system's TCP sockets, to tell why a port cannot be bound.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Why an address is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// A program listens on it, or the system does not say.
    Listener,
    /// It is the source port of an open connection.
    Connection {
        /// The other end.
        to: SocketAddr,
    },
    /// It is the source port of a closed connection, which the system keeps for a minute.
    ClosedConnection {
        /// The other end.
        to: SocketAddr,
    },
}

/// The states of `/proc/net/tcp` that matter here, from the kernel's `tcp_states.h`.
const LISTEN: u8 = 0x0a;
/// `FIN_WAIT1`, `FIN_WAIT2`, `TIME_WAIT`, `CLOSE`, `CLOSE_WAIT`, `LAST_ACK`, `CLOSING`.
const CLOSING: [u8; 7] = [4, 5, 6, 7, 8, 9, 11];

/// How often the tables are read for a socket. The system writes them in pieces, and a socket that changes its state
/// between two of them is in neither.
const READS: usize = 10;

/// What holds `address`, which cannot be bound.
pub(super) fn holder(address: SocketAddr) -> Holder {
    (0..READS).find_map(|_| holder_among(address, &tables())).unwrap_or(Holder::Listener)
}

fn tables() -> Vec<Socket> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(fs::read_to_string);
    tables.iter().flatten().flat_map(|table| table.lines().filter_map(Socket::parse)).collect()
}

fn holder_among(address: SocketAddr, sockets: &[Socket]) -> Option<Holder> {
    let mut holder = None;
    for socket in sockets.iter().filter(|socket| socket.holds(address)) {
        match socket.state {
            LISTEN => return Some(Holder::Listener),
            state if CLOSING.contains(&state) => {
                // An open connection is the worse news.
                holder.get_or_insert(Holder::ClosedConnection { to: socket.remote });
            }
            _ => holder = Some(Holder::Connection { to: socket.remote }),
        }
    }
    holder
}

struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
}

impl Socket {
    /// A line such as `0: 0100007F:C383 0100007F:1F90 06 …`; `None` for the line of headings.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            local: address(local)?,
            remote: address(remote)?,
            state: u8::from_str_radix(state, 16).ok()?,
        })
    }

    fn holds(&self, address: SocketAddr) -> bool {
        let is_same = self.local.ip() == address.ip() || self.local.ip().is_unspecified();
        self.local.port() == address.port() && (is_same || address.ip().is_unspecified())
    }
}

/// An address in hexadecimal: 32-bit words in the host's byte order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = ip.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match (<[u8; 4]>::try_from(bytes.as_slice()), <[u8; 16]>::try_from(bytes.as_slice())) {
        (Ok(bytes), _) => Ipv4Addr::from(bytes).into(),
        // An IPv6 socket may have an IPv4 connection.
        (_, Ok(bytes)) => Ipv6Addr::from(bytes).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn lines_of_both_tables_are_parsed() {
        let line = "   0: 0100007F:C383 0100007F:1F90 06 00000000:00000000 03:00000DA8 00000000     0        0 0 3 0000";
        let socket = Socket::parse(line).unwrap();
        assert_eq!((socket.local.to_string(), socket.state), ("127.0.0.1:50051".to_owned(), 6));
        assert_eq!(socket.remote.to_string(), "127.0.0.1:8080");
        let line = "1: 0000000000000000FFFF00000100007F:C383 00000000000000000000000001000000:0000 0A 0";
        let socket = Socket::parse(line).unwrap();
        assert_eq!(socket.local.to_string(), "127.0.0.1:50051");
        assert_eq!(socket.remote.to_string(), "[::1]:0");
        assert!(Socket::parse("  sl  local_address rem_address   st").is_none());
        assert!(Socket::parse("").is_none());
    }

    #[test]
    fn a_socket_that_a_table_does_not_show_is_unknown_and_a_listener_comes_before_connections() {
        let socket = |state: &str| Socket::parse(&format!("0: 0100007F:C383 0100007F:1F90 {state}")).unwrap();
        let (address, to) = ("127.0.0.1:50051".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
        assert_eq!(holder_among(address, &[]), None);
        assert_eq!(holder_among(to, &[socket("06")]), None);
        let closed = [socket("06")];
        assert_eq!(holder_among(address, &closed), Some(Holder::ClosedConnection { to }));
        let open = [socket("06"), socket("01"), socket("06")];
        assert_eq!(holder_among(address, &open), Some(Holder::Connection { to }));
        let listening = [socket("01"), socket("0A")];
        assert_eq!(holder_among(address, &listening), Some(Holder::Listener));
    }

    #[test]
    fn a_listener_and_each_end_of_a_connection_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let stream = TcpStream::connect(server).unwrap();
        let (accepted, client) = listener.accept().unwrap();
        assert_eq!(holder(server), Holder::Listener);
        assert_eq!(holder(client), Holder::Connection { to: server });
        // The first to close is the end that waits.
        drop(stream);
        drop(accepted);
        assert_eq!(holder(client), Holder::ClosedConnection { to: server });
        drop(listener);
    }
}
