//! AWS signatures, version 4, over each request as it goes out ("Signing AWS API requests", AWS
//! IAM User Guide): who asks, when, for which service and region, and for which bytes.
//!
//! Where the keys come from is in `source`, and how a machine or container hands them out in
//! `machine`.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::header::{CONTENT_TYPE, HeaderName};
use secrecy::{ExposeSecret, SecretString};

use super::{Hidden, LoginError, sensitive};
use crate::settings::{self, AwsService};
use crate::sink::client::{Fault, Outgoing};

mod machine;
mod source;

use source::Source;

/// Signs for one service in one region.
#[derive(Debug)]
pub struct Aws {
    scope: Scope,
    source: Source,
}

/// What a signature is good for.
#[derive(Debug)]
struct Scope {
    service: &'static str,
    region: String,
    /// Whether the body's hash is a header as well, which is signed.
    with_hash: bool,
}

/// Who signs.
struct Keys {
    id: String,
    secret: SecretString,
    /// Of keys that end.
    session_token: Option<SecretString>,
}

impl Aws {
    /// Looks for keys where the settings say, and fetches none.
    pub(super) fn new(settings: &settings::Aws) -> Result<Self, LoginError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self::under(settings, &variable)
    }

    /// The same with an environment.
    fn under(
        settings: &settings::Aws,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, LoginError> {
        let aws = Self {
            scope: Scope {
                service: match settings.service {
                    AwsService::Es => "es",
                    AwsService::Aoss => "aoss",
                },
                region: settings.region.clone(),
                // "Amazon OpenSearch Serverless: Signing HTTP requests".
                with_hash: settings.service == AwsService::Aoss,
            },
            source: Source::new(&settings.credentials, variable)?,
        };
        aws.source.check()?;
        Ok(aws)
    }

    pub(super) fn check(&self) -> Result<(), LoginError> {
        self.source.check()
    }

    pub(super) fn reread(&self) {
        self.source.reread();
    }

    /// Signs a request as of now, with keys that are fetched first where that is so.
    pub(super) async fn prove(
        &self,
        outgoing: &mut Outgoing<'_>,
        secrets: &mut Vec<Hidden>,
    ) -> Result<(), Fault> {
        let keys = self.source.keys().await?;
        secrets.push(Hidden::new(keys.secret.expose_secret()));
        let token = keys.session_token.as_ref();
        secrets.extend(token.map(|token| Hidden::new(token.expose_secret())));
        sign_request(&self.scope, &keys, SystemTime::now(), outgoing)
            .map_err(|why| Fault::refused(format!("the request cannot be signed for AWS: {why}")))
    }
}

fn sign_request(
    scope: &Scope,
    keys: &Keys,
    now: SystemTime,
    outgoing: &mut Outgoing<'_>,
) -> Result<(), String> {
    let token = keys.session_token.as_ref();
    let identity = Credentials::new(
        keys.id.clone(),
        keys.secret.expose_secret(),
        token.map(|token| token.expose_secret().to_owned()),
        None,
        "siem-relay",
    )
    .into();
    let mut settings = SigningSettings::default();
    if scope.with_hash {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(scope.service)
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?;
    // What a proxy or load balancer may add or change is not signed: only what AWS asks for.
    let content_type = outgoing.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let headers = content_type.map(|value| (CONTENT_TYPE.as_str(), value));
    let request = SignableRequest::new(
        outgoing.method.as_str(),
        outgoing.url.as_str(),
        headers.into_iter(),
        SignableBody::Bytes(&outgoing.body),
    )
    .map_err(|error| error.to_string())?;
    let signed = sign(request, &params.into()).map_err(|error| error.to_string())?;
    let (instructions, _) = signed.into_parts();
    for (name, value) in instructions.headers() {
        let unusable = || format!("the header {name} cannot be sent");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let value = sensitive(value).ok_or_else(unusable)?;
        outgoing.headers.insert(header, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
