//! Reads what `strace -f -y -xx` wrote: system calls with the lines on which they began and ended.
//!
//! strace stops a thread before and after each call, and writes a line each time. So a call whose
//! last line comes before another's first line had returned before the other began; that is the
//! only order that anything here is concluded from.

use std::collections::BTreeMap;

/// One system call as written.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Line on which it began.
    pub(crate) begin: usize,
    /// Line on which it returned; none when it never did.
    pub(crate) end: Option<usize>,
    arguments: String,
    /// What follows `=`.
    result: String,
}

/// The calls of one process and its threads, in the order in which they began. `first_line` is the
/// number given to the first line.
pub(crate) fn calls(text: &str, first_line: usize) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (number, line) in (first_line..).zip(text.lines()) {
        let (thread, rest) = line.split_once(' ').expect("a line begins with a thread");
        let rest = rest.trim_start();
        // Ends, signals, and calls that a kill kept from beginning.
        if ["+++", "---", "???"]
            .iter()
            .any(|mark| rest.starts_with(mark))
        {
            continue;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, (number, begun));
        } else if rest.starts_with("<... ") {
            let (begin, begun) = unfinished.remove(thread).expect("a call begins first");
            let (_, resumed) = rest.split_once("resumed>").expect("a call is resumed");
            calls.push(Call::of(begin, Some(number), &format!("{begun}{resumed}")));
        } else {
            calls.push(Call::of(number, Some(number), rest));
        }
    }
    let killed = unfinished.into_values();
    calls.extend(killed.map(|(begin, begun)| Call::of(begin, None, begun)));
    calls.sort_by_key(|call| call.begin);
    calls
}

impl Call {
    fn of(begin: usize, mut end: Option<usize>, text: &str) -> Self {
        let (name, rest) = text.split_once('(').expect("a call has arguments");
        let (arguments, result) = match rest.rsplit_once(" = ") {
            Some((arguments, result)) if end.is_some() => {
                let arguments = arguments.trim_end().strip_suffix(')');
                (arguments.expect("arguments end"), result)
            }
            _ => (rest, "?"),
        };
        assert!(
            !arguments.contains("\"..."),
            "strace cut a string short: {name} on line {begin}"
        );
        // After a kill strace may be too late to read what a call returned: it writes `?`, or an
        // error that has no name.
        let mut result = result;
        if result.starts_with('?') || result.starts_with("-1 (errno") {
            result = "?";
            end = None;
        }
        Self {
            name: name.to_owned(),
            begin,
            end,
            arguments: arguments.to_owned(),
            result: result.to_owned(),
        }
    }

    /// Whether it returned an error.
    pub(crate) fn failed(&self) -> bool {
        self.result.starts_with('-')
    }

    /// The number returned; none when it did not return.
    pub(crate) fn returned(&self) -> Option<usize> {
        let digits = self.result.split(['<', ' ']).next()?;
        self.end?;
        Some(digits.parse().expect("a call returns a number"))
    }

    /// What the file descriptor in the first argument stands for; none for a file without a name.
    pub(crate) fn file(&self) -> Option<String> {
        let first = self.arguments.split(',').next()?;
        let (_, rest) = first.split_once('<')?;
        let (name, rest) = rest.split_once('>')?;
        let name = String::from_utf8(unescape(name)).expect("a name is UTF-8");
        (!rest.contains("(deleted)")).then_some(name)
    }

    /// The arguments that are strings.
    pub(crate) fn strings(&self) -> Vec<Vec<u8>> {
        // Everything between quotes is escaped, so a quote in it is no quote here.
        let quoted = self.arguments.split('"').skip(1).step_by(2);
        quoted.map(unescape).collect()
    }

    /// The same as one path each.
    pub(crate) fn paths(&self) -> Vec<String> {
        let texts = self.strings().into_iter().map(String::from_utf8);
        texts.map(|text| text.expect("a path is UTF-8")).collect()
    }

    /// The last argument.
    pub(crate) fn last_number(&self) -> u64 {
        let last = self.arguments.rsplit(", ").next().unwrap_or_default();
        last.trim().parse().expect("the last argument is a number")
    }

    pub(crate) fn has_flag(&self, flag: &str) -> bool {
        self.arguments.contains(flag)
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 + 1);
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match after {
            [b'x', high, low, after @ ..] if *first == b'\\' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hex digit");
                bytes.push(u8::try_from(digit(*high) * 16 + digit(*low)).unwrap());
                after
            }
            after => {
                bytes.push(*first);
                after
            }
        };
    }
    bytes
}

#[test]
fn a_call_that_is_interrupted_by_others_is_put_together_again() {
    let text = "\
7 pwrite64(3<\\x2f\\x61>, \"\\x68\\x69\", 2, 4096 <unfinished ...>
8 fdatasync(4</b>) = 0
7 <... pwrite64 resumed>)         = 2
8 write(4</b>(deleted), \"x\", 1)     = -1 ENOSPC (No space left on device)
9 fsync(4</b> <unfinished ...>
9 <... fsync resumed>)              = -1 (errno 18446744073709551598)
9 ???( <unfinished ...>
8 fsync(4</b> <unfinished ...>
8 +++ killed by SIGKILL +++
";
    let calls = calls(text, 10);
    let lines: Vec<_> = calls.iter().map(|call| (call.begin, call.end)).collect();
    assert_eq!(
        lines,
        [
            (10, Some(12)),
            (11, Some(11)),
            (13, Some(13)),
            (14, None),
            (17, None)
        ]
    );
    assert_eq!(calls[0].file().unwrap(), "/a");
    assert_eq!(calls[0].strings(), [b"hi"]);
    assert_eq!(calls[0].last_number(), 4096);
    assert_eq!(calls[0].returned(), Some(2));
    assert!(calls[2].failed());
    assert_eq!(calls[2].file(), None);
    for killed in &calls[3..] {
        assert!(!killed.failed());
        assert_eq!(killed.returned(), None);
    }
}
