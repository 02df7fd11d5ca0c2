//! Connects the processes of a mesh: one socket between any two.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::clock::monotonic;
use crate::error::{Error, Result, SqlState};

/// First bytes on a socket: this program, this version of the wire format.
const MAGIC: &[u8; 8] = b"MLSTRM\x00\x01";

/// How long a process waits for the others to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Sockets to all processes of `hosts`, in order; none to `process` itself.
///
/// # Errors
/// If the own address cannot be bound, or a process has not come within a minute.
pub(super) fn connect(hosts: &[String], process: usize) -> Result<Vec<Option<TcpStream>>> {
    let mut sockets: Vec<Option<TcpStream>> = hosts.iter().map(|_| None).collect();
    let listener = TcpListener::bind(&hosts[process])?;
    listener.set_nonblocking(true)?;
    let deadline = monotonic() + PATIENCE;
    for (peer, host) in hosts.iter().enumerate().take(process) {
        let mut socket = patiently(deadline, host, || TcpStream::connect(host).ok())?;
        greet(&mut socket, process)?;
        sockets[peer] = Some(socket);
    }
    for _ in process + 1..hosts.len() {
        let accept = || listener.accept().ok().map(|(socket, _)| socket);
        let mut socket = patiently(deadline, "another process", accept)?;
        socket.set_nonblocking(false)?;
        let peer = hear(&mut socket)?;
        match sockets.get_mut(peer) {
            Some(place @ None) if peer > process => *place = Some(socket),
            _ => return Err(refused(&format!("process {peer} connected unexpectedly"))),
        }
    }
    Ok(sockets)
}

/// Says which process this is.
fn greet(socket: &mut TcpStream, process: usize) -> Result<()> {
    socket.set_nodelay(true)?;
    socket.write_all(MAGIC)?;
    socket.write_all(&(process as u64).to_le_bytes())?;
    Ok(())
}

/// Reads which process has connected.
fn hear(socket: &mut TcpStream) -> Result<usize> {
    socket.set_nodelay(true)?;
    let (mut magic, mut index) = ([0; 8], [0; 8]);
    socket.read_exact(&mut magic)?;
    socket.read_exact(&mut index)?;
    if magic != *MAGIC {
        return Err(refused("the peer does not speak this version of the protocol"));
    }
    usize::try_from(u64::from_le_bytes(index)).map_err(|_| refused("bad process index"))
}

/// Tries until it succeeds or time is up.
fn patiently(
    deadline: Duration,
    peer: &str,
    mut attempt: impl FnMut() -> Option<TcpStream>,
) -> Result<TcpStream> {
    loop {
        if let Some(socket) = attempt() {
            return Ok(socket);
        }
        if monotonic() > deadline {
            return Err(refused(&format!("waited in vain for {peer}")));
        }
        std::thread::sleep(PAUSE);
    }
}

fn refused(message: &str) -> Error {
    Error::new(SqlState::ConnectionFailure, message)
}
