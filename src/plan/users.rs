//! As whom nginx and the application run.

use crate::config::problem::Findings;
use crate::config::{Config, Setting};
use crate::host::Host;
use crate::host::user::User;

/// User of the application when the launcher is root and the configuration sets none.
pub(crate) const DEFAULT_USER: &str = "www-data";

/// The users of a plan; none of them when the launcher is not root, and everything runs as its user.
#[derive(Debug, Default)]
pub(super) struct ProgramUsers {
    pub(super) application: Option<User>,
    pub(super) nginx: Option<User>,
}

/// Decides the users, and says what is wrong with those that are configured. `allow_root`: `--allow-root` was given.
pub(super) fn plan(
    allow_root: bool,
    config: &Config,
    host: &Host,
    findings: &mut Findings,
) -> ProgramUsers {
    if !host.root {
        for wanted in [&config.user, &config.nginx_user].into_iter().flatten() {
            warn_of_no_effect(wanted, host, findings);
        }
        return ProgramUsers::default();
    }
    let application = application(host.worker_user.as_ref(), config, allow_root, findings);
    let nginx = match (&host.nginx_user, &config.nginx_user) {
        (None, None) => application.clone(),
        (found, wanted) => existing(
            found.as_ref(),
            wanted.as_ref(),
            ("/nginx_config/nginx_user", ""),
            findings,
        ),
    };
    refuse_root(
        nginx.as_ref(),
        config.nginx_user.as_ref(),
        "nginx",
        allow_root,
        findings,
    );
    if let (Some(ours), Some(theirs)) = (&nginx, &application)
        && ours.uid == theirs.uid
        && ours.uid != 0
    {
        let at = config.nginx_user.as_ref().or(config.user.as_ref());
        findings.warning(
            at.map_or("", |wanted| &wanted.at),
            format!(
                "nginx and the application both run as {}: code of the application can read the requests of all clients in nginx's memory",
                ours.name
            ),
            "create a user for nginx (useradd --system nginx), or name another one as nginx_user",
        );
    }
    if let (Some(left_out), Some(user)) = (&host.nginx_left_out, &application) {
        let add = if host.nginx.is_some() {
            Findings::warning
        } else {
            Findings::problem
        };
        add(
            findings,
            "$PATH",
            format!(
                "{} is not run as nginx: {} may change {}, and would get the rights of nginx",
                left_out.path.display(),
                user.name,
                left_out.changeable.display()
            ),
            format!(
                "chown root {0} && chmod go-w {0}",
                left_out.changeable.display()
            ),
        );
    }
    if let (Some(place), Some(user)) = (&host.folder.changeable_config, &application) {
        findings.warning(
            "",
            format!(
                "code of the application can change its own configuration, from the next start on also its user and its sandbox: {} may change {}",
                user.name,
                place.display()
            ),
            format!("chown root {0} && chmod go-w {0}", place.display()),
        );
    }
    if let (Some(place), Some(user)) = (&host.folder.changeable_snippet, &application) {
        findings.warning(
            "",
            format!(
                "code of the application can change what nginx does: {} may change {}, and nginx includes snippets there",
                user.name,
                place.display()
            ),
            format!("chown root {0} && chmod go-w {0}", place.display()),
        );
    }
    ProgramUsers { application, nginx }
}

/// The user of the application, in production and in development: the one that was `found` under the configured name, or
/// the default one. Adds what is wrong with it.
pub(crate) fn application(
    found: Option<&User>,
    config: &Config,
    allow_root: bool,
    findings: &mut Findings,
) -> Option<User> {
    let wanted = config.user.as_ref();
    let user = existing(
        found,
        wanted,
        ("/nginx_config/user", DEFAULT_USER),
        findings,
    );
    refuse_root(
        user.as_ref(),
        wanted,
        "the application",
        allow_root,
        findings,
    );
    user
}

fn refuse_root(
    user: Option<&User>,
    wanted: Option<&Setting<String>>,
    whose: &str,
    allow_root: bool,
    findings: &mut Findings,
) {
    if let (Some(user), Some(wanted)) = (user, wanted)
        && user.uid == 0
        && !allow_root
    {
        findings.problem(
            &wanted.at,
            format!(
                "{whose} would run as root ({:?}): who finds a fault in it gets everything that root may do",
                user.name
            ),
            "name a user without privileges; if it has to be root, start with --allow-root",
        );
    }
}

/// The user that was found; a problem when it does not exist.
fn existing(
    found: Option<&User>,
    wanted: Option<&Setting<String>>,
    (at, default): (&str, &str),
    findings: &mut Findings,
) -> Option<User> {
    if found.is_none() {
        let at = wanted.map_or(at, |user| &user.at);
        let name = wanted.map_or(default, |user| &user.value);
        findings.problem(
            at,
            format!("the user {name:?} does not exist on this system"),
            "name a user of /etc/passwd, or create it with useradd",
        );
    }
    found.cloned()
}

fn warn_of_no_effect(wanted: &Setting<String>, host: &Host, findings: &mut Findings) {
    if let Some(own) = &host.worker_user
        && wanted.value != own.name
    {
        findings.warning(
            &wanted.at,
            format!(
                "the launcher runs as {}, not as root, and cannot change to {:?}",
                own.name, wanted.value
            ),
            "start it as root, or leave the key out",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn user(name: &str, uid: u32) -> User {
        User {
            name: name.to_owned(),
            uid,
            gid: uid,
            group: None,
            home: PathBuf::from("/"),
        }
    }

    /// The findings for this section of config.json, with these users on the host.
    fn findings(section: &str, users: [Option<User>; 2], allow_root: bool) -> Vec<String> {
        let text = format!("{{\"nginx_config\": {{{section}}}}}");
        let (config, mut findings) = crate::config::load(None, Some(&text));
        let [worker_user, nginx_user] = users;
        let host = Host {
            worker_user,
            nginx_user,
            ..Host::bare()
        };
        plan(allow_root, &config, &host, &mut findings);
        let list = findings.list.iter();
        list.map(|one| format!("{}: {}", one.at, one.what))
            .collect()
    }

    #[test]
    fn nobody_becomes_root_without_the_flag() {
        let root = || Some(user("toor", 0));
        let other = || Some(user("nginx", 101));
        let found = findings(r#""user": "toor""#, [root(), other()], false);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("/nginx_config/user: the application would run as root"));
        let found = findings(r#""nginx_user": "toor""#, [other(), root()], false);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("/nginx_config/nginx_user: nginx would run as root"));
        let both = r#""user": "toor", "nginx_user": "toor""#;
        assert_eq!(findings(both, [root(), root()], false).len(), 2);
        assert_eq!(findings(both, [root(), root()], true), [""; 0]);
    }

    #[test]
    fn users_are_there_and_apart_from_each_other() {
        let (a, b) = (|| Some(user("www-data", 33)), || Some(user("nginx", 101)));
        assert_eq!(findings("", [a(), b()], false), [""; 0]);
        let found = findings("", [a(), None], false);
        assert!(found[0].contains("both run as www-data"), "{found:?}");
        let found = findings(r#""user": "x", "nginx_user": "y""#, [None, None], false);
        assert!(found[0].contains(r#"user "x" does not exist"#), "{found:?}");
        assert!(found[1].contains(r#"user "y" does not exist"#), "{found:?}");
    }
}
