//! Secrets: read from a file or a named environment variable, never from the configuration text.
//!
//! A `Secret` remembers where it comes from and re-reads its file when that changed, so that a
//! rotated token is used without a restart. What a new value must be like is the same as at the
//! start: a file that is half written must not become a secret that is easily guessed. Its value
//! reaches code only as `SecretString`, which has no printing form; places (`file ...`,
//! `environment variable ...`) are safe to print.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::watched::{self, Useless, Watched};

/// Largest secret file, in bytes: a bearer token or a key, not a document.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What stands in for a secret.
const STAND_IN: &str = "a stand-in, which is no secret";

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// A file; one trailing newline is not part of the secret.
    File(PathBuf),
    /// An environment variable, read once.
    Env(String),
    /// No place: a text that is no secret stands in for one that is not needed.
    StandIn,
}

/// One secret and its present value. Cloning shares it.
#[derive(Clone)]
pub struct Secret {
    place: SecretPlace,
    form: Form,
    /// Asked before a changed value replaces the last good one.
    fits: Fits,
    value: Watched<SecretString>,
}

/// What a place may hold.
#[derive(Clone, Copy)]
enum Form {
    /// One line.
    Line,
    /// Any text: a key file, a list.
    Document,
}

/// Says why a value cannot be used, without repeating it.
type Fits = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Why a secret cannot be used; names the place and the remedy, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error(
        "cannot read the secret in {place}: {source}; create the file and let the relay's user \
         read it"
    )]
    Unreadable {
        /// The file.
        place: SecretPlace,
        /// What the system said.
        source: io::Error,
    },
    /// The variable is not set, or not UTF-8.
    #[error("{0} is not set or not UTF-8; set it before the relay starts")]
    NotSet(SecretPlace),
    /// Nothing but perhaps a newline.
    #[error("the secret in {0} is empty; put the secret there")]
    Empty(SecretPlace),
    /// Not text, or longer than any secret.
    #[error("the secret in {0} is not UTF-8 text of at most 65536 bytes on one line")]
    NotText(SecretPlace),
    /// The same of one that may have several lines.
    #[error("the secret in {0} is not UTF-8 text of at most 65536 bytes")]
    NotDocument(SecretPlace),
}

impl Secret {
    /// Reads the secret for the first time. It is one line.
    pub fn load(place: SecretPlace) -> Result<Self, SecretError> {
        Self::load_form(place, Form::Line)
    }

    /// The same of a secret that may have several lines, such as a key file or a list.
    pub fn load_document(place: SecretPlace) -> Result<Self, SecretError> {
        Self::load_form(place, Form::Document)
    }

    fn load_form(place: SecretPlace, form: Form) -> Result<Self, SecretError> {
        let files = match &place {
            SecretPlace::File(path) => vec![path.clone()],
            SecretPlace::Env(_) | SecretPlace::StandIn => Vec::new(),
        };
        Ok(Self {
            value: Watched::load(files, || read(&place, form))?,
            place,
            form,
            fits: Arc::new(|_| Ok(())),
        })
    }

    /// The same secret, whose values from here on are used only if they fit.
    pub fn guarded(
        mut self,
        fits: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.fits = Arc::new(fits);
        self
    }

    /// The present value. A changed file is read again; if that fails the last good value stays.
    pub fn value(&self) -> Arc<SecretString> {
        self.value.get(|| self.reading())
    }

    /// Reads the file now, whatever it looks like: a held destination asks before each probe.
    pub fn reread(&self) {
        self.value.reread(self.reading());
    }

    /// Where the secret is kept.
    pub fn place(&self) -> &SecretPlace {
        &self.place
    }

    fn reading(&self) -> watched::Read<SecretString> {
        let secret = self.clone();
        Box::new(move || {
            let (error, useless) = match read(&secret.place, secret.form) {
                Ok(value) => match (secret.fits)(value.expose_secret()) {
                    Ok(()) => return Ok(value),
                    Err(reason) => (format!("{}: {reason}", secret.place), Useless::Unfit),
                },
                Err(error @ SecretError::Unreadable { .. }) => {
                    (error.to_string(), Useless::Unreadable)
                }
                Err(error) => (error.to_string(), Useless::Unfit),
            };
            tracing::warn!(error, "secret not re-read, the last good value stays");
            Err(useless)
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.place)
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::StandIn => f.write_str("no place (a stand-in)"),
        }
    }
}

fn read(place: &SecretPlace, form: Form) -> Result<SecretString, SecretError> {
    let not_text = || match form {
        Form::Line => SecretError::NotText(place.clone()),
        Form::Document => SecretError::NotDocument(place.clone()),
    };
    let text = match place {
        SecretPlace::File(path) => {
            let unreadable = |source| SecretError::Unreadable {
                place: place.clone(),
                source,
            };
            let bytes = read_file(path).map_err(unreadable)?;
            if bytes.len() as u64 > FILE_BYTES_MAX {
                return Err(not_text());
            }
            String::from_utf8(bytes).map_err(|_| not_text())?
        }
        SecretPlace::Env(name) => {
            std::env::var(name).map_err(|_| SecretError::NotSet(place.clone()))?
        }
        SecretPlace::StandIn => STAND_IN.to_owned(),
    };
    let trimmed = text.strip_suffix('\n').unwrap_or(&text);
    let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
    if trimmed.is_empty() {
        return Err(SecretError::Empty(place.clone()));
    }
    let broken_line = matches!(form, Form::Line) && trimmed.contains(['\n', '\r']);
    if broken_line || trimmed.contains('\0') {
        return Err(not_text());
    }
    Ok(SecretString::from(trimmed))
}

/// The content of a regular file, or a little more than the limit of it. Opening a pipe would
/// wait for a writer, and a device has no end; links are followed, since mounted secrets are some.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let regular = |is_file: bool| {
        let refused = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        is_file.then_some(()).ok_or_else(refused)
    };
    regular(std::fs::metadata(path)?.is_file())?;
    let file = File::open(path)?;
    regular(file.metadata()?.is_file())?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, SecretPlace) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, text).unwrap();
        (directory, SecretPlace::File(path))
    }

    #[test]
    fn one_trailing_newline_is_not_part_of_the_secret() {
        let (_directory, place) = file("correct horse battery\n");
        let secret = Secret::load(place).unwrap();
        assert_eq!(secret.value().expose_secret(), "correct horse battery");
    }

    #[test]
    fn only_a_document_has_several_lines() {
        let (_directory, place) = file("one\ntwo\n");
        let refused = Secret::load(place.clone());
        assert!(matches!(refused, Err(SecretError::NotText(_))));
        let secret = Secret::load_document(place).unwrap();
        assert_eq!(secret.value().expose_secret(), "one\ntwo");
        let (_directory, place) = file("one\0two");
        let refused = Secret::load_document(place);
        assert!(matches!(refused, Err(SecretError::NotDocument(_))));
    }

    #[test]
    fn a_changed_file_is_used_and_a_broken_one_keeps_the_last_good_value() {
        let (_directory, place) = file("first");
        let secret = Secret::load(place.clone()).unwrap();
        let SecretPlace::File(path) = place else {
            panic!()
        };
        std::fs::write(&path, "second").unwrap();
        secret.reread();
        assert_eq!(secret.value().expose_secret(), "second");
        std::fs::write(&path, "").unwrap();
        secret.reread();
        assert_eq!(secret.value().expose_secret(), "second");
    }

    #[test]
    fn a_link_to_a_file_is_read_and_what_is_no_file_or_too_long_is_refused_at_once() {
        let (directory, SecretPlace::File(path)) = file("through a link") else {
            panic!()
        };
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(path, &link).unwrap();
        let secret = Secret::load(SecretPlace::File(link)).unwrap();
        assert_eq!(secret.value().expose_secret(), "through a link");
        let pipe = directory.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for other in ["/dev/zero".into(), pipe, directory.path().to_owned()] {
            let refused = Secret::load(SecretPlace::File(other));
            assert!(matches!(refused, Err(SecretError::Unreadable { .. })));
        }
        let (_directory, place) = file(&"x".repeat(65_537));
        let refused = Secret::load(place);
        assert!(matches!(refused, Err(SecretError::NotText(_))));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_value() {
        let (_directory, place) = file("hunter2\nhunter3");
        let error = Secret::load(place).unwrap_err().to_string();
        assert!(!error.contains("hunter"), "{error}");
        let (_directory, place) = file("hunter2");
        let secret = Secret::load(place).unwrap();
        assert!(!format!("{secret:?} {:?}", secret.value()).contains("hunter"));
    }
}
