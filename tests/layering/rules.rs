//! The tables of `docs/architecture.md` as rules, and what a source file breaks of them.
//!
//! Paths from the crate's root are looked up; paths through `super` are followed only where they
//! leave the module, because what is inside a module is its own affair.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tokens::{Token, is_word, tokens, without_tests};

/// The name by which the binary calls the library.
const LIBRARY: &str = "siem_relay";

/// The two tables.
pub(crate) struct Rules {
    /// By module: the modules it may use.
    modules: BTreeMap<String, BTreeSet<String>>,
    /// By crate: the path of the one module that may use it.
    crates: BTreeMap<String, String>,
}

impl Rules {
    pub(crate) fn parse(text: &str) -> Self {
        let (mut modules, mut crates) = (BTreeMap::new(), BTreeMap::new());
        let mut table = "";
        for line in text.lines() {
            if !line.starts_with('|') {
                table = "";
            } else if table.is_empty() {
                table = line;
            } else if line.starts_with("| `") {
                let cells: Vec<_> = line.trim_end_matches('|').split('|').skip(1).collect();
                let (first, last) = (names(cells[0]), names(cells[cells.len() - 1]));
                match table {
                    "| module | what it is | may use |" => {
                        modules.insert(first[0].clone(), last.into_iter().collect());
                    }
                    "| crate | its one user |" => {
                        crates.insert(first[0].clone(), last[0].clone());
                    }
                    _ => {}
                }
            }
        }
        assert!(
            !modules.is_empty() && !crates.is_empty(),
            "the two tables are not there"
        );
        Self { modules, crates }
    }

    /// What a source file breaks; `path` is relative to the package.
    pub(crate) fn check(&self, path: &Path, text: &str) -> Vec<String> {
        let place = module_path(path);
        let Some(module) = place.first() else {
            return Vec::new();
        };
        let tokens = without_tests(&tokens(text));
        let mut broken = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            let mut report = |rule: String| {
                broken.push(format!("{}:{}: {rule}", path.display(), token.line));
            };
            for used in self.own_modules_used(&tokens, index, place.len()) {
                let allowed = self.modules.get(module);
                if used != *module && !allowed.is_some_and(|allowed| allowed.contains(&used)) {
                    let allowed = allowed.map(|set| set.iter().cloned().collect::<Vec<_>>());
                    let allowed = allowed.unwrap_or_default().join(", ");
                    report(format!(
                        "`{module}` may not use `{used}` but only: {allowed}"
                    ));
                }
            }
            if let Some(user) = self.crates.get(&token.text)
                && is_crate_use(&tokens, index)
                && !format!("{}::", place.join("::")).starts_with(&format!("{user}::"))
            {
                report(format!("only `{user}` may use the crate `{}`", token.text));
            }
        }
        broken
    }

    /// The own modules that a path beginning at `index` names, if one begins there.
    fn own_modules_used(&self, tokens: &[Token], index: usize, depth: usize) -> Vec<String> {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        match text(index) {
            "crate" | LIBRARY if !is_continued(tokens, index) => first_names(tokens, index + 1),
            "super" if !is_continued(tokens, index) || text(index.wrapping_sub(2)) == "self" => {
                let chain = (index..)
                    .step_by(2)
                    .take_while(|at| text(*at) == "super")
                    .count();
                let mut used = first_names(tokens, index + 2 * chain - 1);
                used.retain(|name| chain >= depth && self.modules.contains_key(name));
                used
            }
            _ => Vec::new(),
        }
    }

    /// What the names of modules and rows break.
    pub(crate) fn check_names(&self, modules: &BTreeSet<String>) -> Vec<String> {
        let rows: BTreeSet<_> = self.modules.keys().cloned().collect();
        let without_row = modules.difference(&rows);
        let without_row = without_row.map(|name| format!("src/{name}: no row in the table"));
        let without_module = rows.difference(modules);
        let without_module = without_module.map(|name| format!("row `{name}`: no such module"));
        let allowed = self
            .modules
            .values()
            .flatten()
            .cloned()
            .collect::<BTreeSet<_>>();
        let unknown = allowed
            .difference(&rows)
            .map(|name| format!("may use `{name}`: no row"));
        without_row.chain(without_module).chain(unknown).collect()
    }
}

/// The first names below a path whose `::` stands at `index`: one, or those of a group.
fn first_names(tokens: &[Token], index: usize) -> Vec<String> {
    let rest = tokens.get(index..).unwrap_or_default();
    let Some([separator, first, group @ ..]) = rest.get(..) else {
        return Vec::new();
    };
    if separator.text != "::" {
        return Vec::new();
    }
    if first.text != "{" {
        return vec![first.text.clone()];
    }
    let (mut depth, mut before, mut found) = (1, "{", Vec::new());
    for token in group {
        if depth == 1 && matches!(before, "{" | ",") && !matches!(token.text.as_str(), "}" | ",") {
            found.push(token.text.clone());
        }
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        before = &token.text;
    }
    found
}

/// Whether the word at `index` goes on a path begun before it, or is a field or method.
fn is_continued(tokens: &[Token], index: usize) -> bool {
    let before = |back: usize| {
        index
            .checked_sub(back)
            .map_or("", |at| tokens[at].text.as_str())
    };
    match before(1) {
        "." => true,
        "::" => before(2) == ">" || before(2).starts_with(is_word),
        _ => false,
    }
}

fn is_crate_use(tokens: &[Token], index: usize) -> bool {
    let before = index
        .checked_sub(1)
        .map_or("", |at| tokens[at].text.as_str());
    let after = tokens
        .get(index + 1)
        .map_or("", |token| token.text.as_str());
    let used = matches!(after, "::" | "!") || matches!(before, "use" | "crate");
    used && !is_continued(tokens, index)
}

/// `src/sink/client.rs` is `sink::client`; `src/lib.rs` only lists modules and is none.
pub(crate) fn module_path(path: &Path) -> Vec<String> {
    let below = path.strip_prefix("src").unwrap().with_extension("");
    let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| part != "lib").collect()
}

/// What stands in backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
