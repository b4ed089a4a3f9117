//! Why a listener cannot start, or cannot take a new certificate.
//!
//! Every text names the address or file and what to do. No text repeats key material, and none
//! knows which of the two listeners it is about: the caller says that.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a listener cannot be bound, or its certificate not be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address}: {source}; free the address or configure another one")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Certificate or key file cannot be read.
    #[error("cannot read {}: {source}; create it and let the relay's user read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate file has nothing usable in it.
    #[error(
        "{} holds no PEM certificate; put the chain there, the server's own certificate first",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file has nothing usable in it.
    #[error(
        "{} holds no PEM private key; put an unencrypted PKCS#8, PKCS#1 or SEC1 key there",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Both were read, but do not work together.
    #[error(
        "the certificate in {} and the key in {} cannot be used: {source}; replace both by a pair",
        certificate.display(), key.display()
    )]
    Unusable {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What the TLS library said; boxed, since it is large.
        source: Box<rustls::Error>,
    },
}
