//! The present connections to one endpoint, and when they give way to new ones.
//!
//! They do when certificates or the proxy's password changed. What is read because of a request is
//! read where blocking calls belong, and waited for a while: a disk that hangs must not hold up
//! whoever else runs on the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::Url;

use super::ClientError;
use super::login::Hidden;
use super::transport::{Material, Transport, proxy_credential, proxy_login};
use crate::settings::Endpoint;

/// How long a request waits for files that are read again because of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The connections to one endpoint.
pub(super) struct Pool {
    endpoint: Endpoint,
    base: Url,
    /// Replaced when certificates or the proxy's password changed.
    transport: ArcSwap<Transport>,
    /// Files are being read because of a request.
    busy: AtomicBool,
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
            busy: AtomicBool::new(false),
        })
    }

    /// The present connections.
    pub(super) fn http(&self) -> reqwest::Client {
        self.transport.load().http.clone()
    }

    /// Takes a rotated password of the proxy into use; what is to be blanked in quotes.
    pub(super) async fn log_in_at_proxy(self: &Arc<Self>) -> Vec<Hidden> {
        // A Basic credential can always be made.
        let Ok(Some(credential)) = proxy_credential(&self.endpoint) else {
            return Vec::new();
        };
        let present = Some(&credential.value);
        if !self.transport.load().made_of.has_login(present) {
            self.soon(|pool| pool.renew(false)).await;
        }
        credential.secrets
    }

    /// Does something that reads files where blocking calls belong, and waits a while for its end:
    /// a disk that hangs holds up no other request. While it does, this does nothing.
    pub(super) async fn soon(self: &Arc<Self>, work: fn(&Self)) {
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let busy = Busy(Arc::clone(self));
        let done = tokio::task::spawn_blocking(move || work(&busy.0));
        let _late = tokio::time::timeout(PATIENCE, done).await;
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

/// Says when it is dropped that no files are being read any more.
struct Busy(Arc<Pool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;
    use crate::sink::client::once;

    /// How long the test waits for what must come.
    const DEADLINE: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_no_request_up_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let authority = rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap();
        let pem = authority.cert.pem();
        std::fs::write(&ca, &pem).unwrap();
        let url = "https://127.0.0.1:1/";
        let endpoint = once(url, Some(&ca));
        let pool = Arc::new(Pool::new(&endpoint, &Url::parse(url).unwrap()).unwrap());
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

        tokio::join!(pool.soon(Pool::refresh), tokio::time::advance(2 * PATIENCE));
        assert!(pool.busy.load(Ordering::Acquire));
        // Another request does not even wait.
        pool.soon(Pool::refresh).await;
        answer.send(()).unwrap();
        disk.join().unwrap().expect("a request waited for the disk");
        let deadline = Instant::now() + DEADLINE;
        while pool.busy.load(Ordering::Acquire) {
            assert!(Instant::now() < deadline, "the disk's answer ended nothing");
            std::thread::yield_now();
        }
    }
}
