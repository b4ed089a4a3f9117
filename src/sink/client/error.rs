//! Why a client cannot be made: what the configuration or its files got wrong.

use std::path::PathBuf;

use super::login::LoginError;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an absolute URL with a host. The URL itself is not shown: it may be a credential.
    #[error("url is not a full http or https URL; write it as https://host:port/path")]
    Url,
    /// A file with certificates or a key cannot be read.
    #[error("cannot read {key} {path}: {source}; create it and let the relay's user read it")]
    Unreadable {
        /// The configuration's key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The CA bundle holds no certificate.
    #[error("ca_file {path} holds no usable PEM certificate or is over 4 MiB; put the CA there")]
    CaUnusable {
        /// The file.
        path: PathBuf,
    },
    /// The client certificate's file holds none.
    #[error(
        "client_cert_file {path} holds no usable PEM certificate or is over 4 MiB; put the \
         certificate there, the relay's own first"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The client certificate's key file holds none.
    #[error(
        "client_key_file {path} holds no usable PEM private key; put the key there, not encrypted"
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The client certificate and its key do not belong together.
    #[error(
        "client_cert_file {certificate} and client_key_file {key} cannot be used together: \
         {why}; put a certificate and its own key there"
    )]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library said.
        why: String,
    },
    /// Not the URL of a proxy. It is not shown: it may have credentials.
    #[error("proxy_url is not the URL of an HTTP proxy; write it as http://host:port")]
    Proxy,
    /// A configured header cannot be sent.
    #[error("header {name} cannot be sent: {why}; remove or correct it")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The credential cannot be sent.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}; install the system's CA certificates or set ca_file")]
    Tls(String),
}
