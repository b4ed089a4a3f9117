//! The floors: what the same HTTP server costs without the relay, in a process of its own.
//!
//! *Bare* is hyper with the relay's limits and thread count that reads the body and answers 200.
//! *Dressed* also checks that the body is JSON and takes its SHA-256, as the relay must. What the
//! relay costs above them is authentication, the journal and the answer after its sync.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};

use crate::child::{self, Served};
use crate::receiver::{self, Receiver};

/// As in `siem-relay run`.
const WORKER_THREADS_MAX: usize = 4;
/// The defaults of `server.header_timeout`, `max_headers` and `max_header_size`.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Stands before the address in a child's output.
const LISTENING: &str = "listening ";
/// About as long as the relay's answer.
const ANSWER: &[u8] = br#"{"id":"00000000-0000-7000-8000-000000000000","status":"accepted"}"#;

/// A server that this program can be, as a child of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Server {
    Bare,
    Dressed,
    Hec,
    Bulk,
    Http,
}

impl Server {
    /// Starts it as a child and waits until it listens.
    pub(crate) fn start(self) -> Result<(Served, SocketAddr), Box<dyn Error>> {
        let name = self.to_possible_value().ok_or("a server without a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        Served::start(command.args(["--serve", name.get_name()]), |line| {
            line.strip_prefix(LISTENING)?.parse().ok()
        })
    }

    /// In the child: serves until the parent ends it or is gone.
    pub(crate) fn serve(self) -> Result<(), Box<dyn Error>> {
        child::end_with_parent()?;
        let receiver = match self {
            Self::Bare | Self::Dressed => None,
            Self::Hec => Some(Receiver::Hec),
            Self::Bulk => Some(Receiver::Bulk),
            Self::Http => Some(Receiver::Http),
        };
        if let Some(receiver) = receiver {
            let (listener, address) = receiver::bind()?;
            println!("{LISTENING}{address}");
            return Ok(receiver.serve(&listener, |_| ())?);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.min(WORKER_THREADS_MAX))
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{LISTENING}{}", listener.local_addr()?);
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(connection(stream, self == Self::Dressed));
            }
        })
    }
}

async fn connection(stream: TcpStream, dressed: bool) {
    let service = service_fn(move |request| answer(request, dressed));
    // How a connection ends is the load generator's to report.
    let _ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    dressed: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let accepted = match body {
        Ok(body) if dressed => {
            // The digest must be used, or the compiler may leave it out.
            std::hint::black_box(Sha256::digest(&body));
            serde_json::from_slice::<&RawValue>(&body).is_ok()
        }
        Ok(_) => true,
        Err(_) => false,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    if !accepted {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}
