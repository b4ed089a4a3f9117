//! Settings of logins at destinations: what is shown, fetched or signed with.

use std::fmt;
use std::path::PathBuf;

use crate::secret::Secret;

use super::destination::origin;

/// How to log in at an HTTP destination. Which kind takes which is for `config` to say.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// `ApiKey <encoded>`, as Elasticsearch has it.
    ApiKey(Secret),
    /// `Bearer <token>`.
    Bearer(Secret),
    /// Basic.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A header of any name.
    Header {
        /// Header name, lower case.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// A bearer token fetched with the client's own credentials.
    OAuth2(OAuth2),
    /// A bearer token fetched with a key of Google's.
    GoogleServiceAccount(GoogleServiceAccount),
    /// AWS signatures, version 4.
    Aws(Aws),
    /// Headers with signatures over each request (Standard Webhooks), beside another login.
    Signed {
        /// One key or several, `whsec_...` or `whsk_...`, with spaces or line ends in between.
        keys: Secret,
        /// The other login; not such a pair itself.
        beside: Box<Auth>,
    },
}

/// OAuth 2 client credentials (RFC 6749, section 4.4).
#[derive(Clone)]
pub struct OAuth2 {
    /// The token endpoint, in full.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// And proves it.
    pub client_secret: Secret,
    /// Sent as it is: several scopes stand with spaces in between.
    pub scope: Option<String>,
    /// `audience`, which some servers want beside or instead of a scope.
    pub audience: Option<String>,
    /// Where the client's credentials stand.
    pub style: TokenStyle,
    /// PEM bundle trusted at the token endpoint; the destination's own where there is none.
    pub ca_file: Option<PathBuf>,
}

/// Where a client's credentials stand in a request for a token (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStyle {
    /// In the header of Basic authentication.
    Basic,
    /// In the body.
    Body,
}

/// A Google service account (RFC 7523, section 2.1).
#[derive(Clone, Debug)]
pub struct GoogleServiceAccount {
    /// The key file, JSON: `client_email`, `private_key`, `private_key_id`, `token_uri`.
    pub key: Secret,
    /// What the token is for, such as `https://www.googleapis.com/auth/cloud-platform`.
    pub scope: String,
}

/// AWS signatures, version 4, for one service.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Which service.
    pub service: AwsService,
    /// Its region, such as `eu-west-1`.
    pub region: String,
    /// Where the keys come from.
    pub credentials: AwsCredentials,
}

/// The services of AWS that take bulk requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsService {
    /// Amazon OpenSearch Service.
    Es,
    /// Amazon OpenSearch Serverless.
    Aoss,
}

/// Where AWS keys come from.
#[derive(Clone, Debug)]
pub enum AwsCredentials {
    /// The configuration.
    Stated {
        /// Not a secret.
        access_key_id: String,
        /// The key.
        secret_access_key: Secret,
        /// Of keys that end.
        session_token: Option<Secret>,
    },
    /// `AWS_ACCESS_KEY_ID` and so on; if they are not set or a profile is named, the shared
    /// credentials file.
    Chain {
        /// Its profile; that of `AWS_PROFILE`, or `default`, if none is named.
        profile: Option<String>,
    },
    /// The container's endpoint (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI`).
    Container,
    /// The instance's metadata service, version 2.
    Instance,
}

/// Without path and query of the URL, which may be a capability.
impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("token_url", &origin(&self.token_url))
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .field("style", &self.style)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}
