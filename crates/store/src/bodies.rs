//! Bodies of held messages: one file each, synced before anybody is told that it is kept.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mail::RecordId;

use crate::StoreError;

/// A body without a row is left alone for so long: its row may be on its way.
const ORPHAN_AGE: Duration = Duration::from_hours(1);

/// The folder.
#[derive(Clone)]
pub(crate) struct Bodies {
    folder: Arc<PathBuf>,
}

impl Bodies {
    /// Opens the folder; what was being written when the service died is removed.
    pub(crate) async fn open(folder: &Path) -> Result<Self, StoreError> {
        let folder = Arc::new(folder.to_path_buf());
        let bodies = Self { folder };
        bodies
            .blocking(|bodies| {
                make_folder(&bodies.folder)?;
                let new = bodies.folder.join("new");
                make_folder(&new)?;
                for entry in fs::read_dir(&new)? {
                    let entry = entry?;
                    let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
                    if age > ORPHAN_AGE {
                        fs::remove_file(entry.path())?;
                    }
                }
                Ok(())
            })
            .await?;
        Ok(bodies)
    }

    /// Writes a body; it is on disk, under its name, when this returns.
    pub(crate) async fn write(&self, id: RecordId, body: Arc<[u8]>) -> Result<(), StoreError> {
        self.blocking(move |bodies| {
            let new = bodies.folder.join("new").join(id.to_string());
            let path = bodies.path(id);
            let parent = path.parent().unwrap_or(&bodies.folder);
            let written = (|| {
                let mut file = File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&new)?;
                file.write_all(&body)?;
                file.sync_all()?;
                match fs::rename(&new, &path) {
                    // The first in its folder.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        make_folder(parent)?;
                        File::open(&*bodies.folder)?.sync_all()?;
                        fs::rename(&new, &path)
                    }
                    done => done,
                }
            })();
            if let Err(error) = written {
                // Half a body on a full disk takes room that the next one needs.
                let _ = fs::remove_file(&new);
                return Err(error);
            }
            File::open(parent)?.sync_all()
        })
        .await
    }

    /// Reads a body.
    pub(crate) async fn read(&self, id: RecordId) -> Result<Vec<u8>, StoreError> {
        self.blocking(move |bodies| fs::read(bodies.path(id))).await
    }

    /// Removes a body; one that is gone already is fine.
    pub(crate) async fn remove(&self, id: RecordId) -> Result<(), StoreError> {
        self.blocking(move |bodies| match fs::remove_file(bodies.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// Ids of all bodies old enough to have a row.
    pub(crate) async fn settled(&self) -> Result<Vec<RecordId>, StoreError> {
        self.blocking(|bodies| {
            let mut ids = Vec::new();
            for folder in fs::read_dir(&*bodies.folder)? {
                let folder = folder?;
                if !folder.file_type()?.is_dir() || folder.file_name() == "new" {
                    continue;
                }
                for file in fs::read_dir(folder.path())? {
                    let file = file?;
                    let modified = file.metadata()?.modified()?;
                    let old = SystemTime::now()
                        .duration_since(modified)
                        .is_ok_and(|age| age > ORPHAN_AGE);
                    ids.extend(
                        RecordId::parse(&file.file_name().to_string_lossy()).filter(|_| old),
                    );
                }
            }
            Ok(ids)
        })
        .await
    }

    /// Two characters of the random part spread the files; an id holds nothing that could leave the folder.
    fn path(&self, id: RecordId) -> PathBuf {
        let name = id.to_string();
        self.folder.join(&name[name.len() - 2..]).join(name)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let bodies = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&bodies)).await;
        match done {
            Ok(result) => result.map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    StoreError::Full(error.to_string())
                }
                io::ErrorKind::NotFound => {
                    StoreError::Corrupt(format!("a body is missing: {error}"))
                }
                _ => StoreError::Unavailable(error.to_string()),
            }),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}
