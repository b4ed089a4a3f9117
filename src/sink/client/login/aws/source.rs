//! Where AWS keys come from. Nothing is asked over the network unless the configuration says so:
//! a relay that is not in AWS must not wait for an address that nobody has there.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::Keys;
use super::machine::Machine;
use crate::secret::{Secret, SecretPlace};
use crate::settings::AwsCredentials;
use crate::sink::client::Fault;
use crate::sink::client::login::LoginError;

/// Reads an environment variable; none if it is not set or empty.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One of the places.
pub(super) enum Source {
    /// The configuration.
    Stated {
        id: String,
        secret: Secret,
        session_token: Option<Secret>,
    },
    /// The environment, which stays as it is.
    Environment {
        id: String,
        secret: SecretString,
        session_token: Option<SecretString>,
    },
    /// A profile of a shared credentials file.
    Profile { file: Secret, name: String },
    /// The machine or container that the relay runs in.
    Machine(Box<Machine>),
}

impl Source {
    pub(super) fn new(
        settings: &AwsCredentials,
        variable: Variable<'_>,
    ) -> Result<Self, LoginError> {
        match settings {
            AwsCredentials::Stated {
                access_key_id,
                secret_access_key,
                session_token,
            } => Ok(Self::Stated {
                id: access_key_id.clone(),
                secret: secret_access_key.clone(),
                session_token: session_token.clone(),
            }),
            AwsCredentials::Chain { profile: None } => match variable("AWS_ACCESS_KEY_ID") {
                Some(id) => {
                    let secret = variable("AWS_SECRET_ACCESS_KEY").ok_or_else(|| {
                        LoginError::NoAwsKeys(
                            "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY; set both"
                                .to_owned(),
                        )
                    })?;
                    let session_token = variable("AWS_SESSION_TOKEN").map(SecretString::from);
                    Ok(Self::Environment {
                        id,
                        secret: SecretString::from(secret),
                        session_token,
                    })
                }
                None => Self::profile(None, variable),
            },
            AwsCredentials::Chain { profile } => Self::profile(profile.clone(), variable),
            AwsCredentials::Container => Machine::container(variable)
                .map(Box::new)
                .map(Self::Machine),
            AwsCredentials::Instance => {
                Machine::instance(variable).map(Box::new).map(Self::Machine)
            }
        }
    }

    fn profile(name: Option<String>, variable: Variable<'_>) -> Result<Self, LoginError> {
        let file = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let at_home = || Some(PathBuf::from(variable("HOME")?).join(".aws/credentials"));
        let file = file.or_else(at_home).ok_or_else(|| {
            let text = "neither AWS_ACCESS_KEY_ID nor AWS_SHARED_CREDENTIALS_FILE nor HOME is set; \
                        set aws.access_key_id, or aws.credentials to \"instance\" or \
                        \"container\"";
            LoginError::NoAwsKeys(text.to_owned())
        })?;
        let name = name.or_else(|| variable("AWS_PROFILE"));
        let name = name.unwrap_or_else(|| "default".to_owned());
        let place = SecretPlace::File(file);
        let file = Secret::load_document(place).map_err(|error| {
            LoginError::NoAwsKeys(format!(
                "{error}; or set AWS_ACCESS_KEY_ID, aws.access_key_id, or aws.credentials to \
                 \"instance\" or \"container\""
            ))
        })?;
        let wanted = name.clone();
        let fits = move |text: &str| keys_of(text, &wanted).map(|_| ()).map_err(str::to_owned);
        Ok(Self::Profile {
            file: file.guarded(fits),
            name,
        })
    }

    pub(super) fn check(&self) -> Result<(), LoginError> {
        match self {
            Self::Profile { file, name } => of_profile(file, name).map(|_| ()),
            _ => Ok(()),
        }
    }

    pub(super) fn reread(&self) {
        match self {
            Self::Stated {
                secret,
                session_token,
                ..
            } => {
                secret.reread();
                if let Some(token) = session_token {
                    token.reread();
                }
            }
            Self::Environment { .. } => {}
            Self::Profile { file, .. } => file.reread(),
            Self::Machine(machine) => machine.forget(),
        }
    }

    pub(super) async fn keys(&self) -> Result<Keys, Fault> {
        let copy = |secret: &Secret| SecretString::from(secret.value().expose_secret());
        match self {
            Self::Stated {
                id,
                secret,
                session_token,
            } => Ok(Keys {
                id: id.clone(),
                secret: copy(secret),
                session_token: session_token.as_ref().map(copy),
            }),
            Self::Environment {
                id,
                secret,
                session_token,
            } => Ok(Keys {
                id: id.clone(),
                secret: secret.clone(),
                session_token: session_token.clone(),
            }),
            Self::Profile { file, name } => {
                of_profile(file, name).map_err(|error| Fault::refused(error.to_string()))
            }
            Self::Machine(machine) => machine.keys().await,
        }
    }
}

fn of_profile(file: &Secret, name: &str) -> Result<Keys, LoginError> {
    keys_of(file.value().expose_secret(), name).map_err(|why| LoginError::Unfit {
        place: file.place().clone(),
        why,
    })
}

/// The keys of a profile in a shared credentials file ("Configuration and credential file
/// settings", AWS CLI User Guide): lines `[name]`, and below it `key = value`.
fn keys_of(text: &str, name: &str) -> Result<Keys, &'static str> {
    let mut is_here = false;
    let mut is_anywhere = false;
    let (mut id, mut secret, mut session_token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(heading) = line.strip_prefix('[') {
            let heading = heading.split(']').next().unwrap_or_default();
            is_here = heading.trim() == name;
            is_anywhere |= is_here;
        } else if is_here && let Some((key, value)) = line.split_once('=') {
            let value = Some(value.trim()).filter(|value| !value.is_empty());
            match key.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => session_token = value,
                _ => {}
            }
        }
    }
    if !is_anywhere {
        return Err("has no such profile; set profile or AWS_PROFILE to one that it has");
    }
    let without = "has a profile without aws_access_key_id and aws_secret_access_key; put them \
                   there, since roles and credential_process are not read";
    let (id, secret) = id.zip(secret).ok_or(without)?;
    Ok(Keys {
        id: id.to_owned(),
        secret: SecretString::from(secret),
        session_token: session_token.map(SecretString::from),
    })
}

/// Without the keys.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stated { .. } => "Stated",
            Self::Environment { .. } => "Environment",
            Self::Profile { .. } => "Profile",
            Self::Machine(_) => "Machine",
        })
    }
}
