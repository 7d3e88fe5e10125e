//! "Did you mean": the known name that a misspelled one is close to. Pure.

/// `did you mean "x"?` for the name in `known` with the smallest edit distance, if that is small enough, else for the
/// first one that starts with the key.
pub(crate) fn did_you_mean(key: &str, known: &[&str]) -> Option<String> {
    let key = key.to_ascii_lowercase();
    let near = known
        .iter()
        .map(|name| plain(name))
        .map(|name| (strsim::damerau_levenshtein(&key, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 4).clamp(1, 3))
        .min()
        .map(|(_, name)| name);
    let begins = |name: &&str| key.len() >= MIN_PREFIX_LENGTH && plain(name).starts_with(&key);
    near.or_else(|| {
        known
            .iter()
            .find(|name| begins(name))
            .map(|name| plain(name))
    })
    .map(|name| format!("did you mean {name:?}?"))
}

/// A shorter key is not taken for the prefix of a known name.
const MIN_PREFIX_LENGTH: usize = 8;

pub(super) fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
}
