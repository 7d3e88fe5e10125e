//! Which folders may hold the configuration of an environment: the platform's rule, without looking at the disk.

/// The file that is looked for in each folder of `CONFIG_PATH`.
pub(super) const FILE_NAME: &str = "config.json";

/// Relative folders for an environment and an application id: their combinations and all parents, deepest first; the
/// empty path is last.
pub(super) fn combinations(env: &str, app_id: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for path in [
        join(env, app_id),
        join(app_id, env),
        env.to_owned(),
        app_id.to_owned(),
    ] {
        let parts: Vec<&str> = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != "..")
            .collect();
        for depth in (0..=parts.len()).rev() {
            let folder = parts[..depth].join("/");
            if !all.contains(&folder) {
                all.push(folder);
            }
        }
    }
    all.sort_by_key(|folder| {
        std::cmp::Reverse(if folder.is_empty() {
            0
        } else {
            1 + folder.matches('/').count()
        })
    });
    all
}

fn join(a: &str, b: &str) -> String {
    match (a.is_empty(), b.is_empty()) {
        (_, true) => a.to_owned(),
        (true, false) => b.to_owned(),
        (false, false) => format!("{a}/{b}"),
    }
}

/// The first folder of an environment such as production/eu.
pub(super) fn first_part(env: &str) -> Option<&str> {
    env.split('/')
        .find(|part| !matches!(*part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(env: &str, app_id: &str, expected: &[&str]) {
        assert_eq!(combinations(env, app_id), expected);
    }

    #[test]
    fn folders_are_tried_deepest_first() {
        check("dev", "", &["dev", ""]);
        check("", "", &[""]);
        check("dev", "x", &["dev/x", "x/dev", "dev", "x", ""]);
        check(
            "production/eu",
            "x",
            &[
                "production/eu/x",
                "x/production/eu",
                "production/eu",
                "x/production",
                "production",
                "x",
                "",
            ],
        );
        check("../../etc", "", &["etc", ""]);
    }
}
