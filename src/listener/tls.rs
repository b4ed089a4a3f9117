//! Certificate and key: loaded at start, re-read when a file changes.
//!
//! A certificate and its key are two files, so a renewal passes through a moment in which they do
//! not belong together. A pair that cannot be used never replaces one that works: the old one
//! stays, a warning names the files, and the next change of either is another try; where one cannot
//! be read, so is each look.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::ListenError;
use crate::settings;
use crate::watched::{self, Useless, Watched};

/// Largest certificate or key file, in bytes; chains are a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The certificate in use and where it came from.
pub(super) struct Tls {
    files: settings::ServerTls,
    config: Watched<ServerConfig>,
}

impl Tls {
    pub(super) fn load(files: &settings::ServerTls) -> Result<Self, ListenError> {
        let both = vec![files.certificate_file.clone(), files.key_file.clone()];
        Ok(Self {
            config: Watched::load(both, || read_config(files))?,
            files: files.clone(),
        })
    }

    /// Accepts one handshake with the present certificate.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.get(|| self.reading())
    }

    /// Reads the files now.
    #[cfg(test)]
    pub(super) fn reread(&self) {
        self.config.reread(self.reading());
    }

    fn reading(&self) -> watched::Read<ServerConfig> {
        let files = self.files.clone();
        Box::new(move || match read_config(&files) {
            Ok(config) => {
                let file = files.certificate_file.display();
                tracing::info!(%file, "certificate re-read");
                Ok(config)
            }
            Err(error) => {
                tracing::warn!(%error, "certificate not re-read, the last good pair stays");
                Err(match error {
                    ListenError::Unreadable { .. } => Useless::Unreadable,
                    _ => Useless::Unfit,
                })
            }
        })
    }
}

fn read_config(files: &settings::ServerTls) -> Result<ServerConfig, ListenError> {
    let (certificate, key) = (&files.certificate_file, &files.key_file);
    let no_certificate = || ListenError::NoCertificate {
        path: certificate.clone(),
    };
    let pem = read_file(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| no_certificate())?;
    if chain.is_empty() {
        return Err(no_certificate());
    }
    // The parser's own words are left out: they could quote a line of the key file.
    let key_der = PrivateKeyDer::from_pem_slice(&read_file(key)?)
        .map_err(|_| ListenError::NoKey { path: key.clone() })?;
    let unusable = |source| ListenError::Unusable {
        certificate: certificate.clone(),
        key: key.clone(),
        source: Box::new(source),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read_file(path: &Path) -> Result<Vec<u8>, ListenError> {
    let unreadable = |source| ListenError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}
