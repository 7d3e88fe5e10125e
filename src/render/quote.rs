//! Quotes values for nginx, uWSGI and PCRE, so that no name, path or value can change the structure of a file.

/// A value that cannot be represented in its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the path {value:?}: {why}")]
pub struct Unquotable {
    /// The value before quoting.
    pub value: String,
    /// The reason, as the end of a sentence.
    pub why: &'static str,
}

/// A quoted string for a context in which nginx expands no variables. Inside double quotes a backslash escapes quotes
/// and backslashes (`ngx_conf_read_token`); line breaks need no escape.
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

/// A quoted string for a context in which nginx expands variables: each dollar sign becomes `${dollar}`, a variable whose
/// value is a dollar sign.
pub fn nginx_with_variables(value: &str) -> String {
    nginx(value).replace('$', "${dollar}")
}

/// A quoted path for nginx's `include`, which would treat `*`, `?` and `[` as patterns (glob(7)).
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

/// A path for uwsgi.ini.
pub fn uwsgi(path: &str) -> Result<String, Unquotable> {
    if path.contains(':') && path.starts_with('/') {
        return Err(Unquotable {
            value: path.to_owned(),
            why: "uWSGI would take what follows a colon for a port",
        });
    }
    uwsgi_value(path)
}

/// A value for uwsgi.ini. `%` starts a magic variable and is doubled. `$(`, `@(` and `%(` cannot be quoted: uWSGI expands
/// them even in values that come from the environment (tried with 2.0.21).
pub fn uwsgi_value(value: &str) -> Result<String, Unquotable> {
    let why = if value.chars().any(char::is_control) {
        "uWSGI's configuration cannot hold line breaks and control characters"
    } else if ["$(", "@(", "%("].iter().any(|mark| value.contains(mark)) {
        "uWSGI would expand $(…), @(…) and %(…) in it"
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

/// A regular expression (PCRE) that matches exactly `text`.
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

/// A regular expression (PCRE) for integers of at least `minimum`; the caller must append a pattern for the character
/// after the number.
pub fn at_least(minimum: u64) -> String {
    let digits = minimum.to_string();
    let mut alternatives = vec![digits.clone()];
    for (place, digit) in digits.bytes().enumerate() {
        if digit < b'9' {
            let rest = digits.len() - place - 1;
            let any = if rest > 0 {
                format!("[0-9]{{{rest}}}")
            } else {
                String::new()
            };
            alternatives.push(format!(
                "{}[{}-9]{any}",
                &digits[..place],
                char::from(digit + 1)
            ));
        }
    }
    alternatives.push(format!("[1-9][0-9]{{{},}}", digits.len()));
    format!("({})", alternatives.join("|"))
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
    fn numbers_of_at_least_a_minimum() {
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
        assert!(uwsgi("/a:1").is_err());
        let touched = "/a print:x";
        assert_eq!(uwsgi_value(touched), Ok(touched.to_owned()));
    }
}
