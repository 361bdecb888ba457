//! The certificate of the REST interface and its key, which can be replaced while the node runs.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use thiserror::Error;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, Error as RustlsError, InconsistentKeys, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// Why a certificate or its key cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Not PEM, or not there.
    #[error("{what} cannot be read")]
    Pem {
        /// Which file.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file has no certificate.
    #[error("the file has no certificate")]
    NoCertificate,
    /// The key belongs to another certificate.
    #[error("the private key is not the one that the certificate was made for")]
    KeyOfAnother,
    /// They are of a kind that is not known.
    #[error("certificate and key cannot be used")]
    Unusable(#[source] RustlsError),
}

impl From<RustlsError> for TlsError {
    fn from(error: RustlsError) -> Self {
        match error {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::KeyOfAnother,
            error => Self::Unusable(error),
        }
    }
}

/// A certificate and its key. Clones are the same.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    /// For connections from now on.
    current: RwLock<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads a chain of certificates, the node's own first, and its private key, both PEM. TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = RwLock::new(config(certificate, key)?);
        Ok(Self(Arc::new(Inner { certificate: certificate.into(), key: key.into(), current })))
    }

    /// Reads the same files again: connections from now on get what is in them, those there keep what they have.
    ///
    /// # Errors
    /// [`TlsError`]; then nothing has changed.
    pub fn renew(&self) -> Result<(), TlsError> {
        let new = config(&self.0.certificate, &self.0.key)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let pem = |what| move |source| TlsError::Pem { what, source };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(pem("the certificate"))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(pem("the certificate"))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem("the private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
    let mut config = config.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
