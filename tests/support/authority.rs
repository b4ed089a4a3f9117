//! A certificate authority of a test, and what it signs.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A CA.
pub(crate) struct Authority {
    pub(crate) ca_pem: String,
    ca_der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate should be like.
pub(crate) struct Leaf {
    name: String,
    expired: bool,
}

/// A certificate and its key.
pub(crate) struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Leaf {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            expired: false,
        }
    }

    pub(crate) fn expired(name: &str) -> Self {
        Self {
            expired: true,
            ..Self::named(name)
        }
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = ca.self_signed(&key).unwrap();
        Self {
            ca_pem: certificate.pem(),
            ca_der: certificate.der().clone(),
            issuer: Issuer::new(ca, key),
        }
    }

    pub(crate) fn sign(&self, leaf: &Leaf) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![leaf.name.clone()]).unwrap();
        if leaf.expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        Pair {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key,
        }
    }

    /// A server for 127.0.0.1.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server_with(&Leaf::named("127.0.0.1"))
    }

    pub(crate) fn server_with(&self, leaf: &Leaf) -> Arc<ServerConfig> {
        let (chain, key) = self.sign(leaf).der();
        let builder = ServerConfig::builder().with_no_client_auth();
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }

    /// A server for 127.0.0.1 that knows only these versions.
    pub(crate) fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let (chain, key) = self.sign(&Leaf::named("127.0.0.1")).der();
        let builder = ServerConfig::builder_with_protocol_versions(versions).with_no_client_auth();
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }

    /// A server for 127.0.0.1 that wants a certificate of this CA from its clients, too.
    pub(crate) fn demanding_server(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let (chain, key) = self.sign(&Leaf::named("127.0.0.1")).der();
        let mut roots = RootCertStore::empty();
        roots.add(self.ca_der.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        let builder = ServerConfig::builder_with_protocol_versions(versions)
            .with_client_cert_verifier(verifier.unwrap());
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }
}

impl Pair {
    pub(crate) fn write(&self, certificate_file: &Path, key_file: &Path) {
        std::fs::write(certificate_file, self.certificate.pem()).unwrap();
        std::fs::write(key_file, self.key_pem()).unwrap();
    }

    pub(crate) fn certificate_der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    pub(crate) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn der(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        (vec![self.certificate.der().clone()], key)
    }
}
