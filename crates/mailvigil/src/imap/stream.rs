//! The connection, with TLS or without: its silence is bounded, and the moment by which all of it is over.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use super::Server;

/// How long a server may take to answer the connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection to a server.
pub enum Stream {
    Plain(Bounded),
    Tls(Box<StreamOwned<ClientConnection, Bounded>>),
}

/// Bytes there and back, in bounded silence and up to a moment. A handshake, and each record behind it, is many reads, and who sends a byte now and
/// then is never silent: so the moment is held here, below TLS.
pub struct Bounded {
    stream: TcpStream,
    silence: Duration,
    until: Instant,
}

impl Bounded {
    /// How long the next bytes may take.
    fn left(&self) -> std::io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(too_long());
        }
        Ok(Some(left.min(self.silence)))
    }
}

fn too_long() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "it takes too long")
}

/// A time-out of the socket is told by systems as "temporarily unavailable", which nobody understands.
fn named(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => too_long(),
        _ => error,
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(named)
    }
}

impl Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer).map_err(named)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Whose certificates are believed.
pub fn trust(ca: Option<&Path>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca {
        let what = || {
            format!(
                "{} holds no certificates in PEM that can be read",
                file.display()
            )
        };
        for certificate in CertificateDer::pem_file_iter(file).with_context(what)? {
            roots
                .add(certificate.with_context(what)?)
                .with_context(what)?;
        }
    } else {
        // Some of a system's certificates may be too odd to be read; the others serve.
        for certificate in rustls_native_certs::load_native_certs().certs {
            let _ = roots.add(certificate);
        }
    }
    anyhow::ensure!(
        !roots.is_empty(),
        "no certificate authority is known that could vouch for the IMAP server; name a file of certificates"
    );
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Stream {
    /// Connects; nothing is encrypted yet. The server may be silent for so long, and all is over by then.
    pub fn connect(server: &Server, silence: Duration, until: Instant) -> std::io::Result<Self> {
        let mut last = std::io::Error::other("it has no address");
        for address in (server.host.as_str(), server.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self::Plain(Bounded {
                        stream,
                        silence,
                        until,
                    }));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Encrypts what follows; fails when the server's certificate does not prove that it is who we meant.
    pub fn encrypt(self, server: &Server, trust: Arc<ClientConfig>) -> std::io::Result<Self> {
        let Self::Plain(mut stream) = self else {
            return Ok(self);
        };
        let name = ServerName::try_from(server.host.clone()).map_err(std::io::Error::other)?;
        let mut tls = ClientConnection::new(trust, name).map_err(std::io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, stream))))
    }

    /// Can nobody on the way read along?
    pub const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
