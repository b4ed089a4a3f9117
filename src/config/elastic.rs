//! `kind = "elasticsearch"`: nodes, product, target.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use crate::settings::{
    Auth, AwsService, BulkTarget, ElasticFlavour, Elasticsearch, Letters, NamePart,
};

use super::endpoint::{Shape, endpoints};
use super::login;
use super::name;
use super::problems::shown;
use super::table::Table;

/// Bytes of an index's or data stream's name, and of each part of the latter.
const INDEX_BYTES_MAX: usize = 255;
const INDEX_PART_BYTES_MAX: usize = 100;
/// How a name that follows the event is written.
const NAME_EXAMPLE: &str = "write such as \"findings-{source}-{/event/severity|none}-{yyyy.MM}\": \
                            of a date once yyyy, then MM, then dd as far as wanted, with . - or _ \
                            between";

/// Reads the table. `sources` are the names that `collapse_resends` may have.
pub(super) fn elasticsearch(table: &Table<'_>, sources: &[String]) -> Option<Elasticsearch> {
    let auth = login::elasticsearch(table);
    let login = !matches!(auth, Some(Auth::None));
    let endpoints = endpoints(table, login, &Shape::ELASTICSEARCH);
    let flavours = [
        ("auto", ElasticFlavour::Auto),
        ("elasticsearch", ElasticFlavour::Elasticsearch),
        ("elastic_serverless", ElasticFlavour::ElasticServerless),
        ("opensearch", ElasticFlavour::OpenSearch),
        (
            "opensearch_serverless",
            ElasticFlavour::OpenSearchServerless,
        ),
    ];
    let flavour = table.one_of("flavour", Some("auto"), &flavours);
    if let Some(Auth::Aws(aws)) = &auth
        && (aws.service == AwsService::Aoss)
            != (flavour == Some(ElasticFlavour::OpenSearchServerless))
    {
        let what = "does not go with aws.service";
        let remedy = "set \"opensearch_serverless\" with service \"aoss\", another one with \"es\"";
        table.problem("flavour", what, remedy);
    }
    let target = target(table);
    let pipeline = table.string("pipeline", None);
    let require_alias = table.flag("require_alias", false);
    if require_alias
        && matches!(
            target,
            Some(BulkTarget::DataStream(_) | BulkTarget::DataStreams(_))
        )
    {
        let what = "is set although the target is a data stream, which is no alias";
        table.problem("require_alias", what, "remove it, or use index");
    }
    let ids = table.flag("ids", true);
    let collapse_resends = collapse_resends(table, sources, ids);
    Some(Elasticsearch {
        endpoints: endpoints?,
        flavour: flavour.unwrap_or(ElasticFlavour::Auto),
        target: target?,
        require_alias,
        ids,
        collapse_resends,
        auth: auth?,
        pipeline,
    })
}

fn collapse_resends(table: &Table<'_>, sources: &[String], ids: bool) -> Vec<String> {
    let collapsed = table.list("collapse_resends", Some("[]"));
    let collapsed = collapsed.unwrap_or_default();
    for name in collapsed.iter().filter(|name| !sources.contains(name)) {
        let what = format!("there is no source \"{}\"", shown(name));
        let remedy = format!("write one of {}, or add the source", sources.join(", "));
        table.problem("collapse_resends", what, remedy);
    }
    if !ids && !collapsed.is_empty() {
        let what = "is set although ids = false, so that nothing tells resends apart";
        table.problem("collapse_resends", what, "remove it, or set ids = true");
    }
    collapsed
}

fn target(table: &Table<'_>) -> Option<BulkTarget> {
    let index = table.string("index", None);
    let data_stream = table.string("data_stream", None);
    match (table.has("index"), table.has("data_stream")) {
        (true, true) => table.problem("index", "stands beside data_stream", "keep one of them"),
        (false, false) => {
            let remedy = "set it to such as \"logs-siem_relay.webhook-default\", or set index";
            table.problem("data_stream", "missing", remedy);
        }
        _ => {}
    }
    let parts = |name: &str| {
        let mut parts = name.split('-');
        parts.clone().count() == 3
            && parts.all(|part| !part.is_empty() && part.len() <= INDEX_PART_BYTES_MAX)
    };
    let is_stream = |name: &str| is_index(name) && parts(name);
    let data_stream = data_stream.and_then(|name| {
        let otherwise = (
            "is not the name of a data stream",
            "write type-dataset-namespace in lower case, without \\ / * ? \" < > | , # : or \
             spaces, each part without a dash and 100 bytes at most",
        );
        parts_of(table, "data_stream", &name, is_stream, otherwise)
    });
    let index = index.and_then(|name| {
        let otherwise = (
            "is not the name of an index",
            "use lower case, without \\ / * ? \" < > | , # : or spaces, not beginning with - _ +, \
             255 bytes at most",
        );
        parts_of(table, "index", &name, is_index, otherwise)
    });
    let data_stream = data_stream.map(|parts| match parts.as_slice() {
        [NamePart::Text(name)] => BulkTarget::DataStream(name.clone()),
        _ => BulkTarget::DataStreams(parts),
    });
    data_stream.or(index.map(BulkTarget::Index))
}

/// The parts of a name; none if it is none, which is then reported. What it says must hold of the
/// name whatever the event.
fn parts_of(
    table: &Table<'_>,
    key: &str,
    name: &str,
    is_one: impl Fn(&str) -> bool,
    otherwise: (&str, &str),
) -> Option<Vec<NamePart>> {
    let parts = match name::parts(name, Letters::Plain) {
        Ok(parts) => parts,
        Err(what) => {
            table.problem(key, what, NAME_EXAMPLE);
            return None;
        }
    };
    // An event's first letter could be any: an index of another prefix is another permission.
    if matches!(parts.first(), Some(NamePart::Value { .. })) {
        let what = "begins with what an event says";
        table.problem(key, what, "write a prefix of your own before it");
        return None;
    }
    if !is_one(&name::longest(&parts, Letters::Plain)) {
        table.problem(key, otherwise.0, otherwise.1);
        return None;
    }
    Some(parts)
}

/// Elasticsearch's rules for names of indices ("Create index" in its reference).
fn is_index(name: &str) -> bool {
    let refused = |c: char| "\\/*?\"<>|,#:{}".contains(c) || c.is_whitespace() || c.is_uppercase();
    name.len() <= INDEX_BYTES_MAX
        && !name.starts_with(['-', '_', '+'])
        && !name.contains(refused)
        && name != "."
        && name != ".."
}
