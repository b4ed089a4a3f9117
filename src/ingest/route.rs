//! Paths: `/healthz`, `<path>/<source>` and `<path>/<source>/<capability>`, compared byte by byte.
//!
//! Percent-encoding is not decoded, a trailing slash makes another path, and the query is not
//! looked at: there is exactly one spelling of each route.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::auth;
use super::source::Source;
use crate::settings::SourceAuth;

/// The health check of load balancers.
const HEALTH_PATH: &str = "/healthz";

/// Where a path leads.
#[derive(Clone, Copy)]
pub(super) enum Route<'a> {
    Health,
    Unknown,
    Source {
        source: &'a Arc<Source>,
        /// The secret that the path held, where it had to hold one.
        slot: Option<u8>,
    },
    /// Looks like `Unknown` from outside; the source's own numbers tell them apart.
    WrongCapability(&'a Arc<Source>),
}

impl<'a> Route<'a> {
    /// The source that the request is counted for.
    pub(super) fn source(self) -> Option<&'a Arc<Source>> {
        match self {
            Self::Source { source, .. } | Self::WrongCapability(source) => Some(source),
            Self::Health | Self::Unknown => None,
        }
    }
}

/// Resolves a request's path.
pub(super) fn find<'a>(
    prefix: &str,
    sources: &'a BTreeMap<String, Arc<Source>>,
    path: &str,
) -> Route<'a> {
    if path == HEALTH_PATH {
        return Route::Health;
    }
    let rest = path
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('/'));
    let Some(rest) = rest else {
        return Route::Unknown;
    };
    let (name, last) = match rest.split_once('/') {
        Some((name, last)) => (name, Some(last)),
        None => (rest, None),
    };
    let Some(source) = sources.get(name) else {
        return Route::Unknown;
    };
    match (&source.settings.auth, last) {
        (SourceAuth::Capability(secrets), last) => {
            match auth::matching_slot(secrets, last.unwrap_or_default().as_bytes()) {
                Some(slot) => Route::Source {
                    source,
                    slot: Some(slot),
                },
                None => Route::WrongCapability(source),
            }
        }
        (_, Some(_)) => Route::Unknown,
        (_, None) => Route::Source { source, slot: None },
    }
}
