//! A lexer with exactly nginx's rules (`ngx_conf_read_token` in ngx_conf_file.c).

/// A directive and its terminator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    /// Name and values, without quotes and escapes.
    pub(crate) words: Vec<String>,
    /// `;`, `{` or `}`.
    pub(crate) end: char,
}

#[derive(Default)]
struct Word {
    quote: Option<char>,
    raw: String,
}

/// Splits a file into directives.
pub(crate) fn directives(text: &str) -> Result<Vec<Directive>, String> {
    let mut list = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<Word> = None;
    let mut need_space = false;
    let mut variable = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if need_space {
            match c {
                ' ' | '\t' | '\r' | '\n' | ')' => need_space = false,
                ';' | '{' => {}
                other => return Err(format!("unexpected {other:?} after {words:?}")),
            }
            if c == ';' || c == '{' {
                need_space = false;
                list.push(Directive {
                    words: std::mem::take(&mut words),
                    end: c,
                });
                continue;
            }
            if c != ')' {
                continue;
            }
        }
        let Some(current) = &mut word else {
            match c {
                ' ' | '\t' | '\r' | '\n' => {}
                ';' | '{' if words.is_empty() => return Err(format!("unexpected {c:?}")),
                ';' | '{' => list.push(Directive {
                    words: std::mem::take(&mut words),
                    end: c,
                }),
                '}' if words.is_empty() => list.push(Directive {
                    words: Vec::new(),
                    end: c,
                }),
                '}' => return Err(format!("unexpected }} after {words:?}")),
                '#' => {
                    for skipped in chars.by_ref() {
                        if skipped == '\n' {
                            break;
                        }
                    }
                }
                '"' | '\'' => {
                    word = Some(Word {
                        quote: Some(c),
                        raw: String::new(),
                    });
                }
                '\\' => {
                    let mut raw = String::from(c);
                    raw.extend(chars.next());
                    word = Some(Word { quote: None, raw });
                }
                other => {
                    variable = other == '$';
                    word = Some(Word {
                        quote: None,
                        raw: other.to_string(),
                    });
                }
            }
            continue;
        };
        if c == '{' && variable {
            current.raw.push(c);
            continue;
        }
        variable = c == '$';
        let ends = match current.quote {
            Some(quote) => c == quote,
            None => matches!(c, ' ' | '\t' | '\r' | '\n' | ';' | '{'),
        };
        if !ends {
            current.raw.push(c);
            if c == '\\' {
                current.raw.extend(chars.next());
            }
            continue;
        }
        need_space = current.quote.is_some();
        words.push(unescaped(&current.raw));
        word = None;
        if !need_space && matches!(c, ';' | '{') {
            list.push(Directive {
                words: std::mem::take(&mut words),
                end: c,
            });
        }
    }
    if word.is_some() || !words.is_empty() {
        return Err(format!("unexpected end of file after {words:?}"));
    }
    Ok(list)
}

fn unescaped(raw: &str) -> String {
    let mut out = String::new();
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let replacement = match (c, chars.peek()) {
            ('\\', Some(next @ ('"' | '\'' | '\\'))) => Some(*next),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('n')) => Some('\n'),
            _ => None,
        };
        if replacement.is_some() {
            chars.next();
        }
        out.push(replacement.unwrap_or(c));
    }
    out
}

/// The structure that must not depend on values: name, word count and terminator of each directive.
pub(crate) fn shape(list: &[Directive]) -> Vec<(String, usize, char)> {
    let mut depth = 0_i32;
    let mut shape = Vec::new();
    for directive in list {
        depth += match directive.end {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        assert!(depth >= 0, "a brace closes nothing");
        let name = directive.words.first().cloned().unwrap_or_default();
        shape.push((name, directive.words.len(), directive.end));
    }
    assert_eq!(depth, 0, "a brace is left open");
    shape
}

#[test]
fn words_are_split_as_by_nginx() {
    let text = "a b;# c; {\nd \"e;\\\" {\" 'f}' { g ${h}i \\{j; } if (-f \"k\") { }";
    let list = directives(text).unwrap();
    let words: Vec<Vec<&str>> = list
        .iter()
        .map(|directive| directive.words.iter().map(String::as_str).collect())
        .collect();
    assert_eq!(
        words,
        [
            vec!["a", "b"],
            vec!["d", "e;\" {", "f}"],
            vec!["g", "${h}i", "\\{j"],
            vec![],
            vec!["if", "(-f", "k", ")"],
            vec![]
        ]
    );
    assert!(directives("a \"b\"c;").is_err());
    assert!(directives("a \"b").is_err());
}
