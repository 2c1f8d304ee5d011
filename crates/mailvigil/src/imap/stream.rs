//! The connection, with TLS or without.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use super::Server;

/// How long a server may take to answer the connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection to a server.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
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
    /// Connects; nothing is encrypted yet.
    pub fn connect(server: &Server, silence: Duration) -> std::io::Result<Self> {
        let mut last = std::io::Error::other("it has no address");
        for address in (server.host.as_str(), server.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(silence))?;
                    stream.set_write_timeout(Some(silence))?;
                    return Ok(Self::Plain(stream));
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
