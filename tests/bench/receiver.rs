//! Fake destinations that cost as little as possible: they read a request and say that they took
//! it.
//!
//! One runs as a child process where the relay's share of the machine matters, and on a thread
//! where the moment of arrival does. They do not look into bodies, but for counting the events of a
//! bulk: `tests/sinks` does that.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use crate::wire;

const HEC_ANSWER: &[u8] = b"{\"text\":\"Success\",\"code\":0}";
/// Connections at once; one worker delivers, so more would be a fault.
const CONNECTIONS_MAX: usize = 64;

/// What a receiver speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    Hec,
    Bulk,
    Http,
}

impl Receiver {
    pub(crate) const ALL: [Self; 3] = [Self::Hec, Self::Bulk, Self::Http];

    /// How it is called in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Hec => "HEC",
            Self::Bulk => "Elasticsearch (ECS)",
            Self::Http => "HTTP",
        }
    }

    /// Its table in the relay's configuration, without compression.
    pub(crate) fn destination(self, address: SocketAddr) -> String {
        let kind = match self {
            Self::Hec => "kind = \"splunk_hec\"\ntoken_env = \"BENCH_TOKEN\"",
            Self::Bulk => {
                "kind = \"elasticsearch\"\nformat = \"ecs\"\nflavour = \"opensearch\"\n\
                 data_stream = \"logs-relay.bench-default\""
            }
            Self::Http => "kind = \"http\"",
        };
        format!("[destinations.bench]\n{kind}\nurl = \"http://{address}\"\ngzip = false\n")
    }

    /// Serves until the process ends; `arrived` is told when a request is complete.
    pub(crate) fn serve(
        self,
        listener: &TcpListener,
        arrived: impl Fn(Instant) + Clone + Send + 'static,
    ) -> io::Result<()> {
        for stream in listener.incoming().take(CONNECTIONS_MAX) {
            let (stream, arrived) = (stream?, arrived.clone());
            // A connection that fails is the relay's to open again.
            std::thread::spawn(move || self.answer(stream, &arrived));
        }
        Err(io::Error::other("the relay opened too many connections"))
    }

    fn answer(self, mut stream: TcpStream, arrived: &impl Fn(Instant)) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        while let Some(head) = wire::read_message(&mut stream, &mut request)? {
            arrived(Instant::now());
            let body = match self {
                Self::Hec | Self::Http => HEC_ANSWER.to_vec(),
                Self::Bulk => items(request.get(head..).unwrap_or_default()),
            };
            answer.clear();
            write!(
                answer,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )?;
            answer.extend_from_slice(&body);
            stream.write_all(&answer)?;
        }
        Ok(())
    }
}

/// A bulk's answer: each event has two lines.
fn items(body: &[u8]) -> Vec<u8> {
    let events = memchr::memchr_iter(b'\n', body).count() / 2;
    let item = "{\"create\":{\"_index\":\"logs-relay.bench-default\",\"status\":201}}";
    let items = vec![item; events].join(",");
    format!("{{\"took\":1,\"errors\":false,\"items\":[{items}]}}").into_bytes()
}

/// A listener on a free port, and its address.
pub(crate) fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
