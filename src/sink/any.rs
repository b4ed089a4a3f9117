//! One type for every kind of destination, so that workers need not be generic over it.

use std::sync::Arc;

use super::client::ClientError;
use super::elastic::Elastic;
use super::file::{FileSink, PathError};
use super::http::Http;
use super::intake::Intake;
use super::splunk::Splunk;
use super::{Confirmation, Confirming, Outcome, Rendered, Shape, Sink, Ticket};
use crate::settings::{Destination, Kind};

/// A configured destination's sink. Cloning shares it: a worker sends, and whoever handles signals
/// asks for a refresh.
#[derive(Clone)]
pub enum AnySink {
    /// Splunk HTTP Event Collector.
    Splunk(Arc<Splunk>),
    /// Elasticsearch or OpenSearch.
    Elastic(Arc<Elastic>),
    /// Any HTTP endpoint.
    Http(Arc<Http>),
    /// A SIEM whose protocol is known.
    Intake(Arc<Intake>),
    /// A local file.
    File(Arc<FileSink>),
}

/// Why a destination cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Its endpoint, certificates or credentials.
    #[error("destination {destination}: {source}")]
    Client {
        /// Its name.
        destination: String,
        /// What is wrong.
        source: ClientError,
    },
    /// Its file's path.
    #[error("destination {destination}: {source}")]
    Path {
        /// Its name.
        destination: String,
        /// What is wrong.
        source: PathError,
    },
}

impl AnySink {
    /// Makes the sink of a destination; opens no connection and no file.
    pub fn build(destination: &Destination) -> Result<Self, SinkError> {
        let name = &destination.name;
        let client = |source| SinkError::Client {
            destination: name.clone(),
            source,
        };
        match &destination.kind {
            Kind::SplunkHec(settings) => {
                let sink = Splunk::new(settings, name);
                sink.map(Arc::new).map(Self::Splunk).map_err(client)
            }
            Kind::Elasticsearch(settings) => {
                let sink = Elastic::new(settings);
                sink.map(Arc::new).map(Self::Elastic).map_err(client)
            }
            Kind::Http(settings) => {
                let sink = Http::new(settings);
                sink.map(Arc::new).map(Self::Http).map_err(client)
            }
            Kind::Intake(settings) => {
                let sink = Intake::new(settings);
                sink.map(Arc::new).map(Self::Intake).map_err(client)
            }
            Kind::File(settings) => {
                let path = |source| SinkError::Path {
                    destination: name.clone(),
                    source,
                };
                let sink = FileSink::new(settings);
                sink.map(Arc::new).map(Self::File).map_err(path)
            }
        }
    }
}

impl Sink for AnySink {
    fn shape(&self) -> Shape {
        match self {
            Self::Splunk(sink) => sink.shape(),
            Self::Elastic(sink) => sink.shape(),
            Self::Http(sink) => sink.shape(),
            Self::Intake(sink) => sink.shape(),
            Self::File(sink) => sink.shape(),
        }
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        match self {
            Self::Splunk(sink) => sink.encoded_bytes(event),
            Self::Elastic(sink) => sink.encoded_bytes(event),
            Self::Http(sink) => sink.encoded_bytes(event),
            Self::Intake(sink) => sink.encoded_bytes(event),
            Self::File(sink) => sink.encoded_bytes(event),
        }
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        match self {
            Self::Splunk(sink) => sink.send(batch).await,
            Self::Elastic(sink) => sink.send(batch).await,
            Self::Http(sink) => sink.send(batch).await,
            Self::Intake(sink) => sink.send(batch).await,
            Self::File(sink) => sink.send(batch).await,
        }
    }

    fn partition(&self, event: &Rendered) -> Option<Arc<str>> {
        match self {
            Self::Splunk(sink) => sink.partition(event),
            Self::Elastic(sink) => sink.partition(event),
            Self::Http(sink) => sink.partition(event),
            Self::Intake(sink) => sink.partition(event),
            Self::File(sink) => sink.partition(event),
        }
    }

    fn repeats_whole(&self) -> bool {
        match self {
            Self::Splunk(sink) => sink.repeats_whole(),
            Self::Elastic(sink) => sink.repeats_whole(),
            Self::Http(sink) => sink.repeats_whole(),
            Self::Intake(sink) => sink.repeats_whole(),
            Self::File(sink) => sink.repeats_whole(),
        }
    }

    fn confirming(&self) -> Option<Confirming> {
        match self {
            Self::Splunk(sink) => sink.confirming(),
            Self::Elastic(sink) => sink.confirming(),
            Self::Http(sink) => sink.confirming(),
            Self::Intake(sink) => sink.confirming(),
            Self::File(sink) => sink.confirming(),
        }
    }

    async fn confirm(&self, tickets: &[Ticket]) -> Confirmation {
        match self {
            Self::Splunk(sink) => sink.confirm(tickets).await,
            Self::Elastic(sink) => sink.confirm(tickets).await,
            Self::Http(sink) => sink.confirm(tickets).await,
            Self::Intake(sink) => sink.confirm(tickets).await,
            Self::File(sink) => sink.confirm(tickets).await,
        }
    }

    fn refresh(&self) {
        match self {
            Self::Splunk(sink) => sink.refresh(),
            Self::Elastic(sink) => sink.refresh(),
            Self::Http(sink) => sink.refresh(),
            Self::Intake(sink) => sink.refresh(),
            Self::File(sink) => sink.refresh(),
        }
    }
}
