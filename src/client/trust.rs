//! Whether the process behind a control socket can be the launcher that is asked for, or only pretends to be. Pure.
//!
//! | the server's user | trusted by | why |
//! | --- | --- | --- |
//! | root | everybody | who is root needs no pretence |
//! | the client's own | everybody | it could change the client itself |
//! | that of process 1 | root | in a container it is the launcher's: `docker exec` as root |
//! | the owner of the runtime folder | root | where root has named the folder, or alone decides who owns it |
//!
//! Anybody can make a folder in /tmp and listen there. Root does not take such a server for the service unless it is named.

use std::path::PathBuf;

/// How the client came to look into a runtime folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was given with `--runtime-dir`.
    Asked,
    /// By a default, in a place where only root can make folders.
    InRootsHands,
    /// By a default, in a place where others can make folders too.
    Anywhere,
}

/// Who takes part, as user numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Users {
    pub(super) client: u32,
    /// As SO_PEERCRED tells it: the process that has called listen(2).
    pub(super) server: u32,
    pub(super) folder_owner: u32,
    /// None where the system does not tell.
    pub(super) init: Option<u32>,
}

/// Whether the server's answers are the service's.
pub(super) fn is_trusted(users: Users, found: Found) -> bool {
    let Users {
        client,
        server,
        folder_owner,
        init,
    } = users;
    let by_folder = server == folder_owner && found != Found::Anywhere;
    server == 0 || server == client || client == 0 && (init == Some(server) || by_folder)
}

/// A server that is not trusted.
#[derive(Debug)]
pub(super) struct Stranger {
    /// The runtime folder.
    pub(super) folder: PathBuf,
    /// Name and number of its user.
    pub(super) user: String,
    /// Whether the client may ask it all the same, by naming the folder.
    pub(super) may_be_asked: bool,
}

/// Who listens where, and what to do about each.
pub(super) fn strangers(list: &[Stranger]) -> String {
    let who: Vec<String> = list
        .iter()
        .map(|Stranger { folder, user, .. }| {
            format!("in {} a process of user {user} listens", folder.display())
        })
        .collect();
    who.join(", ") + &list.iter().map(hint).collect::<String>()
}

fn hint(stranger: &Stranger) -> String {
    let Stranger {
        folder,
        user,
        may_be_asked,
    } = stranger;
    let folder = folder.display();
    if *may_be_asked {
        return format!(
            "\n  hint: if the service runs as user {user}, ask it with --runtime-dir {folder}"
        );
    }
    format!(
        "\n  hint: run the command as the user of the service; if that is not {user}, control.sock in {folder} has been \
         replaced: restart the service"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(client: u32, server: u32, folder_owner: u32, init: u32, trusted: [bool; 3]) {
        let users = Users {
            client,
            server,
            folder_owner,
            init: Some(init),
        };
        let places = [Found::Asked, Found::InRootsHands, Found::Anywhere];
        assert_eq!(places.map(|place| is_trusted(users, place)), trusted);
    }

    #[test]
    fn root_trusts_the_owner_of_a_folder_that_it_knows() {
        check(0, 33, 33, 0, [true, true, false]);
        // The workers' user in the folder of root's launcher.
        check(0, 33, 0, 0, [false; 3]);
        check(0, 0, 33, 0, [true; 3]);
    }

    #[test]
    fn in_a_container_process_1_is_the_service() {
        check(0, 65534, 65534, 65534, [true; 3]);
        check(0, 65534, 0, 65534, [true; 3]);
        check(0, 33, 0, 65534, [false; 3]);
    }

    #[test]
    fn other_users_trust_themselves_and_root() {
        check(1000, 1000, 1000, 0, [true; 3]);
        check(1000, 0, 0, 0, [true; 3]);
        check(1000, 33, 33, 0, [false; 3]);
        check(1000, 33, 33, 33, [false; 3]);
    }
}
