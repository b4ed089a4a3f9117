//! The present connections to one endpoint, and when they give way to new ones.
//!
//! They do when certificates or the proxy's password changed, or when a server says that they led
//! to the wrong place. What is read because of a request is read where blocking calls belong, and
//! waited for a while: a disk that hangs must not hold up whoever else runs on the thread.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::Url;
use tokio::sync::Mutex;

use super::ClientError;
use super::transport::{Material, Transport, proxy_credential, proxy_login};
use crate::settings::Endpoint;

/// How long a request waits for files that are read again because of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The connections to one endpoint.
pub(super) struct Pool {
    endpoint: Endpoint,
    base: Url,
    transport: ArcSwap<Transport>,
    /// Held while files are read because of a request.
    turn: Arc<Mutex<()>>,
}

impl Pool {
    /// Reads the files; opens no connection.
    pub(super) fn new(endpoint: &Endpoint, base: &Url) -> Result<Self, ClientError> {
        let material = Material::read(endpoint)?;
        let transport = Transport::build(endpoint, base, material)?;
        Ok(Self {
            endpoint: endpoint.clone(),
            base: base.clone(),
            transport: ArcSwap::from_pointee(transport),
            turn: Arc::default(),
        })
    }

    /// The connections for a request. A rotated password of the proxy is taken into use first.
    pub(super) async fn present(self: &Arc<Self>) -> Arc<Transport> {
        if !self.has_present_login() {
            self.soon(Self::log_in).await;
        }
        self.transport.load_full()
    }

    /// Does something that reads files where blocking calls belong, one request's after the other,
    /// and waits a while for its end: a disk that hangs holds up nobody else on this thread, and no
    /// second one in the pool for such calls.
    pub(super) async fn soon(self: &Arc<Self>, work: fn(&Self)) {
        let done = async {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            let pool = Arc::clone(self);
            let work = move || {
                work(&pool);
                drop(turn);
            };
            tokio::task::spawn_blocking(work).await
        };
        let _late = tokio::time::timeout(PATIENCE, done).await;
    }

    /// Whether the connections are made with the proxy's present password.
    fn has_present_login(&self) -> bool {
        // A Basic credential can always be made.
        proxy_credential(&self.endpoint).map_or(true, |present| {
            let transport = self.transport.load();
            transport.made_of.has_login(present.as_ref())
        })
    }

    fn log_in(&self) {
        // The request before may have done it.
        if !self.has_present_login() {
            self.renew(false);
        }
    }

    /// Reads certificates, keys and the proxy's password again; new connections use them if they
    /// changed. The last good ones stay if that fails.
    pub(super) fn refresh(&self) {
        proxy_login(&self.endpoint).reread();
        self.renew(false);
    }

    /// Lets go of the connections that are kept.
    pub(super) fn reconnect(&self) {
        self.renew(true);
    }

    /// Makes the pool anew if what it is made of changed, or `always`.
    fn renew(&self, always: bool) {
        let rebuilt = Material::read(&self.endpoint).and_then(|material| {
            // Without ca_file the system's certificates may have changed; where none are checked
            // there is nothing to see.
            let checked = self.base.scheme() == "https" && !self.endpoint.tls.skip_verify;
            let system = checked && self.endpoint.ca_file.is_none();
            if !always && !system && material.is_as(&self.transport.load().made_of) {
                return Ok(None);
            }
            Transport::build(&self.endpoint, &self.base, material).map(Some)
        });
        match rebuilt {
            Ok(Some(transport)) => self.transport.store(Arc::new(transport)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "certificates not re-read, the last good ones stay");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::mpsc;

    use super::*;
    use crate::secret::{Secret, SecretPlace};
    use crate::settings::Proxy;
    use crate::sink::client::once;

    const URL: &str = "https://127.0.0.1:1/";
    /// How long a test waits for what must come.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// A pool for an endpoint that trusts one authority, and the authority's file.
    fn pool(proxy: Option<Proxy>) -> (tempfile::TempDir, PathBuf, Arc<Pool>) {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let authority = rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap();
        std::fs::write(&ca, authority.cert.pem()).unwrap();
        let mut endpoint = once(URL, Some(&ca));
        endpoint.proxy = proxy;
        let pool = Pool::new(&endpoint, &Url::parse(URL).unwrap()).unwrap();
        (directory, ca, Arc::new(pool))
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_no_request_up_for_long() {
        let (_directory, ca, pool) = pool(None);
        let pem = std::fs::read(&ca).unwrap();
        // Whoever opens a pipe to read it waits for somebody who writes.
        std::fs::remove_file(&ca).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &ca, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let (answer, told) = mpsc::channel();
        let disk = std::thread::spawn(move || {
            let told = told.recv_timeout(DEADLINE);
            std::fs::write(ca, pem).unwrap();
            told
        });
        for _ in 0..3 {
            tokio::join!(pool.soon(Pool::refresh), tokio::time::advance(2 * PATIENCE));
        }
        // The first of them has the turn, and the others began nothing.
        assert_eq!(Arc::strong_count(&pool), 2);
        assert!(pool.turn.try_lock().is_err());
        answer.send(()).unwrap();
        disk.join().unwrap().expect("a request waited for the disk");
        let turn = pool.turn.lock();
        let _ended = tokio::time::timeout(DEADLINE, turn).await.unwrap();
    }

    #[tokio::test]
    async fn no_request_goes_with_the_proxys_old_password_and_none_quotes_the_new_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "old-password").unwrap();
        let password = Secret::load(SecretPlace::File(file.path().to_owned())).unwrap();
        let (_directory, _ca, pool) = pool(Some(Proxy {
            url: "http://127.0.0.1:1".to_owned(),
            login: Some(("relay".to_owned(), password.clone())),
        }));
        let blanked = |transport: &Transport| {
            let text = "old-password new-password".to_owned();
            let blank = |text, hidden: super::super::login::Hidden| hidden.blank(text);
            transport.made_of.hidden().fold(text, blank)
        };
        let before = pool.present().await;
        assert_eq!(blanked(&before), "*** new-password");
        std::fs::write(file.path(), "new-password").unwrap();
        password.reread();
        let (one, two, three) = tokio::join!(pool.present(), pool.present(), pool.present());
        assert_eq!(blanked(&one), "old-password ***");
        // Made once for all of them.
        assert!(Arc::ptr_eq(&one, &two) && Arc::ptr_eq(&two, &three));
        assert!(Arc::ptr_eq(&one, &pool.present().await));
    }
}
