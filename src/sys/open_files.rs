//! The size of files that a process has open and that have no name any more: no look into folders shows them (proc(5),
//! `/proc/PID/fd`).
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::MetadataExt as _;

use nix::unistd::Pid;

use super::file_user::FileUser;
use super::files::Owner;
use super::procfs;

/// Bytes on disk of unnamed regular files that these processes have open, and whose path contained `place`. Only processes
/// that run as `owner` are looked at; without an owner, all of them. Processes that have ended meanwhile have no files.
pub(crate) fn unnamed_bytes(pids: &[Pid], place: &str, owner: Option<Owner>) -> io::Result<u64> {
    let _as_owner = owner.map(FileUser::become_owner).transpose()?;
    let is_theirs = |pid: &&Pid| {
        let of = std::fs::metadata(format!("/proc/{pid}"));
        // One that has ended meanwhile is no error below.
        owner.is_none_or(|(uid, _)| of.is_ok_and(|process| process.uid() == uid))
    };
    let mut sum = 0;
    for pid in pids.iter().filter(is_theirs) {
        for link in procfs::descriptors(pid)? {
            let unnamed = std::fs::metadata(&link)
                .ok()
                .filter(|file| file.is_file() && file.nlink() == 0);
            if let Some(file) = unnamed
                && std::fs::read_link(&link)
                    .is_ok_and(|path| path.to_string_lossy().contains(place))
            {
                // As stat(2) counts them: units of 512 bytes.
                sum += file.blocks() * 512;
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_unnamed_files_in_their_place_count() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("temp/proxy");
        std::fs::create_dir_all(&place).unwrap();
        let open = |path: std::path::PathBuf| {
            let mut file = std::fs::File::create(&path).unwrap();
            file.write_all(&vec![1; 40_960]).unwrap();
            file.sync_all().unwrap();
            (file, path)
        };
        let (_named, _) = open(place.join("named"));
        let (_unnamed, path) = open(place.join("unnamed"));
        std::fs::remove_file(path).unwrap();
        let (_elsewhere, path) = open(folder.path().join("elsewhere"));
        std::fs::remove_file(path).unwrap();
        let place = format!("{}/", place.display());
        let own = [nix::unistd::getpid()];
        assert_eq!(unnamed_bytes(&own, &place, None).unwrap(), 40_960);
        let gone = [Pid::from_raw(i32::MAX)];
        assert_eq!(unnamed_bytes(&gone, &place, None).unwrap(), 0);
    }
}
