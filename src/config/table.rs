//! A table of the configuration, as its reader sees it: asks for keys, collects problems.
//!
//! Nothing stops at a problem: a wrong or missing value is reported and its default stands in,
//! so that one run shows everything that is wrong. What was never asked for is an unknown key.
//! Knows tables and keys; `values` knows types, and no one here knows what a key means.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use figment::value::{Dict, Value};

use super::names::{closest, secret_like};
use super::problems::{Problem, shown};
use super::tree::Tree;

static EMPTY: Dict = Dict::new();

/// One reading of the whole tree.
pub(super) struct Walk<'a> {
    tree: &'a Tree,
    file: &'a Path,
    /// Where relative paths start.
    base: PathBuf,
    secrets: Secrets,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
    /// Every key asked for, names replaced by `NAME`, with the default as text. The test of the
    /// documentation compares against it.
    known: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

/// What becomes of secrets, and of the files that TLS needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// They are read, or looked for.
    Read,
    /// They are left alone, and something stands in for them: for commands that reach nobody.
    StandIns,
}

/// What a reading found.
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by the test of the documentation")
    )]
    pub(super) known: BTreeMap<String, BTreeSet<String>>,
}

/// One table.
pub(super) struct Table<'a> {
    walk: &'a Walk<'a>,
    /// Full path, such as `sources.datatheorem`; empty for the root.
    path: String,
    /// The path with names replaced by `NAME`.
    shape: String,
    dict: &'a Dict,
    asked: RefCell<BTreeSet<String>>,
}

/// What is wrong with one value, and what to do.
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) remedy: String,
}

/// A value and whether it came as text from the environment.
pub(super) struct Raw<'a> {
    pub(super) value: &'a Value,
    pub(super) from_env: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree, file: &'a Path, secrets: Secrets) -> Self {
        // A bare file name has the empty parent, which `absolute` refuses.
        let parent = file.parent().filter(|parent| *parent != Path::new(""));
        let parent = parent.unwrap_or(Path::new("."));
        Self {
            tree,
            file,
            secrets,
            base: std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned()),
            problems: RefCell::new(tree.problems.clone()),
            warnings: RefCell::new(tree.warnings.clone()),
            known: RefCell::default(),
        }
    }

    /// Reads the root table.
    pub(super) fn read<T>(&'a self, read: impl FnOnce(&Table<'a>) -> T) -> T {
        let table = Table {
            walk: self,
            path: String::new(),
            shape: String::new(),
            dict: self.tree.root().unwrap_or(&EMPTY),
            asked: RefCell::default(),
        };
        let result = read(&table);
        table.report_unknown();
        result
    }

    pub(super) fn finish(self) -> Findings {
        Findings {
            problems: self.problems.into_inner(),
            warnings: self.warnings.into_inner(),
            known: self.known.into_inner(),
        }
    }

    fn place(&self, value: Option<&Value>) -> String {
        match value.and_then(|value| self.tree.variable(value)) {
            Some(name) => format!("environment variable {}", shown(name)),
            None => self.file.display().to_string(),
        }
    }
}

impl<'a> Table<'a> {
    /// Reads the table under a key; an absent one is empty.
    pub(super) fn section<T>(&self, key: &str, read: impl FnOnce(&Table<'a>) -> T) -> T {
        let dict = self.dict(key).unwrap_or(&EMPTY);
        let table = self.inner(key, key, dict);
        let result = read(&table);
        table.report_unknown();
        result
    }

    /// Reads the named tables under a key, in the order of their names.
    pub(super) fn entries<T>(
        &self,
        key: &str,
        mut read: impl FnMut(&str, &Table<'a>) -> T,
    ) -> Vec<T> {
        let dict = self.dict(key).unwrap_or(&EMPTY);
        let parent = self.inner(key, key, dict);
        let mut results = Vec::new();
        for name in dict.keys() {
            let Some(inner) = parent.dict(name) else {
                continue;
            };
            let table = parent.inner(name, "NAME", inner);
            results.push(read(name, &table));
            table.report_unknown();
        }
        results
    }

    /// Reads the tables of a list under a key, in their order.
    pub(super) fn tables<T>(&self, key: &str, read: impl Fn(&Table<'a>) -> T) -> Vec<T> {
        self.note(key, None);
        let mut results = Vec::new();
        let Some(value) = self.dict.get(key) else {
            return results;
        };
        let remedy = format!("write [[{}]]", self.key(key));
        let Value::Array(_, items) = value else {
            let found = super::values::type_name(value);
            self.problem(key, format!("must be a list of tables, is {found}"), remedy);
            return results;
        };
        for (index, item) in items.iter().enumerate() {
            let Some(dict) = item.as_dict() else {
                let found = super::values::type_name(item);
                self.problem(key, format!("has {found} in its list"), remedy.clone());
                continue;
            };
            let mut table = self.inner(key, key, dict);
            table.path = format!("{}[{}]", self.key(key), index + 1);
            // The same tables stand under several keys and are documented once.
            table.shape = join("NAME", key);
            results.push(read(&table));
            table.report_unknown();
        }
        results
    }

    /// The texts under a key, each with its name.
    pub(super) fn texts(&self, key: &str) -> Vec<(String, String)> {
        self.note(key, None);
        let dict = self.dict(key).unwrap_or(&EMPTY);
        let parent = self.inner(key, key, dict);
        let text = |name: &String| Some((name.clone(), parent.string_unlisted(name)?));
        dict.keys().filter_map(text).collect()
    }

    /// The lists of texts under a key, each with its name.
    pub(super) fn lists(&self, key: &str) -> Vec<(String, Vec<String>)> {
        self.note(key, None);
        let dict = self.dict(key).unwrap_or(&EMPTY);
        let parent = self.inner(key, key, dict);
        let list = |name: &String| Some((name.clone(), parent.list_unlisted(name)?));
        dict.keys().filter_map(list).collect()
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.dict.contains_key(key)
    }

    /// The value of a key after `parse`; none if absent, or wrong and so reported.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        default: Option<String>,
        parse: impl FnOnce(Raw<'_>) -> Result<T, Fault>,
    ) -> Option<T> {
        self.note(key, default);
        self.parsed_unlisted(key, parse)
    }

    /// The same for keys that operators name themselves.
    pub(super) fn parsed_unlisted<T>(
        &self,
        key: &str,
        parse: impl FnOnce(Raw<'_>) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.dict.get(key)?;
        let from_env = self.walk.tree.variable(value).is_some();
        match parse(Raw { value, from_env }) {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                self.problem(key, fault.what, fault.remedy);
                None
            }
        }
    }

    /// Reports what is wrong with a key of this table, or with the table (an empty key).
    pub(super) fn problem(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let problem = Problem {
            place: self.walk.place(self.dict.get(key)),
            key: self.key(key),
            what: what.into(),
            remedy: remedy.into(),
        };
        self.walk.problems.borrow_mut().push(problem);
    }

    /// Reports what an operator should know about a key of this table, before the relay runs.
    pub(super) fn warning(&self, key: &str, text: &str) {
        if self.reads_secrets() {
            self.warn(key, text);
        }
    }

    /// Reports what makes a difference although nothing is reached.
    pub(super) fn warn(&self, key: &str, text: &str) {
        let place = self.walk.place(self.dict.get(key));
        let line = format!("{place}: {}: {text}", self.key(key));
        self.walk.warnings.borrow_mut().push(line);
    }

    /// Takes every key as known: what they should be cannot be told.
    pub(super) fn take_all(&self) {
        self.asked.borrow_mut().extend(self.dict.keys().cloned());
    }

    /// Whether secrets are read, and certificates looked for.
    pub(super) fn reads_secrets(&self) -> bool {
        self.walk.secrets == Secrets::Read
    }

    /// Where relative paths start.
    pub(super) fn base(&self) -> &Path {
        &self.walk.base
    }

    fn dict(&self, key: &str) -> Option<&'a Dict> {
        self.asked.borrow_mut().insert(key.to_owned());
        let value = self.dict.get(key)?;
        let dict = value.as_dict().filter(|dict| !super::values::is_date(dict));
        if dict.is_none() {
            let what = format!("must be a table, is {}", super::values::type_name(value));
            self.problem(key, what, format!("write [{}]", self.key(key)));
        }
        dict
    }

    fn inner(&self, key: &str, shape: &str, dict: &'a Dict) -> Table<'a> {
        Table {
            walk: self.walk,
            path: self.key(key),
            shape: join(&self.shape, shape),
            dict,
            asked: RefCell::default(),
        }
    }

    fn note(&self, key: &str, default: Option<String>) {
        self.asked.borrow_mut().insert(key.to_owned());
        let mut known = self.walk.known.borrow_mut();
        let defaults = known.entry(join(&self.shape, key)).or_default();
        defaults.extend(default);
    }

    fn key(&self, key: &str) -> String {
        join(&self.path, &shown(key))
    }

    fn report_unknown(&self) {
        let asked = self.asked.borrow();
        for key in self.dict.keys().filter(|key| !asked.contains(*key)) {
            let remedy = if let Some(known) = closest(key, asked.iter().map(String::as_str)) {
                format!("did you mean {known}?")
            } else if asked.contains(&format!("{key}_file")) {
                format!("a secret is not written here: use {key}_file or {key}_env")
            } else if secret_like(key) {
                "a secret is not written here: use a key that ends in _file or _env".to_owned()
            } else {
                "remove it; docs/configuration.md lists the keys".to_owned()
            };
            self.problem(key, "unknown key", remedy);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    match (path, key) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}
