//! Settings of an Elasticsearch or OpenSearch destination.

use super::{Auth, Endpoint, NamePart};

/// Elasticsearch or OpenSearch.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    /// `https://host:9200`, 1 to 16 nodes of one cluster; they differ in nothing but the URL.
    pub endpoints: Vec<Endpoint>,
    /// Which product it is.
    pub flavour: ElasticFlavour,
    /// Where documents go.
    pub target: BulkTarget,
    /// Whether a target that is no alias is refused.
    pub require_alias: bool,
    /// Whether each document's `_id` is stated; without it, repeats are stored twice.
    pub ids: bool,
    /// Sources whose marked resends get the id, and so the place, of the first event.
    pub collapse_resends: Vec<String>,
    /// How to log in.
    pub auth: Auth,
    /// An ingest pipeline.
    pub pipeline: Option<String>,
}

/// The products that take bulk requests, as far as they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElasticFlavour {
    /// To be found out.
    Auto,
    /// Elasticsearch, self-managed or hosted.
    Elasticsearch,
    /// Elastic Cloud Serverless.
    ElasticServerless,
    /// OpenSearch, self-managed or Amazon OpenSearch Service.
    OpenSearch,
    /// Amazon OpenSearch Serverless.
    OpenSearchServerless,
}

/// Where documents go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkTarget {
    /// A data stream, by its name.
    DataStream(String),
    /// Data streams by date or by what an event says. Checked: a data stream's name whatever the
    /// event.
    DataStreams(Vec<NamePart>),
    /// An index or alias, or one by date or by what an event says. Checked: the name of an index
    /// whatever the event.
    Index(Vec<NamePart>),
}
