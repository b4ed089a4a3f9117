//! JSON written or only counted, by the same code, so that a limit is held against what is sent.
//!
//! Pure. Knows no intake; texts are UTF-8 and raw values are well-formed JSON.

/// Where bytes go.
pub(super) trait Out {
    /// Takes bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts bytes and keeps none.
#[derive(Debug, Default)]
pub(super) struct Count(pub(super) usize);

impl Out for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// An object being written. Its keys are the relay's own and need no escape, or are escaped.
pub(super) struct Object<'a> {
    out: &'a mut dyn Out,
    before: &'static [u8],
}

impl<'a> Object<'a> {
    pub(super) fn open(out: &'a mut dyn Out) -> Self {
        Self { out, before: b"{" }
    }

    /// A string under a key.
    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.bytes(key, value.as_bytes())
    }

    /// A string under a key where there is one.
    pub(super) fn some(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(key, value);
        }
        self
    }

    /// A string that is known to be UTF-8.
    pub(super) fn bytes(&mut self, key: &str, value: &[u8]) -> &mut Self {
        self.key(key);
        string(self.out, value);
        self
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, key: &str, json: &[u8]) -> &mut Self {
        self.key(key);
        self.out.put(json);
        self
    }

    /// Constant strings.
    pub(super) fn texts(&mut self, texts: &[(String, String)]) -> &mut Self {
        for (key, value) in texts {
            self.text(key, value);
        }
        self
    }

    /// An object under a key, to be closed before the next one is written.
    pub(super) fn object(&mut self, key: &str) -> Object<'_> {
        self.key(key);
        Object::open(self.out)
    }

    /// Where a value under a key is to be written by other means.
    pub(super) fn value(&mut self, key: &str) -> &mut dyn Out {
        self.key(key);
        self.out
    }

    pub(super) fn close(&mut self) {
        if self.before == b"{" {
            self.out.put(b"{");
        }
        self.out.put(b"}");
    }

    fn key(&mut self, key: &str) {
        self.out.put(self.before);
        self.before = b",";
        string(self.out, key.as_bytes());
        self.out.put(b":");
    }
}

/// Writes each item, with commas in between, in brackets.
pub(super) fn array<T>(
    out: &mut dyn Out,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut dyn Out, T),
) {
    let mut before: &[u8] = b"[";
    for item in items {
        out.put(before);
        write(out, item);
        before = b",";
    }
    if before == b"[" {
        out.put(before);
    }
    out.put(b"]");
}

/// A JSON string (RFC 8259, section 7).
pub(super) fn string(out: &mut dyn Out, text: &[u8]) {
    out.put(b"\"");
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| must_be_escaped(*byte)) {
        let (plain, tail) = rest.split_at(at);
        out.put(plain);
        let Some((byte, tail)) = tail.split_first() else {
            break;
        };
        escape(out, *byte);
        rest = tail;
    }
    out.put(rest);
    out.put(b"\"");
}

fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut dyn Out, byte: u8) {
    match byte {
        b'"' => out.put(b"\\\""),
        b'\\' => out.put(b"\\\\"),
        b'\n' => out.put(b"\\n"),
        b'\r' => out.put(b"\\r"),
        b'\t' => out.put(b"\\t"),
        _ => out.put(format!("\\u{byte:04x}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_reads_back_as_it_was() {
        let all: String = (0..0x800).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"\\/\n\r\t\u{8}\u{c}\u{1f600}", &all] {
            let mut out = Vec::new();
            string(&mut out, text.as_bytes());
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn objects_and_arrays_are_closed_also_where_they_are_empty() {
        let mut out = Vec::new();
        array(&mut out, [true, false], |out, full| {
            let mut object = Object::open(out);
            if full {
                object.text("a", "b").raw("c", b"[1]").some("d", None);
                object.object("e").close();
            }
            object.close();
        });
        assert_eq!(out, br#"[{"a":"b","c":[1],"e":{}},{}]"#);
        let mut out = Vec::new();
        array(&mut out, Vec::<u8>::new(), |_, _| {});
        assert_eq!(out, b"[]");
    }
}
