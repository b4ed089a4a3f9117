//! Rust source as tokens, just well enough to find paths: comments, literals and `#[cfg(test)]`
//! items are cut. Knows no rule.

/// Items that `#[cfg(test)]` may stand before, and that end with `;` or a block.
const ITEMS: [&str; 12] = [
    "mod", "use", "fn", "impl", "const", "static", "struct", "enum", "trait", "type", "async",
    "unsafe",
];

/// One word or sign.
pub(crate) struct Token {
    /// Where it stands, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Words, `::` and single signs; no white space, comments, strings or characters.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), source, 1);
    while let Some(first) = rest.chars().next() {
        let skipped = skipped_bytes(rest);
        let bytes = match skipped {
            Some(bytes) => bytes,
            None if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            None if rest.starts_with("::") => 2,
            None => first.len_utf8(),
        };
        let (text, after) = rest.split_at(bytes);
        if skipped.is_none() {
            let text = text.to_owned();
            tokens.push(Token { line, text });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of a space, comment or literal at the beginning of `rest`.
fn skipped_bytes(rest: &str) -> Option<usize> {
    let first = rest.chars().next()?;
    if first.is_whitespace() {
        return Some(first.len_utf8());
    }
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        let mut depth = 0;
        for (at, _) in rest.char_indices() {
            if rest[at..].starts_with("/*") {
                depth += 1;
            } else if rest[at..].starts_with("*/") {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 2);
                }
            }
        }
        return Some(rest.len());
    }
    let prefix = rest
        .find(|c| !matches!(c, 'b' | 'c' | 'r'))
        .unwrap_or(rest.len());
    let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
    let body = prefix + hashes + 1;
    match rest.as_bytes().get(prefix + hashes)? {
        b'"' if rest[..prefix].contains('r') => {
            let end = format!("\"{}", "#".repeat(hashes));
            Some(
                rest[body..]
                    .find(&end)
                    .map_or(rest.len(), |at| body + at + end.len()),
            )
        }
        b'"' if hashes == 0 => Some(body + escaped_bytes(&rest[body..], '"')),
        // Anything else after an apostrophe is a lifetime.
        b'\'' if hashes == 0 && rest[body..].starts_with('\\') => {
            Some(body + escaped_bytes(&rest[body..], '\''))
        }
        b'\'' if hashes == 0 && rest[body..].chars().nth(1) == Some('\'') => {
            Some(body + rest[body..].chars().next()?.len_utf8() + 1)
        }
        _ => None,
    }
}

/// Bytes up to and with the first `end` that no backslash stands before.
fn escaped_bytes(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == end => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Cuts every `#[cfg(test)]` item.
pub(crate) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut rest) = (Vec::new(), tokens);
    while let Some((first, after)) = rest.split_first() {
        let marked = rest.len() > MARK.len() && rest.iter().zip(MARK).all(|(t, m)| t.text == m);
        rest = match marked.then(|| item_tokens(&rest[MARK.len()..])) {
            Some(item) if item > 0 => &rest[MARK.len() + item..],
            _ => {
                let Token { line, text } = first;
                kept.push(Token {
                    line: *line,
                    text: text.clone(),
                });
                after
            }
        };
    }
    kept
}

/// The tokens of the item at the beginning, its further attributes included; 0 if it is none.
fn item_tokens(tokens: &[Token]) -> usize {
    let (mut depth, mut is_item) = (0_i32, false);
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            "#" | "pub" => {}
            word if depth == 0 && !is_item => {
                is_item = ITEMS.contains(&word);
                if !is_item {
                    return 0;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
