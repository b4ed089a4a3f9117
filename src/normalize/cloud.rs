//! Which cloud a vendor's word names.

use super::kind;

/// The provider as ECS writes it, where one is recognised.
pub(super) fn provider(hosted_on: &str) -> Option<&'static str> {
    let words = kind::words(hosted_on);
    words.split('-').find_map(|word| match word {
        "aws" | "amazon" => Some("aws"),
        "gcp" | "google" => Some("gcp"),
        "azure" => Some("azure"),
        _ => None,
    })
}
