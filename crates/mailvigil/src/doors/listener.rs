//! Listening: TCP and unix sockets, opened by us or handed over by systemd.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use ipnet::IpNet;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Listen;

/// Connections that wait in the kernel until we accept them.
const BACKLOG: i32 = 1024;

/// An open listening socket.
pub enum Listener {
    /// TCP, and who may connect.
    Tcp(TcpListener, Vec<IpNet>),
    /// A unix socket.
    Unix(UnixListener),
}

/// An accepted connection.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Opens a socket.
    pub fn open(listen: &Listen, allow: &[IpNet]) -> anyhow::Result<Self> {
        match listen {
            Listen::Tcp(address) => {
                let listener = tcp(*address).with_context(|| {
                    format!("cannot listen on {address}; is another program there?")
                })?;
                Ok(Self::Tcp(listener, allow.to_vec()))
            }
            Listen::Unix(path) => {
                let listener = unix(path)
                    .with_context(|| format!("cannot listen on unix:{}", path.display()))?;
                Ok(Self::Unix(listener))
            }
        }
    }

    /// The sockets systemd opened for us (`LISTEN_FDS`), in place of the configured ones.
    pub fn handed_over(allow: &[IpNet]) -> anyhow::Result<Vec<Self>> {
        let mut handed = listenfd::ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..handed.len() {
            if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
                listener.set_nonblocking(true)?;
                listeners.push(Self::Tcp(TcpListener::from_std(listener)?, allow.to_vec()));
            } else if let Ok(Some(listener)) = handed.take_unix_listener(index) {
                listener.set_nonblocking(true)?;
                listeners.push(Self::Unix(UnixListener::from_std(listener)?));
            } else {
                bail!(
                    "systemd handed over a socket that is neither TCP nor unix; see the .socket unit"
                );
            }
        }
        Ok(listeners)
    }

    /// Where it listens, for the log.
    pub fn name(&self) -> String {
        match self {
            Self::Tcp(listener, _) => listener
                .local_addr()
                .map_or_else(|_| "TCP".into(), |address| address.to_string()),
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(|| "unix".into(), |path| format!("unix:{}", path.display()))
            }
        }
    }

    /// The TCP address, when it has one.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener, _) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The next connection and who it comes from; `Ok(None)` is one that may not connect.
    pub async fn accept(&self) -> std::io::Result<Option<(Stream, String)>> {
        match self {
            Self::Tcp(listener, allow) => {
                let (stream, from) = listener.accept().await?;
                if !is_allowed(from.ip(), allow) {
                    tracing::warn!(
                        "a connection from {from} was refused: it is not in milter.allow"
                    );
                    return Ok(None);
                }
                stream.set_nodelay(true)?;
                Ok(Some((Stream::Tcp(stream), from.to_string())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Some((Stream::Unix(stream), "unix socket".to_owned())))
            }
        }
    }
}

impl Stream {
    /// Acknowledge at once what has arrived. Postfix writes header and body frames without TCP_NODELAY; when we have
    /// nothing to answer, the kernel would hold the acknowledgement back for 40 ms and Postfix would wait for
    /// it. Linux forgets the setting, so it is renewed after each read.
    pub fn acknowledge_at_once(&self) {
        if let Self::Tcp(stream) = self {
            // Only speed depends on it: a kernel that refuses is slower, not wrong.
            let _ = SockRef::from(stream).set_tcp_quickack(true);
        }
    }
}

fn is_allowed(ip: IpAddr, allow: &[IpNet]) -> bool {
    let ip = ip.to_canonical();
    allow.iter().any(|net| net.contains(&ip))
}

fn tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A unix socket everybody on the machine may connect to: mail servers run under accounts of their own, and the
/// folder it lies in decides who gets that far. A socket left by a dead process is removed, a living one is not.
fn unix(path: &Path) -> anyhow::Result<UnixListener> {
    if let Ok(kind) = std::fs::symlink_metadata(path) {
        if !kind.file_type().is_socket() {
            bail!("there is a file that is no socket");
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("another process serves it");
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Both kinds read and write alike.
macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        delegate!(self, stream => std::pin::Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        delegate!(self, stream => std::pin::Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        delegate!(self, stream => std::pin::Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        delegate!(self, stream => std::pin::Pin::new(stream).poll_shutdown(context))
    }
}
