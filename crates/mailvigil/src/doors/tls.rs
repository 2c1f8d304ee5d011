//! TLS for doors that are not on this machine: both sides show a certificate.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use crate::config::TlsConfig;

/// Reads certificate, key, and whose certificates are taken.
pub fn acceptor(config: &TlsConfig) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&config.clients, "tls.clients")? {
        roots.add(certificate).with_context(|| {
            format!(
                "{} (tls.clients) holds a certificate that cannot sign others",
                config.clients.display()
            )
        })?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = verifier.build().context("tls.clients cannot be used")?;
    let key = PrivateKeyDer::from_pem_file(&config.key).with_context(|| {
        format!(
            "{} (tls.key) is no private key in PEM that can be read",
            config.key.display()
        )
    })?;
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&config.certificate, "tls.certificate")?, key)
        .context("tls.certificate and tls.key do not belong together")?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn certificates(path: &Path, name: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let what = || {
        format!(
            "{} ({name}) holds no certificates in PEM that can be read",
            path.display()
        )
    };
    let read = CertificateDer::pem_file_iter(path).with_context(what)?;
    let all: Vec<_> = read.collect::<Result<_, _>>().with_context(what)?;
    anyhow::ensure!(!all.is_empty(), what());
    Ok(all)
}
