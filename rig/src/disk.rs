//! A disk that can be filled up.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A file system of its own, in memory; gone when it is dropped.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// One of so many MiB. `None`: this process may not mount file systems.
    pub fn mount(megabytes: usize) -> Result<Option<Self>> {
        let folder = tempfile::Builder::new().prefix("mission-control-disk-").tempdir()?;
        let options = format!("size={megabytes}m,mode=0755");
        match mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())) {
            Ok(()) => Ok(Some(Self { folder })),
            Err(Errno::EPERM | Errno::EACCES) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all the room that is left. Gives how many bytes that was.
    pub fn fill(&self) -> Result<usize> {
        let mut file = File::options().create(true).append(true).open(self.filler())?;
        let (block, mut taken) = ([0; 4096], 0);
        loop {
            match file.write(&block) {
                Ok(0) => return Ok(taken),
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(taken),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives the room back.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever still has files open there keeps them until it ends.
        let _ = umount2(self.folder.path(), MntFlags::MNT_DETACH);
    }
}
