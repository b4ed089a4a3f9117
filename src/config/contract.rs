//! `[contracts.NAME]`: what a detection needs of a source's events.
//!
//! A contract that can say nothing is refused: one that is always kept is worse than none.

use crate::settings::Contract;

use super::table::Table;

/// Pointers of one contract, of each kind.
const POINTERS_MAX: usize = 64;
/// Bytes of a pointer.
const POINTER_BYTES_MAX: usize = 256;
/// Texts that may stand at one place.
const WORDS_MAX: usize = 128;
/// Bytes of a type's pattern, and the `*` in it.
const PATTERN_BYTES_MAX: usize = 256;
const PATTERN_STARS_MAX: usize = 8;

/// Reads one contract about one of the `sources`; none if it cannot be told, which is reported.
pub(super) fn contract(name: &str, table: &Table<'_>, sources: &[String]) -> Option<Contract> {
    let source = table.required("source", "name the source whose events it is about");
    if source
        .as_ref()
        .is_some_and(|source| !sources.contains(source))
    {
        let what = "is not the name of a configured source";
        table.problem("source", what, "write the NAME of a [sources.NAME]");
    }
    let kind = table.string("type", Some("*")).unwrap_or_default();
    if kind.len() > PATTERN_BYTES_MAX || kind.matches('*').count() > PATTERN_STARS_MAX {
        let what = format!(
            "is longer than {PATTERN_BYTES_MAX} bytes or has more than {PATTERN_STARS_MAX} *"
        );
        table.problem("type", what, "write such as \"*_OPENED\"");
    }
    let requires = table.list("requires", Some("[]")).unwrap_or_default();
    let values = table.lists("values");
    let used_by = table.required("used_by", "name the rule or detection that needs it");
    check_pointers(table, "requires", requires.iter());
    check_pointers(table, "values", values.iter().map(|(pointer, _)| pointer));
    for (_, words) in &values {
        if words.is_empty() || words.len() > WORDS_MAX {
            let what = format!("has a place with {} texts", words.len());
            table.problem("values", what, format!("name 1 to {WORDS_MAX}"));
        }
    }
    if requires.is_empty() && values.is_empty() {
        let what = "requires nothing and names no values, so that no event can break it";
        table.problem("", what, "set requires or values");
    }
    Some(Contract {
        name: name.to_owned(),
        source: source?,
        kind,
        requires,
        values,
        used_by: used_by?,
    })
}

fn check_pointers<'a>(table: &Table<'_>, key: &str, pointers: impl Iterator<Item = &'a String>) {
    let mut count = 0;
    for pointer in pointers {
        count += 1;
        if !is_pointer(pointer) {
            let what = format!("entry {count} is not a JSON pointer");
            table.problem(key, what, "write such as \"/event/data/severity\"");
        }
    }
    if count > POINTERS_MAX {
        table.problem(
            key,
            format!("has {count} entries"),
            format!("keep at most {POINTERS_MAX}"),
        );
    }
}

/// Whether a text is a pointer to something below the root (RFC 6901, section 3).
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    text.starts_with('/')
        && text.len() <= POINTER_BYTES_MAX
        && escapes.all(|rest| rest.starts_with(['0', '1']))
}
