//! What is mounted for the service: volumes stay writable without a key.
//!
//! The kernel does not tell a volume of an operator from a file system of the machine. So what is mounted for reading and
//! writing counts, unless its type is one of the kernel's own, or its place is one that belongs to the system. Users and
//! modes are asked as ever: this only decides what the sandbox leaves open.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::sys::files;

/// File systems that hold no files of anybody.
const KERNEL: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// Places of the system. On a machine, they are partitions; in a container, nobody mounts a volume over them.
const SYSTEM: &[&str] = &[
    "/",
    "/bin",
    "/etc",
    "/lib",
    "/lib64",
    "/opt",
    "/run",
    "/sbin",
    "/usr",
    "/usr/local",
    "/var",
    // Files that container runtimes mount.
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/etc/timezone",
    "/run/.containerenv",
];

/// The same with all that is below them. Temporary files in /dev/shm are allowed on their own.
const SYSTEM_BELOW: &[&str] = &[
    "/boot",
    "/dev",
    "/proc",
    "/run/containerd",
    "/run/credentials",
    "/run/docker",
    "/run/lock",
    "/run/netns",
    "/run/secrets",
    "/run/user",
    "/sys",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
];

/// The places where something is mounted for the service. `runtime` is the launcher's own folder.
pub(super) fn of_services(runtime: &Path) -> Vec<PathBuf> {
    // Without /proc, no volume is known: the key `writable` names them.
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    volumes(&table, &files::without_links(runtime))
}

/// From the text of /proc/self/mountinfo (proc(5)).
fn volumes(table: &[u8], runtime: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| volume(line, runtime))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn volume(line: &[u8], runtime: &Path) -> Option<PathBuf> {
    let mut fields = line.split(|byte| *byte == b' ');
    let place = decoded(fields.nth(4)?);
    let options = fields.next()?;
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = fields.next()?;
    let of_the_device = fields.nth(1)?;
    let is_writable = [options, of_the_device].iter().all(|list| {
        !list
            .split(|byte| *byte == b',')
            .any(|option| option == b"ro")
    });
    let is_system = KERNEL.iter().any(|name| name.as_bytes() == kind)
        || SYSTEM.iter().any(|path| place == Path::new(path))
        || SYSTEM_BELOW.iter().any(|path| place.starts_with(path))
        // The control socket and the files of nginx belong to the launcher.
        || runtime.starts_with(&place)
        || place.starts_with(runtime);
    (is_writable && !is_system).then_some(place)
}

/// A path in which blanks and backslashes are three octal digits.
fn decoded(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &behind[3..] } else { behind };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(table: &str, runtime: &str, expected: &[&str]) {
        let found = volumes(table.as_bytes(), Path::new(runtime));
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(found, expected);
    }

    /// A container of Docker with a volume, two bind mounts and a tmpfs.
    const DOCKER: &str = "\
1 0 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c
2 1 0:51 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
3 1 0:52 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
4 3 0:53 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620
5 1 0:54 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
6 5 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
7 3 0:49 / /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw
8 3 0:55 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
9 1 254:1 /c/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
10 1 254:1 /c/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw
11 1 254:1 /c/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw
12 1 254:1 /v/_data /data rw,relatime master:1 - ext4 /dev/vda1 rw
13 1 254:1 /home/me /var/lib/my\\040files rw,relatime - ext4 /dev/vda1 rw
14 1 254:1 /conf /conf ro,relatime - ext4 /dev/vda1 rw
15 1 0:60 / /scratch rw,relatime - tmpfs tmpfs rw
16 1 0:61 / /frozen rw,relatime - nfs4 server:/x ro,vers=4.2
17 2 0:51 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
18 1 0:62 / /run/secrets rw,relatime - tmpfs tmpfs rw
19 1 254:1 /x /etc/my-service rw,relatime - ext4 /dev/vda1 rw
20 1 254:1 /x /usr/src/app/data rw,relatime - ext4 /dev/vda1 rw
";

    #[test]
    fn volumes_of_a_container_are_the_services() {
        let expected = [
            "/data",
            "/etc/my-service",
            "/scratch",
            "/usr/src/app/data",
            "/var/lib/my files",
        ];
        check(DOCKER, "/run/microservice-flask", &expected);
    }

    #[test]
    fn the_launchers_own_folder_is_no_volume() {
        let table = "\
1 0 0:50 / / rw - overlay overlay rw
2 1 0:51 / /run rw - tmpfs tmpfs rw
3 2 0:52 / /run/microservice-flask rw - tmpfs tmpfs rw
4 1 0:53 / /srv rw - tmpfs tmpfs rw
5 4 0:54 / /srv/run rw - tmpfs tmpfs rw
6 5 0:55 / /srv/run/1 rw - tmpfs tmpfs rw
7 5 0:55 / /srv/running rw - tmpfs tmpfs rw
";
        check(
            table,
            "/run/microservice-flask",
            &["/srv", "/srv/run", "/srv/run/1", "/srv/running"],
        );
        check(
            table,
            "/srv/run",
            &["/run/microservice-flask", "/srv/running"],
        );
    }

    #[test]
    fn partitions_of_a_machine_are_the_systems() {
        let table = "\
1 0 254:1 / / rw - ext4 /dev/vda1 rw
2 1 254:2 / /boot rw - ext4 /dev/vda2 rw
3 2 254:3 / /boot/efi rw - vfat /dev/vda3 rw
4 1 254:4 / /var rw - ext4 /dev/vda4 rw
5 1 0:21 / /run rw - tmpfs tmpfs rw
6 5 0:22 / /run/user/1000 rw - tmpfs tmpfs rw
7 4 0:23 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
8 1 0:24 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
nonsense
9 1 0:25 / /half
";
        check(table, "/run/microservice-flask", &[]);
    }
}
