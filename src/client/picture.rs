//! Where a picture goes to. Before the work for it is done, a file is known to be writable.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::Failure;
use crate::sys::files::WriteError;

/// Where the picture goes to.
#[derive(Debug)]
pub(super) enum Picture {
    /// None is wanted.
    None,
    Stdout,
    File(PictureFile),
}

/// A file for a picture.
#[derive(Debug)]
pub(super) struct PictureFile {
    path: PathBuf,
    new: NewFile,
}

#[derive(Debug)]
enum NewFile {
    /// Takes the place of the path when it is complete.
    Beside(NamedTempFile),
    /// A pipe or device, which is not replaced.
    Itself(File),
}

impl Picture {
    /// `-` is stdout.
    pub(super) fn prepare(out: Option<&Path>) -> Result<Self, Failure> {
        match out {
            None => Ok(Self::None),
            Some(path) if path == "-" => Ok(Self::Stdout),
            Some(path) => PictureFile::prepare(path).map(Self::File),
        }
    }
}

impl PictureFile {
    fn prepare(path: &Path) -> Result<Self, Failure> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let special = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
        let new = if special {
            let file = File::options().write(true).open(path);
            file.map(NewFile::Itself)
        } else {
            let mut builder = tempfile::Builder::new();
            // Before the umask.
            let file = builder
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(folder);
            file.map(NewFile::Beside)
        };
        Ok(Self {
            path: path.to_owned(),
            new: new.map_err(|source| cannot_write(path, source))?,
        })
    }

    /// Writes the picture, and gives its path.
    pub(super) fn write(self, svg: &str) -> Result<PathBuf, Failure> {
        let Self { path, new } = self;
        let written = match new {
            NewFile::Beside(mut file) => file
                .write_all(svg.as_bytes())
                .and_then(|()| file.persist(&path).map_err(|error| error.error))
                .map(drop),
            NewFile::Itself(mut file) => file.write_all(svg.as_bytes()),
        };
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(cannot_write(&path, source)),
        }
    }
}

fn cannot_write(path: &Path, source: std::io::Error) -> Failure {
    Failure::WriteOut(WriteError {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.svg");
        drop(PictureFile::prepare(&path).unwrap());
        assert!(!path.exists());
        let written = PictureFile::prepare(&path).unwrap().write("<svg/>");
        assert_eq!(written.unwrap(), path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "<svg/>");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("none/a.svg");
        let error = PictureFile::prepare(&missing).unwrap_err();
        assert_eq!(error.code(), 73);
        assert!(error.to_string().contains("none/a.svg"), "{error}");
        let device = PictureFile::prepare(Path::new("/dev/null")).unwrap();
        device.write("<svg/>").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
