//! What is asked becomes an answer: for reads a plain function over method, path and headers.
//!
//! Knows no socket: who may ask is `guard`'s, how an answer looks is `reply`'s, what becomes of a
//! command is `write`'s.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;

use super::commands::Wish;
use super::guard::{self, Denied};
use super::reply::{self, TEXT};
use super::{Admin, Command, Readiness};
use crate::telemetry::metrics;

/// Where the API begins: below it the Host header is looked at, on loopback.
const API: &str = "/api/";

/// What can be asked for.
#[derive(Clone, Copy)]
enum Route {
    Metrics,
    Health,
    Readiness,
    Status,
    Drift,
    Command(Command),
}

impl Admin {
    /// Answers one request. A read takes no body; what a client sends of one is left to the
    /// connection.
    pub(super) async fn respond<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match Route::find(request.uri().path()) {
            Some(Route::Command(command)) if request.method() == Method::POST => {
                self.command(command, request, peer).await
            }
            _ => self.answer(request.method(), request.uri().path(), request.headers()),
        }
    }

    /// Answers what is no command. Reads take GET and HEAD.
    pub fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let mut response = self.answer_whole(method, path, headers);
        if method == Method::HEAD {
            // The length of what GET would answer stays in the head.
            *response.body_mut() = Full::default();
        }
        response
    }

    fn answer_whole(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let route = Route::find(path);
        if let Err(denied) = self.admit(route, path, headers) {
            return denied.answer();
        }
        let Some(route) = route else {
            let detail = "no such path; there are /metrics, /healthz, /readyz, /api/v1/status, \
                          /api/v1/drift, /api/v1/journal/skip, /api/v1/journal/forget, \
                          /api/v1/dead-letters/replay, /api/v1/dead-letters/purge, \
                          /api/v1/destinations/pause, /api/v1/destinations/resume and \
                          /api/v1/destinations/try";
            return reply::error(StatusCode::NOT_FOUND, "not_found", detail);
        };
        let reads = method == Method::GET || method == Method::HEAD;
        match route {
            Route::Command(_) => reply::method_not_allowed("POST"),
            _ if !reads => reply::method_not_allowed("GET, HEAD"),
            Route::Metrics => self.metrics(headers),
            Route::Health => reply::text(StatusCode::OK, TEXT, "ok"),
            Route::Readiness => readiness(self.view.ready()),
            Route::Status => reply::json(StatusCode::OK, &self.view.status()),
            Route::Drift => self.drift(),
        }
    }

    /// Off loopback a token admits, and unknown paths are not told from known ones without it.
    fn admit(&self, route: Option<Route>, path: &str, headers: &HeaderMap) -> Result<(), Denied> {
        match route {
            Some(Route::Metrics | Route::Health | Route::Readiness) => Ok(()),
            _ if !self.loopback_only => {
                let (read, write) = (self.read_token.as_ref(), self.write_token.as_ref());
                guard::check_token(read, write, headers)
            }
            _ if path.starts_with(API) => guard::check_host(headers),
            _ => Ok(()),
        }
    }

    fn drift(&self) -> Response<Full<Bytes>> {
        match self.view.drift() {
            Ok(report) => reply::json(StatusCode::OK, &report),
            Err(error) => {
                tracing::error!(%error, "drift not rendered");
                let detail = "the report cannot be rendered; the log says why";
                reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
        }
    }

    fn metrics(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        self.view.refresh();
        match self.metrics.render() {
            Ok(text) if reply::takes_gzip(headers) => {
                reply::gzip(metrics::CONTENT_TYPE, text.into_bytes())
            }
            Ok(text) => reply::varying(reply::text(StatusCode::OK, metrics::CONTENT_TYPE, text)),
            Err(error) => {
                tracing::error!(%error, "metrics not rendered");
                let detail = "the metrics cannot be rendered; the log says why";
                reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
        }
    }
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Health,
            "/readyz" => Self::Readiness,
            "/api/v1/status" => Self::Status,
            "/api/v1/drift" => Self::Drift,
            "/api/v1/journal/skip" => Self::Command(Command::JournalSkip),
            "/api/v1/journal/forget" => Self::Command(Command::JournalForget),
            "/api/v1/dead-letters/replay" => Self::Command(Command::LettersReplay),
            "/api/v1/dead-letters/purge" => Self::Command(Command::LettersPurge),
            "/api/v1/destinations/pause" => Self::Command(Command::Destination(Wish::Pause)),
            "/api/v1/destinations/resume" => Self::Command(Command::Destination(Wish::Resume)),
            "/api/v1/destinations/try" => Self::Command(Command::Destination(Wish::Try)),
            _ => return None,
        })
    }
}

fn readiness(readiness: Readiness) -> Response<Full<Bytes>> {
    if readiness.ready {
        reply::text(StatusCode::OK, TEXT, "ready")
    } else {
        reply::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, readiness.reason)
    }
}
