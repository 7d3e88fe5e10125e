//! How the application's Python encodes text: as python3 would with the same environment.
//!
//! python3 takes a locale with UTF-8 in place of the locale C (PEP 538), or encodes everything in UTF-8 whatever the
//! locale says (UTF-8 mode, PEP 540). uWSGI embeds Python in a way that does neither, so it is started with a locale
//! that has the same effect, and the interpreter module gives the application the variables that python3 would show.

use serde::Serialize;

use crate::config::problem::Findings;
use crate::host::environment::Environment;

/// The encoding of files, file names and output of programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TextEncoding {
    /// The locale that python3 would take in place of C, and show in `LC_CTYPE`.
    pub coerced: Option<String>,
    /// Whether python3 would be in UTF-8 mode.
    pub utf8_mode: bool,
    /// The locale that uWSGI gets instead of the one in the environment.
    pub start: Option<String>,
}

/// Decides as python3 does (`Python/preconfig.c` and `Python/pylifecycle.c`).
pub(super) fn plan(environment: &Environment, findings: &mut Findings) -> TextEncoding {
    let is_c = environment.encoding.is_none();
    let utf8_mode = match environment.get("PYTHONUTF8") {
        Some("1") => true,
        Some("0") => false,
        None => is_c,
        Some(_) => {
            findings.warning(
                "$PYTHONUTF8",
                "python3 does not start with this value, and programs that the application starts with it neither",
                "set it to 1 or 0",
            );
            is_c
        }
    };
    let may_coerce =
        environment.get("PYTHONCOERCECLOCALE") != Some("0") && environment.get("LC_ALL").is_none();
    let coerced = environment
        .utf8_locale
        .clone()
        .filter(|_| is_c && may_coerce);
    let is_utf8 = environment
        .encoding
        .as_ref()
        .is_some_and(|name| name.eq_ignore_ascii_case("UTF-8"));
    let forced = environment
        .utf8_locale
        .clone()
        .filter(|_| utf8_mode && !is_utf8);
    let start = coerced.clone().or(forced);
    if start.is_none() && !is_utf8 {
        warn_of_other(environment, utf8_mode, findings);
    }
    TextEncoding {
        coerced,
        utf8_mode,
        start,
    }
}

/// Says that text is not UTF-8, which is rarely intended.
fn warn_of_other(environment: &Environment, utf8_mode: bool, findings: &mut Findings) {
    let encoding = environment.encoding.as_deref().unwrap_or("ASCII");
    let (what, hint) = if utf8_mode {
        (
            "there is no locale with UTF-8 on this system: the application reads text files as ASCII".to_owned(),
            "install the locale C.UTF-8",
        )
    } else {
        (
            format!(
                "the application reads text files as {encoding}, as python3 does with this environment"
            ),
            "for UTF-8 set LANG=C.UTF-8, and unset LC_ALL, LC_CTYPE and PYTHONUTF8",
        )
    };
    findings.warning("$LANG", what, hint);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, what python3 shows in LC_CTYPE, and its UTF-8 mode; as seen with python3 3.11 and this environment.
    #[track_caller]
    fn check(
        encoding: Option<&str>,
        pairs: &[(&str, &str)],
        expected: (Option<&str>, Option<&str>, bool),
    ) {
        let environment = Environment {
            variables: pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            encoding: encoding.map(str::to_owned),
            utf8_locale: Some("C.UTF-8".to_owned()),
            ..Environment::default()
        };
        let found = plan(&environment, &mut Findings::default());
        let texts = (found.start.as_deref(), found.coerced.as_deref());
        assert_eq!((texts.0, texts.1, found.utf8_mode), expected, "{pairs:?}");
    }

    #[test]
    fn it_is_that_of_python3() {
        const UTF8: Option<&str> = Some("C.UTF-8");
        let coerced = (UTF8, UTF8, true);
        check(None, &[], coerced);
        check(None, &[("LANG", "C"), ("LC_ALL", "")], coerced);
        check(None, &[("LANG", "xx_XX.UTF-8")], coerced);
        check(None, &[("PYTHONCOERCECLOCALE", "warn")], coerced);
        check(None, &[("PYTHONUTF8", "")], coerced);
        check(None, &[("LC_ALL", "C")], (UTF8, None, true));
        check(None, &[("LC_ALL", "xx_XX.UTF-8")], (UTF8, None, true));
        check(None, &[("PYTHONCOERCECLOCALE", "0")], (UTF8, None, true));
        check(None, &[("PYTHONUTF8", "0")], (UTF8, UTF8, false));
        let ascii = (None, None, false);
        check(None, &[("PYTHONUTF8", "0"), ("LC_ALL", "C")], ascii);
        let off = [("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")];
        check(None, &off, ascii);
        check(Some("UTF-8"), &[("LANG", "C.UTF-8")], ascii);
        let forced = [("PYTHONUTF8", "1"), ("LANG", "C.UTF-8")];
        check(Some("UTF-8"), &forced, (None, None, true));
        check(Some("ISO-8859-1"), &[("LC_ALL", "de_DE")], ascii);
        let latin = [("PYTHONUTF8", "1"), ("LC_ALL", "de_DE")];
        check(Some("ISO-8859-1"), &latin, (UTF8, None, true));
    }

    #[test]
    fn other_encodings_are_warned_of() {
        let warnings = |environment: Environment| {
            let mut findings = Findings::default();
            plan(&environment, &mut findings);
            let list = findings.list.iter();
            list.map(|it| format!("{} {}", it.at, it.what))
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert_eq!(warnings(Environment::default()), "");
        let latin = Environment {
            encoding: Some("ISO-8859-1".to_owned()),
            ..Environment::default()
        };
        assert!(warnings(latin).contains("as ISO-8859-1"));
        let bare = Environment {
            encoding: None,
            utf8_locale: None,
            ..Environment::default()
        };
        assert!(warnings(bare).contains("no locale with UTF-8"));
        let mut invalid = Environment::default();
        invalid.variables.insert("PYTHONUTF8".into(), "yes".into());
        assert!(warnings(invalid).starts_with("$PYTHONUTF8 "));
    }
}
