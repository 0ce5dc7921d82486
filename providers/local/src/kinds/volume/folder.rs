//! `local.volume` and `local.share`: a folder below the environment's own, named after its object.

use super::super::Object;
use crate::environment::{Environment, Record, create_private, disk_error};
use async_trait::async_trait;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{DataFate, Watch};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};

/// Where folders stand in an environment.
const FOLDERS: &str = "volumes";
/// Where last copies are kept.
const SNAPSHOTS: &str = "snapshots";

pub(crate) struct Folder(pub(crate) &'static NativeType);

fn folder(env: &Environment, record: &Record) -> PathBuf {
    env.dir.join(FOLDERS).join(&record.remote_id)
}

/// Moves a folder to the last copies, which nobody deletes. Both stand on one disk, so it is all there
/// or not moved at all; done before, it is done.
fn keep(folder: &Path, place: &Path) -> io::Result<()> {
    create_private(place.parent().expect("a last copy stands in a folder"))?;
    match std::fs::rename(folder, place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

#[async_trait]
impl Object for Folder {
    fn ty(&self) -> &'static NativeType {
        self.0
    }

    async fn make(
        &self,
        env: &Environment,
        record: &mut Record,
        _watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let folder = folder(env, record);
        create_private(&folder).map_err(disk_error)?;
        record.values = Map::from([
            ("id".to_owned(), Value::text(&*record.remote_id)),
            ("path".to_owned(), Value::text(folder.to_string_lossy())),
        ]);
        Ok(())
    }

    async fn look(
        &self,
        env: &Environment,
        records: &[Record],
    ) -> Result<Vec<Option<Map>>, OpError> {
        let look = |record: &Record| folder(env, record).is_dir().then(|| record.values.clone());
        Ok(records.iter().map(look).collect())
    }

    async fn remove(
        &self,
        env: &Environment,
        record: &Record,
        data: DataFate,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let folder = folder(env, record);
        if data == DataFate::Snapshot {
            let place = env.dir.join(SNAPSHOTS).join(&record.remote_id);
            watch(&format!("its last copy is the folder {}", place.display()));
            return keep(&folder, &place).map_err(disk_error);
        }
        env.remove_folder(&folder).await.map_err(disk_error)
    }
}
