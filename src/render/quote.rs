//! Quoting by rule: no name, path or value can break out of its place in a file.

/// A value that its file has no way to hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the path {value:?}: {why}")]
pub struct Unquotable {
    /// The value.
    pub value: String,
    /// Why it cannot be held.
    pub why: &'static str,
}

/// A string where nginx expands no variables. Inside double quotes a backslash keeps quotes and backslashes
/// (`ngx_conf_read_token`); line breaks may stand as they are.
pub fn nginx(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A string where nginx expands variables: a dollar sign is written by a variable that holds one.
pub fn nginx_with_variables(value: &str) -> String {
    nginx(value).replace('$', "${dollar}")
}

/// A path that nginx's `include` shall take to the letter (it treats `*`, `?` and `[` as patterns, glob(7)).
pub fn nginx_include(path: &str) -> String {
    let mut literal = String::with_capacity(path.len());
    let pattern = path.contains(['*', '?', '[']);
    for c in path.chars() {
        if pattern && matches!(c, '*' | '?' | '[' | ']' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    nginx(&literal)
}

/// A value of uwsgi.ini. `%` starts a magic variable and is doubled; `$(`, `@(` and `%(` cannot be quoted: uWSGI expands
/// them wherever they come from, even out of the environment (tried with 2.0.21).
pub fn uwsgi(value: &str) -> Result<String, Unquotable> {
    let why = if value.chars().any(char::is_control) {
        "uWSGI's configuration cannot hold line breaks and control characters"
    } else if ["$(", "@(", "%("].iter().any(|mark| value.contains(mark)) {
        "uWSGI would expand $(…), @(…) and %(…) in it"
    } else if value.contains(':') && value.starts_with('/') {
        "uWSGI would take what follows a colon for a port"
    } else if value.trim() != value {
        "uWSGI's configuration cannot hold spaces at its ends"
    } else {
        return Ok(value.replace('%', "%%"));
    };
    Err(Unquotable {
        value: value.to_owned(),
        why,
    })
}

/// A regular expression that matches `text` and nothing else (PCRE).
pub fn regex(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '/' | '_' | '-') && c.is_ascii() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A regular expression for whole numbers of at least `least` (PCRE), to be followed by what ends a number.
pub fn at_least(least: u64) -> String {
    let digits = least.to_string();
    let mut ways = vec![digits.clone()];
    for (place, digit) in digits.bytes().enumerate() {
        if digit < b'9' {
            let rest = digits.len() - place - 1;
            let any = if rest > 0 {
                format!("[0-9]{{{rest}}}")
            } else {
                String::new()
            };
            ways.push(format!(
                "{}[{}-9]{any}",
                &digits[..place],
                char::from(digit + 1)
            ));
        }
    }
    ways.push(format!("[1-9][0-9]{{{},}}", digits.len()));
    format!("({})", ways.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_strings_stay_in_their_quotes() {
        assert_eq!(nginx(r#"/a "b"; } \x"#), r#""/a \"b\"; } \\x""#);
        assert_eq!(nginx_with_variables("/a$b"), "\"/a${dollar}b\"");
        assert_eq!(nginx_include("/a[1]/x.conf"), r#""/a\\[1\\]/x.conf""#);
        assert_eq!(nginx_include("/plain/x.conf"), "\"/plain/x.conf\"");
        assert_eq!(regex("/a.b+c/"), "/a\\.b\\+c/");
    }

    #[test]
    fn numbers_from_a_limit_on() {
        assert_eq!(at_least(4), "(4|[5-9]|[1-9][0-9]{1,})");
        assert_eq!(at_least(61), "(61|[7-9][0-9]{1}|6[2-9]|[1-9][0-9]{2,})");
        assert_eq!(at_least(99), "(99|[1-9][0-9]{2,})");
    }

    #[test]
    fn uwsgi_values_stay_on_their_line() {
        assert_eq!(uwsgi("/a b;#\"%d"), Ok("/a b;#\"%%d".to_owned()));
        for bad in ["/a\nexec = x", "/$(HOME)", "/@(exec://id)", "/%(x)", "/a "] {
            assert!(uwsgi(bad).is_err(), "{bad}");
        }
    }
}
