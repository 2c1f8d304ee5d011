//! Listening: TCP and unix sockets, opened by us or handed over by systemd.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Doors, Listen, ProxyConfig, WatchConfig};

/// Connections that wait in the kernel until we accept them.
const BACKLOG: i32 = 1024;

/// All open sockets, by door.
#[derive(Default)]
pub struct Listeners {
    pub milter: Vec<Listener>,
    pub scan: Vec<Listener>,
    pub scan_http: Vec<Listener>,
    pub proxies: Vec<(Listener, ProxyConfig)>,
    pub watch: Vec<Listener>,
    pub delegation: Vec<Listener>,
    pub events: Vec<Listener>,
}

impl Listeners {
    /// Opens what the configuration says; one that cannot be opened ends the start.
    pub fn open(doors: &Doors, watch: &WatchConfig) -> anyhow::Result<Self> {
        let tls = doors.tls.as_ref().map(super::tls::acceptor).transpose()?;
        let tls = tls.as_ref();
        let each = |places: &[Listen], allow: &[IpNet]| -> anyhow::Result<Vec<Listener>> {
            let open = |place: &Listen| Listener::open(place, allow, tls);
            places.iter().map(open).collect()
        };
        let mut milter = Listener::handed_over(&doors.milter_allow, tls)?;
        if milter.is_empty() {
            milter = each(&doors.milter, &doors.milter_allow)?;
        }
        let scan = &doors.scan;
        let everybody = [
            IpNet::from(Ipv4Net::default()),
            IpNet::from(Ipv6Net::default()),
        ];
        // Who has the secret need not come from this machine.
        let http_allow = if scan.secret_file.is_some() {
            &everybody[..]
        } else {
            &scan.allow
        };
        let mut proxies = Vec::new();
        for config in &doors.proxies {
            let listener = Listener::open(&config.listen, &config.allow, tls)?;
            proxies.push((listener, config.clone()));
        }
        Ok(Self {
            milter,
            scan: each(&scan.listen, &scan.allow)?,
            scan_http: each(&scan.http, http_allow)?,
            watch: each(
                &watch.http,
                if watch.secret_file.is_some() {
                    &everybody[..]
                } else {
                    &watch.allow
                },
            )?,
            delegation: each(&watch.delegation, &watch.allow)?,
            events: each(&watch.events, &watch.allow)?,
            proxies,
        })
    }
}

/// An open listening socket.
pub enum Listener {
    /// TCP, and who may connect.
    Tcp(TcpListener, Vec<IpNet>),
    /// TLS, for clients with a certificate that we know.
    Tls(TcpListener, TlsAcceptor),
    /// A unix socket.
    Unix(UnixListener),
}

/// A connection, ready to be spoken on.
pub enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// A connection that was accepted.
pub enum Incoming {
    Ready(Stream),
    Tls(TcpStream, TlsAcceptor),
}

impl Incoming {
    /// Speaks the handshake, where there is one.
    pub async fn ready(self) -> std::io::Result<Stream> {
        match self {
            Self::Ready(stream) => Ok(stream),
            Self::Tls(stream, acceptor) => {
                let stream = acceptor.accept(stream).await?;
                Ok(Stream::Tls(Box::new(stream)))
            }
        }
    }
}

impl Listener {
    /// Opens a socket.
    fn open(listen: &Listen, allow: &[IpNet], tls: Option<&TlsAcceptor>) -> anyhow::Result<Self> {
        match listen {
            Listen::Tls(address) => {
                let acceptor = tls.context("tls: without [tls] in the configuration")?;
                let listener = tcp(*address).with_context(|| {
                    format!("cannot listen on {address}; is another program there?")
                })?;
                Ok(Self::Tls(listener, acceptor.clone()))
            }
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

    /// The sockets systemd opened for us (`LISTEN_FDS`), for milters in place of the configured ones.
    fn handed_over(allow: &[IpNet], tls: Option<&TlsAcceptor>) -> anyhow::Result<Vec<Self>> {
        let mut handed = listenfd::ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..handed.len() {
            if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                let listener = TcpListener::from_std(listener)?;
                listeners.push(match tls {
                    _ if address.ip().is_loopback() => Self::Tcp(listener, allow.to_vec()),
                    Some(tls) => Self::Tls(listener, tls.clone()),
                    None => bail!(
                        "systemd handed over {address}, beyond this machine, where nobody says who asks; [tls] in the configuration, or ListenStream=127.0.0.1:PORT in the .socket unit"
                    ),
                });
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
            Self::Tcp(listener, _) | Self::Tls(listener, _) => listener
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
            Self::Tcp(listener, _) | Self::Tls(listener, _) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The next connection and who it comes from; `Ok(None)` is one that may not connect.
    pub async fn accept(&self) -> std::io::Result<Option<(Incoming, String)>> {
        match self {
            Self::Tcp(listener, allow) => {
                let (stream, from) = listener.accept().await?;
                if !is_allowed(from.ip(), allow) {
                    tracing::warn!(
                        "a connection from {from} was refused: it is not among those that may connect (allow)"
                    );
                    return Ok(None);
                }
                stream.set_nodelay(true)?;
                Ok(Some((
                    Incoming::Ready(Stream::Tcp(stream)),
                    from.to_string(),
                )))
            }
            Self::Tls(listener, acceptor) => {
                let (stream, from) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Some((
                    Incoming::Tls(stream, acceptor.clone()),
                    from.to_string(),
                )))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Some((
                    Incoming::Ready(Stream::Unix(stream)),
                    "unix socket".to_owned(),
                )))
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
            Stream::Tls($stream) => $call,
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
