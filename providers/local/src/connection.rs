//! The live half: finds, makes, reads and removes what the records say.
//!
//! Every call goes the same way: the record is durable before the work begins, the work is the
//! object's own and can be repeated, and the record says when it is done. So a call that is cut off at
//! any point is finished by sending it again.

use crate::account::accounts;
use crate::environment::{
    Environment, Record, Stage, disk_error, listeners, remove_tree, supervisor_error,
};
use crate::kinds::{self, Object};
use async_trait::async_trait;
use dsenv_sdk::builtin;
use dsenv_sdk::provider::{
    Accepted, Create, DataFate, Delete, Found, Identity, Observed, OpErrorClass, Operate, Owned,
    Prior, Progress, Setup, Token, Update, Want, Watch,
};
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::software;
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, Connection, OpError};

/// One environment, opened.
pub(crate) struct LocalConnection {
    pub(crate) env: Environment,
}

impl LocalConnection {
    /// Opens an environment; makes nothing.
    pub(crate) fn open(setup: Setup) -> Result<LocalConnection, OpError> {
        Ok(LocalConnection { env: Environment::new(setup).map_err(disk_error)? })
    }

    fn record(&self, token: &Token) -> Result<Option<Record>, OpError> {
        self.env.records.get(token).map_err(disk_error)
    }

    fn save(&self, record: &Record) -> Result<(), OpError> {
        self.env.records.save(record).map_err(disk_error)
    }

    /// Takes back a creation that failed, so that nothing is left that nobody knows of.
    async fn abandon(&self, object: &dyn Object, mut record: Record, error: OpError) -> OpError {
        if matches!(error.class, OpErrorClass::Partial(_)) {
            return error;
        }
        let removed = self.take_away(object, &mut record, DataFate::Delete, &|_| {}).await;
        match removed.and_then(|()| self.env.records.remove(&record.token).map_err(disk_error)) {
            Ok(()) => error,
            Err(left) => {
                let mut error = error;
                error.causes.push(format!("and it could not be taken back: {left}"));
                error.class = OpErrorClass::Partial(Box::new(record.observed()));
                error
            }
        }
    }

    /// Removes an object; its record stays, and says as before how far it is when that fails: what was
    /// not deleted goes on to be used.
    async fn take_away(
        &self,
        object: &dyn Object,
        record: &mut Record,
        data: DataFate,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let before = std::mem::replace(&mut record.stage, Stage::Deleting);
        self.save(record)?;
        let Err(mut error) = object.remove(&self.env, record, data, watch).await else {
            return Ok(());
        };
        record.stage = before;
        let kept = self.env.records.change(&record.token, |record| record.stage = before);
        if let Err(lost) = kept {
            error.causes.push(format!("and its record could not be written: {lost}"));
        }
        Err(error)
    }

    /// Takes away what is left of objects of this address whose main part was removed by hand: a
    /// process that runs without its folder still has its port, and its record its address.
    async fn bury(
        &self,
        addr: &Addr,
        ty: &'static NativeType,
        token: &Token,
        watch: Watch<'_>,
    ) -> Result<(), OpError> {
        let records = self.env.records.of_type(ty.name).map_err(disk_error)?;
        let others = |record: &Record| {
            record.addr == *addr && record.token != *token && record.stage == Stage::Complete
        };
        for mut record in records.into_iter().filter(others) {
            if self.look(&record).await?.is_none() {
                let object = object(ty.name)?;
                self.take_away(object, &mut record, DataFate::Delete, watch).await?;
                self.env.records.remove(&record.token).map_err(disk_error)?;
            }
        }
        Ok(())
    }

    /// What there is without a state: nothing, or what cannot be opened any more.
    fn sealed_by_nobody(&self) -> Result<Vec<Owned>, OpError> {
        if !self.env.records.exist().map_err(disk_error)? {
            return Ok(Vec::new());
        }
        let dir = self.env.dir.display();
        let message =
            format!("what is in `{dir}` is sealed with the key of its state, which is lost");
        let help = "bring `.dsenv` back from a copy; without one, end what runs from that folder and \
                    remove it";
        Err(OpError::new(OpErrorClass::Denied { permission: None }, message).help(help))
    }

    /// Reads one record's object again.
    async fn look(&self, record: &Record) -> Result<Option<Observed>, OpError> {
        let mut seen = object(&record.ty)?.look(&self.env, std::slice::from_ref(record)).await?;
        let values = seen.pop().expect("an object answers as often as it was asked");
        Ok(values.map(|values| Observed { remote_id: record.remote_id.clone(), values }))
    }
}

fn object(ty: &str) -> Result<&'static dyn Object, OpError> {
    kinds::object(ty).ok_or_else(|| {
        OpError::new(OpErrorClass::Invalid, format!("local has no native type `{ty}`"))
    })
}

#[async_trait]
impl Connection for LocalConnection {
    async fn identity(&self) -> Result<Identity, OpError> {
        let uid = rustix::process::geteuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let named = accounts(&passwd).into_iter().find(|account| account.uid == uid);
        let account = named.map_or_else(|| format!("uid {uid}"), |account| account.name);
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Identity { account, region: host })
    }

    async fn find(&self, ty: &'static NativeType, token: &Token) -> Result<Option<Found>, OpError> {
        let Some(record) = self.record(token)?.filter(|record| record.ty == ty.name) else {
            return Ok(None);
        };
        if record.stage != Stage::Complete {
            return Ok(Some(Found { observed: record.observed(), complete: false }));
        }
        // The record is not the object: its folder or data may have been removed by hand.
        let observed = self.look(&record).await?;
        Ok(observed.map(|observed| Found { observed, complete: true }))
    }

    async fn read_many(
        &self,
        ty: &'static NativeType,
        wanted: &[Prior],
    ) -> Result<Vec<Option<Observed>>, OpError> {
        if builtin::owns(ty) {
            return Ok(builtin::read_many(wanted));
        }
        let mut records = Vec::new();
        for prior in wanted {
            records.push(self.record(&prior.token)?);
        }
        let there: Vec<Record> = records.iter().flatten().cloned().collect();
        let seen = object(ty.name)?.look(&self.env, &there).await?;
        assert_eq!(seen.len(), there.len(), "an object answers as often as it was asked");
        let mut seen = seen.into_iter();
        let answer = |record: Option<Record>| {
            let record = record?;
            let values = seen.next().expect("one answer a record")?;
            Some(Observed { remote_id: record.remote_id, values })
        };
        Ok(records.into_iter().map(answer).collect())
    }

    async fn create(&self, request: Create<'_>) -> Result<Progress<Observed>, OpError> {
        if builtin::owns(request.ty) {
            return builtin::create(request).map(Progress::Done);
        }
        let object = object(request.ty.name)?;
        let before = self.record(request.token)?;
        let was_complete = before.as_ref().is_some_and(|it| it.stage == Stage::Complete);
        let mut record = before.unwrap_or_else(|| {
            Record::new(request.addr, request.ty.name, request.token, request.args)
        });
        if !was_complete {
            self.bury(request.addr, request.ty, request.token, request.watch).await?;
            record.stage = Stage::Creating;
            record.args = request.args.clone();
            self.env.create().map_err(disk_error)?;
            self.save(&record)?;
        }
        if let Err(error) = object.make(&self.env, &mut record, request.watch).await {
            if was_complete {
                return Err(error);
            }
            // What was learnt of it is worth keeping for whoever looks at a part of it.
            self.save(&record)?;
            return Err(self.abandon(object, record, error).await);
        }
        record.stage = Stage::Complete;
        self.save(&record)?;
        Ok(Progress::Done(record.observed()))
    }

    async fn update(&self, request: Update<'_>) -> Result<Progress<Observed>, OpError> {
        if builtin::owns(request.ty) {
            let create = Create {
                addr: request.addr,
                ty: request.ty,
                token: &request.prior.token,
                args: request.args,
                begun_before_ms: None,
                watch: request.watch,
            };
            return builtin::update(request.prior, create).map(Progress::Done);
        }
        let object = object(request.ty.name)?;
        let mut record = self.record(&request.prior.token)?.ok_or_else(|| {
            let message = format!("`{}` is not there any more", request.addr);
            OpError::new(OpErrorClass::NotFound, message).help("plan again: it is created anew")
        })?;
        // The intent first: what `status` brings back is what was asked for last.
        record.args = request.args.clone();
        self.save(&record)?;
        object.make(&self.env, &mut record, request.watch).await?;
        record.stage = Stage::Complete;
        self.save(&record)?;
        Ok(Progress::Done(record.observed()))
    }

    async fn delete(&self, request: Delete<'_>) -> Result<Progress<()>, OpError> {
        if builtin::owns(request.ty) {
            return Ok(Progress::Done(()));
        }
        let object = object(request.ty.name)?;
        let Some(mut record) = self.record(&request.prior.token)? else {
            return Ok(Progress::Done(()));
        };
        self.take_away(object, &mut record, request.data, request.watch).await?;
        self.env.records.remove(&record.token).map_err(disk_error)?;
        Ok(Progress::Done(()))
    }

    async fn poll(
        &self,
        _ty: &'static NativeType,
        accepted: &Accepted,
    ) -> Result<Progress<Option<Observed>>, OpError> {
        let message =
            format!("local never accepts an operation, and `{}` is one", accepted.operation);
        Err(OpError::new(OpErrorClass::Invalid, message))
    }

    async fn read_foreign(
        &self,
        ty: &'static NativeType,
        remote_id: &str,
    ) -> Result<Option<Observed>, OpError> {
        let records = self.env.records.of_type(ty.name).map_err(disk_error)?;
        match records.iter().find(|record| record.remote_id == remote_id) {
            // What it was made with is known here, and the importer knows nothing else of it.
            Some(record) => Ok(self.look(record).await?.map(|mut observed| {
                let args = record.args.iter().map(|(name, value)| (name.clone(), value.clone()));
                observed.values.extend(args);
                observed
            })),
            None => Ok(None),
        }
    }

    async fn claim(
        &self,
        ty: &'static NativeType,
        addr: &Addr,
        token: &Token,
        remote_id: &str,
    ) -> Result<(), OpError> {
        let records = self.env.records.of_type(ty.name).map_err(disk_error)?;
        let found = records.into_iter().find(|record| record.remote_id == remote_id);
        let Some(record) = found else {
            let message = format!("there is no {} `{remote_id}` in this environment", ty.name);
            return Err(OpError::new(OpErrorClass::NotFound, message));
        };
        if record.token == *token && record.addr == *addr {
            return Ok(());
        }
        let old = record.token.clone();
        self.env.addresses.rename(old.as_str(), token.as_str()).await.map_err(disk_error)?;
        self.save(&Record { addr: addr.clone(), token: token.clone(), ..record })?;
        match old == *token {
            true => Ok(()),
            false => self.env.records.remove(&old).map_err(disk_error),
        }
    }

    async fn inventory(&self, lineage: Option<&str>) -> Result<Vec<Owned>, OpError> {
        let mut owned = Vec::new();
        let own = &self.env.owner.lineage;
        // The folder is of one environment and one state; what is in it is sealed with its key.
        if lineage.is_some_and(|lineage| lineage != own) {
            return Ok(owned);
        }
        if own.is_empty() {
            return self.sealed_by_nobody();
        }
        for record in self.env.records.all().map_err(disk_error)? {
            // A role whose server is gone, a record without its folder: nothing is left of it.
            let gone = record.stage == Stage::Complete && self.look(&record).await?.is_none();
            if !gone {
                let Record { addr, ty, token, remote_id, .. } = record;
                owned.push(Owned { addr, ty, token, remote_id, lineage: own.clone() });
            }
        }
        Ok(owned)
    }

    async fn pin(&self, want: &Want, watch: Watch<'_>) -> Result<Value, OpError> {
        match &want.need {
            Value::Map(need) if want.what == software::WHAT => {
                kinds::pin_software(&self.env.tools, &self.env.cache, need, watch).await
            }
            _ => {
                let message = format!("local cannot pin `{}`", want.pin);
                Err(OpError::new(OpErrorClass::Invalid, message))
            }
        }
    }

    async fn close_environment(&self, _kept: &[Token]) -> Result<(), OpError> {
        for record in self.env.records.all().map_err(disk_error)? {
            if record.stage == Stage::Complete && self.look(&record).await?.is_none() {
                self.env.addresses.release(record.token.as_str()).await.map_err(disk_error)?;
                self.env.records.remove(&record.token).map_err(disk_error)?;
            }
        }
        close(&self.env).await
    }

    fn operate(&self) -> Option<&dyn Operate> {
        Some(self)
    }
}

/// What an environment keeps that holds no data of its user's once no object is left: a database's
/// data or the endpoint's store may be there again when something was started during the removal.
const OWN_FOLDERS: [&str; 8] =
    ["supervisor", "software", "machines", "logs", "objects", "databases", "s3", "volumes"];

/// Ends the processes, then removes what is the provider's own. Where something was retained, its
/// record, its data and its address stay, and only the processes end.
async fn close(env: &Environment) -> Result<(), OpError> {
    if !env.dir.exists() {
        return env.addresses.forget().await.map_err(disk_error);
    }
    env.supervisor.shutdown().await.map_err(supervisor_error)?;
    let blocks = env.addresses.blocks().map_err(disk_error)?;
    let held: Vec<String> = listeners()
        .into_iter()
        .filter(|(address, _)| blocks.iter().any(|block| block.contains(*address)))
        .map(|(address, port)| format!("{address}:{port}"))
        .collect();
    if !held.is_empty() {
        let message = format!("something still listens on {}", held.join(", "));
        return Err(OpError::new(OpErrorClass::InUse, message));
    }
    if !env.records.all().map_err(disk_error)?.is_empty() {
        return Ok(());
    }
    for folder in OWN_FOLDERS {
        remove_tree(&env.dir.join(folder)).map_err(disk_error)?;
    }
    env.addresses.clear().await.map_err(disk_error)?;
    // Last copies stay, and then the folder does.
    let _ = std::fs::remove_dir(&env.dir);
    Ok(())
}
