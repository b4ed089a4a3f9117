//! What connections are made with: trusted authorities, the relay's own certificate, the proxy.
//!
//! Files are read as a whole and compared with what was read before, so that a pool of connections
//! is replaced only when something changed. Certificate and key are two files, and a renewal passes
//! through a moment in which they do not belong together: what cannot be used never replaces what
//! works. A private key is held as a secret, and no error here quotes a file.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, Identity, Url};
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretSlice};

use super::login::{Credential, Hidden, Login};
use super::{ClientError, POOL_IDLE, POOL_IDLE_CONNECTIONS_MAX, fault};
use crate::settings::{ClientCertificate, Endpoint, TlsVersion};

/// Largest PEM file; the system's bundle is about 0.2 MB.
const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Connections, and what they are made with.
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    pub(super) made_of: Material,
}

/// Everything that is kept outside of the configuration.
pub(super) struct Material {
    ca_pem: Option<Vec<u8>>,
    client: Option<Pair>,
    /// `Proxy-Authorization`, as the pool sends it.
    proxy_login: Option<Credential>,
}

/// A certificate chain and its key, as they are in their files.
struct Pair {
    certificate_pem: Vec<u8>,
    key_pem: SecretSlice<u8>,
}

impl Transport {
    pub(super) fn build(
        endpoint: &Endpoint,
        base: &Url,
        material: Material,
    ) -> Result<Self, ClientError> {
        let https = base.scheme() == "https";
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("siem-relay/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .https_only(https)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(endpoint.connect_timeout)
            .timeout(endpoint.request_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_IDLE_CONNECTIONS_MAX)
            .tls_version_min(match endpoint.tls.min_version {
                TlsVersion::V1_2 => reqwest::tls::Version::TLS_1_2,
                TlsVersion::V1_3 => reqwest::tls::Version::TLS_1_3,
            });
        if let Some(proxy) = &endpoint.proxy {
            let mut way = reqwest::Proxy::all(&proxy.url).map_err(|_| ClientError::Proxy)?;
            if let Some(login) = &material.proxy_login {
                way = way.custom_http_auth(login.value.clone());
            }
            builder = builder.proxy(way);
        }
        if let (Some(path), Some(pem)) = (&endpoint.ca_file, &material.ca_pem) {
            builder = builder.tls_certs_only(authorities(path, pem)?);
        } else if !https || endpoint.tls.skip_verify {
            // Where nothing is checked there must not be a need of the system's certificates.
            builder = builder.tls_certs_only([]);
        }
        if endpoint.tls.skip_verify {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let (Some(files), Some(pair)) = (&endpoint.tls.client, &material.client) {
            builder = builder.identity(pair.identity(files)?);
        }
        let http = builder
            .build()
            .map_err(|error| ClientError::Tls(fault::causes(&error.without_url())))?;
        Ok(Self {
            http,
            made_of: material,
        })
    }
}

impl Material {
    /// Reads the files, and takes the present password of the proxy.
    pub(super) fn read(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let ca_pem = endpoint.ca_file.as_deref().map(|path| {
            let unusable = || ClientError::CaUnusable {
                path: path.to_owned(),
            };
            read_pem("ca_file", path)?.ok_or_else(unusable)
        });
        Ok(Self {
            ca_pem: ca_pem.transpose()?,
            client: endpoint.tls.client.as_ref().map(Pair::read).transpose()?,
            proxy_login: proxy_credential(endpoint)?,
        })
    }

    /// Whether a pool made of the other one is as good.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let client = match (&self.client, &other.client) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_as(other),
            _ => false,
        };
        client && self.ca_pem == other.ca_pem && self.has_login(other.proxy_login.as_ref())
    }

    /// Whether it was made with this login at the proxy.
    pub(super) fn has_login(&self, login: Option<&Credential>) -> bool {
        let own = self.proxy_login.as_ref();
        own.map(|credential| &credential.value) == login.map(|credential| &credential.value)
    }

    /// What must not be quoted of it.
    pub(super) fn hidden(&self) -> impl Iterator<Item = Hidden> {
        let login = self.proxy_login.iter();
        login.flat_map(|credential| credential.secrets.iter().cloned())
    }
}

/// How to log in at the proxy now.
pub(super) fn proxy_login(endpoint: &Endpoint) -> Login {
    let login = endpoint
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.login.clone());
    login.map_or(Login::None, |(user, password)| Login::Basic {
        user,
        password,
    })
}

/// The present header for the proxy, if it wants one.
pub(super) fn proxy_credential(endpoint: &Endpoint) -> Result<Option<Credential>, ClientError> {
    Ok(proxy_login(endpoint).credential()?)
}

impl Pair {
    fn read(files: &ClientCertificate) -> Result<Self, ClientError> {
        let no_certificate = || ClientError::NoCertificate {
            path: files.certificate_file.clone(),
        };
        let no_key = || ClientError::NoKey {
            path: files.key_file.clone(),
        };
        let certificate = read_pem("client_cert_file", &files.certificate_file)?;
        let key = read_pem("client_key_file", &files.key_file)?;
        Ok(Self {
            certificate_pem: certificate.ok_or_else(no_certificate)?,
            key_pem: key.ok_or_else(no_key)?.into(),
        })
    }

    fn is_as(&self, other: &Self) -> bool {
        self.certificate_pem == other.certificate_pem
            && self.key_pem.expose_secret() == other.key_pem.expose_secret()
    }

    /// The pair as the HTTP client takes it, after a look whether the two belong together: its own
    /// errors name no file.
    fn identity(&self, files: &ClientCertificate) -> Result<Identity, ClientError> {
        let (certificate, key) = (&files.certificate_file, &files.key_file);
        let no_certificate = || ClientError::NoCertificate {
            path: certificate.clone(),
        };
        let chain = CertificateDer::pem_slice_iter(&self.certificate_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| no_certificate())?;
        if chain.is_empty() {
            return Err(no_certificate());
        }
        // The parser's own words are left out: they could quote a line of the key file.
        let no_key = |_| ClientError::NoKey { path: key.clone() };
        let key_der =
            PrivateKeyDer::from_pem_slice(self.key_pem.expose_secret()).map_err(no_key)?;
        let unfit = |why: String| ClientError::Unfit {
            certificate: certificate.clone(),
            key: key.clone(),
            why,
        };
        CertifiedKey::from_der(chain, key_der, &aws_lc_rs::default_provider())
            .map_err(|error| unfit(error.to_string()))?;
        let mut both = Vec::new();
        if certificate != key {
            both.extend_from_slice(&self.certificate_pem);
            both.push(b'\n');
        }
        both.extend_from_slice(self.key_pem.expose_secret());
        let both = SecretSlice::from(both);
        Identity::from_pem(both.expose_secret())
            .map_err(|_| unfit("they hold more than certificates and one key".to_owned()))
    }
}

fn authorities(path: &Path, pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let unusable = || ClientError::CaUnusable {
        path: path.to_owned(),
    };
    let certificates = Certificate::from_pem_bundle(pem).map_err(|_| unusable())?;
    if certificates.is_empty() {
        return Err(unusable());
    }
    Ok(certificates)
}

/// The whole file; none if it is longer than any certificate.
fn read_pem(key: &'static str, path: &Path) -> Result<Option<Vec<u8>>, ClientError> {
    let unreadable = |source| ClientError::Unreadable {
        key,
        path: PathBuf::from(path),
        source,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > PEM_BYTES_MAX {
        return Ok(None);
    }
    std::fs::read(path).map(Some).map_err(unreadable)
}
