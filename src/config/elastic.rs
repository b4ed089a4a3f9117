//! `kind = "elasticsearch"`: nodes, product, target.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use crate::settings::{Auth, AwsService, BulkTarget, ElasticFlavour, Elasticsearch, NamePart};

use super::endpoint::{Shape, endpoints};
use super::login;
use super::problems::shown;
use super::table::Table;

/// Bytes of an index's or data stream's name, and of each part of the latter.
const INDEX_BYTES_MAX: usize = 255;
const INDEX_PART_BYTES_MAX: usize = 100;
/// How a dated index is written.
const DATED_EXAMPLE: &str = "write such as \"findings-{yyyy.MM}\": once yyyy, then MM, then dd as \
                             far as wanted, with . - or _ between";
/// A date that shows whether the name is one on every day.
const SOME_DATE: [&str; 3] = ["2026", "11", "24"];

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
    if require_alias && matches!(target, Some(BulkTarget::DataStream(_))) {
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
    if data_stream
        .as_deref()
        .is_some_and(|name| !is_index(name) || !parts(name))
    {
        table.problem(
            "data_stream",
            "is not the name of a data stream",
            "write type-dataset-namespace in lower case, without \\ / * ? \" < > | , # : or \
             spaces, each part without a dash and 100 bytes at most",
        );
    }
    let index = index.and_then(|name| index_name(table, &name));
    data_stream
        .map(BulkTarget::DataStream)
        .or(index.map(BulkTarget::Index))
}

/// The parts of an index's name; none if it is none, which is then reported.
fn index_name(table: &Table<'_>, name: &str) -> Option<Vec<NamePart>> {
    let Some(parts) = dated(name) else {
        let what = "has a date that cannot be read";
        table.problem("index", what, DATED_EXAMPLE);
        return None;
    };
    let [year, month, day] = SOME_DATE;
    let example: String = parts
        .iter()
        .map(|part| match part {
            NamePart::Text(text) => text.as_str(),
            NamePart::Year => year,
            NamePart::Month => month,
            NamePart::Day => day,
        })
        .collect();
    if !is_index(&example) {
        table.problem(
            "index",
            "is not the name of an index",
            "use lower case, without \\ / * ? \" < > | , # : or spaces, not beginning with - _ +, \
             255 bytes at most",
        );
        return None;
    }
    Some(parts)
}

/// Divides a name at its date, if it has one; none if the date is wrong.
fn dated(name: &str) -> Option<Vec<NamePart>> {
    let text = |text: &str| (!text.is_empty()).then(|| NamePart::Text(text.to_owned()));
    let Some((before, rest)) = name.split_once('{') else {
        return (!name.contains('}')).then(|| text(name).into_iter().collect());
    };
    let (date, after) = rest.split_once('}')?;
    if after.contains(['{', '}']) {
        return None;
    }
    let mut parts: Vec<NamePart> = text(before).into_iter().collect();
    let units = [
        ("yyyy", NamePart::Year),
        ("MM", NamePart::Month),
        ("dd", NamePart::Day),
    ];
    let mut date = date;
    for (at, (word, part)) in units.into_iter().enumerate() {
        if date.is_empty() && at > 0 {
            break;
        }
        let bare = date.trim_start_matches(['.', '-', '_']);
        let between = date.get(..date.len() - bare.len())?;
        if between.len() > 1 || (at == 0 && !between.is_empty()) {
            return None;
        }
        parts.extend(text(between));
        date = bare.strip_prefix(word)?;
        parts.push(part);
    }
    if !date.is_empty() {
        return None;
    }
    parts.extend(text(after));
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
