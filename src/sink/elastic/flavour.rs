//! Which product takes the bulk requests, and what may be said to it. Pure.
//!
//! Products and releases refuse a whole request for one parameter that they do not know. So what
//! only some take is sent only where it is known that they do; where nothing is known, only what
//! all take is sent. Nothing else depends on the product.

use serde::Deserialize;

use crate::settings::ElasticFlavour;
use crate::sink::client::Answer;

/// The release with `require_data_stream`.
const REQUIRE_DATA_STREAM: Version = (8, 13);
/// The release with `include_source_on_error`.
const INCLUDE_SOURCE_ON_ERROR: Version = (8, 18);

/// Major and minor.
type Version = (u32, u32);

/// What is known of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Nothing.
    Unknown,
    /// Elasticsearch, maybe its release.
    Elasticsearch(Option<Version>),
    /// Elastic Cloud Serverless: always the newest release.
    ElasticServerless,
    /// OpenSearch in any form.
    OpenSearch,
}

/// The answer of `GET /`, as far as it tells products apart.
#[derive(Deserialize)]
struct Root {
    version: RootVersion,
}

#[derive(Deserialize)]
struct RootVersion {
    #[serde(default)]
    number: String,
    #[serde(default)]
    distribution: String,
    #[serde(default)]
    build_flavor: String,
}

impl Flavour {
    /// What the configuration states.
    pub(super) fn stated(setting: ElasticFlavour) -> Self {
        match setting {
            ElasticFlavour::Auto => Self::Unknown,
            ElasticFlavour::Elasticsearch => Self::Elasticsearch(None),
            ElasticFlavour::ElasticServerless => Self::ElasticServerless,
            ElasticFlavour::OpenSearch | ElasticFlavour::OpenSearchServerless => Self::OpenSearch,
        }
    }

    /// What the answer to `GET /` says, which may need a privilege that a login does not have.
    pub(super) fn of_root(answer: &Answer) -> Self {
        let root: Option<Root> = match answer.is_success() && !answer.cut {
            true => serde_json::from_slice(&answer.body).ok(),
            false => None,
        };
        let by_header = match answer.elastic {
            true => Self::Elasticsearch(None),
            false => Self::Unknown,
        };
        let Some(Root { version }) = root else {
            return by_header;
        };
        match (&*version.distribution, &*version.build_flavor) {
            ("opensearch", _) => Self::OpenSearch,
            (_, "serverless") => Self::ElasticServerless,
            // Before 7.14 there is no header, but always a flavour of the build.
            (_, built) if answer.elastic || !built.is_empty() => {
                Self::Elasticsearch(release(&version.number))
            }
            _ => by_header,
        }
    }

    /// The parameters of a bulk request that not every product takes.
    pub(super) fn parameters(self, to_data_stream: bool) -> Vec<(&'static str, &'static str)> {
        let (stream, source) = match self {
            Self::Unknown | Self::OpenSearch => (false, false),
            // Without a release: most have the first one, and a refusal of it costs one request.
            Self::Elasticsearch(None) => (true, false),
            Self::Elasticsearch(Some(version)) => (
                version >= REQUIRE_DATA_STREAM,
                version >= INCLUDE_SOURCE_ON_ERROR,
            ),
            Self::ElasticServerless => (true, true),
        };
        let mut parameters = Vec::new();
        if stream && to_data_stream {
            // A mistyped name must not make a plain index.
            parameters.push(("require_data_stream", "true"));
        }
        if source {
            // Reasons of refusals then do not repeat the event.
            parameters.push(("include_source_on_error", "false"));
        }
        parameters
    }
}

fn release(number: &str) -> Option<Version> {
    let mut numbers = number.split(['.', '-']);
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::status::tests::answer;

    fn root(version: &str, elastic: bool) -> Flavour {
        let mut answer = answer(200, &format!("{{\"name\":\"n\",\"version\":{version}}}"));
        answer.elastic = elastic;
        Flavour::of_root(&answer)
    }

    #[test]
    fn the_root_tells_products_apart() {
        let elastic = |major, minor| Flavour::Elasticsearch(Some((major, minor)));
        for (version, header, flavour) in [
            (
                r#"{"number":"9.1.2","build_flavor":"default"}"#,
                true,
                elastic(9, 1),
            ),
            (
                r#"{"number":"8.18.0-SNAPSHOT","build_flavor":"default"}"#,
                true,
                elastic(8, 18),
            ),
            (
                r#"{"number":"7.10.2","build_flavor":"oss"}"#,
                false,
                elastic(7, 10),
            ),
            (
                r#"{"number":"8.11.0","build_flavor":"serverless"}"#,
                true,
                Flavour::ElasticServerless,
            ),
            (
                r#"{"number":"2.19.5","distribution":"opensearch"}"#,
                false,
                Flavour::OpenSearch,
            ),
            // OpenSearch that claims to be an older Elasticsearch still names itself.
            (
                r#"{"number":"7.10.2","distribution":"opensearch"}"#,
                false,
                Flavour::OpenSearch,
            ),
            (
                r#"{"number":"new","build_flavor":"default"}"#,
                true,
                Flavour::Elasticsearch(None),
            ),
            (r#"{"number":"1.0"}"#, false, Flavour::Unknown),
        ] {
            assert_eq!(root(version, header), flavour, "{version}");
        }
    }

    #[test]
    fn an_answer_that_tells_nothing_leaves_the_product_unknown_unless_its_header_does() {
        for (status, body) in [
            (403, "{}"),
            (404, ""),
            (200, "<html>"),
            (200, "{}"),
            (503, ""),
        ] {
            let mut answer = answer(status, body);
            assert_eq!(Flavour::of_root(&answer), Flavour::Unknown);
            answer.elastic = true;
            assert_eq!(Flavour::of_root(&answer), Flavour::Elasticsearch(None));
        }
        let mut cut = answer(200, r#"{"version":{"distribution":"opensearch"}}"#);
        cut.cut = true;
        assert_eq!(Flavour::of_root(&cut), Flavour::Unknown);
    }

    #[test]
    fn only_what_a_product_takes_is_said_to_it() {
        let names = |flavour: Flavour, stream| {
            let parameters = flavour.parameters(stream);
            parameters.iter().map(|(name, _)| *name).collect::<Vec<_>>()
        };
        let (stream, source) = ("require_data_stream", "include_source_on_error");
        let elastic = |major, minor| Flavour::Elasticsearch(Some((major, minor)));
        for (flavour, expected) in [
            (Flavour::Unknown, vec![]),
            (Flavour::OpenSearch, vec![]),
            (Flavour::Elasticsearch(None), vec![stream]),
            (elastic(7, 17), vec![]),
            (elastic(8, 12), vec![]),
            (elastic(8, 13), vec![stream]),
            (elastic(8, 17), vec![stream]),
            (elastic(8, 18), vec![stream, source]),
            (elastic(9, 0), vec![stream, source]),
            (Flavour::ElasticServerless, vec![stream, source]),
        ] {
            assert_eq!(names(flavour, true), expected, "{flavour:?}");
            let without: Vec<_> = expected
                .into_iter()
                .filter(|name| *name != stream)
                .collect();
            assert_eq!(names(flavour, false), without, "{flavour:?}");
        }
    }
}
