//! How an environment stands, and its logs: what machines put into their mailboxes, read from there.

use super::preflight::Cloud;
use dsenv_sdk::provider::{Create, OpErrorClass, Progress, ServiceStatus, Token};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Connection};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// An empty folder of a test's own.
fn folder(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => dir,
    }
}

/// Makes a mailbox and returns the bucket's name.
async fn mailbox(connection: &dyn Connection, owner: &str) -> String {
    let provider = dsenv_aws::provider();
    let ty = provider.native_type("aws.mailbox").expect("a native type");
    let addr = Addr::resource(owner).part("mailbox", None);
    let token = Token::new("a-lineage", &addr, 1);
    let args =
        ["versioning", "guarded"].map(|name| (name.to_owned(), Value::Bool(name == "guarded")));
    let args = Map::from(args);
    let request = Create {
        addr: &addr,
        ty,
        token: &token,
        args: &args,
        begun_before_ms: None,
        watch: &|_| {},
    };
    match connection.create(request).await.expect("a mailbox") {
        Progress::Done(observed) => observed.remote_id,
        Progress::Accepted(accepted) => panic!("{accepted:?}"),
    }
}

/// Launches one instance and returns its id.
fn launch(cloud: &Cloud, addr: &str, ty: &str) -> String {
    let tags = json!({"dsenv:blueprint": "workbench", "dsenv:environment": "prod",
        "dsenv:lineage": "a-lineage", "dsenv:address": addr, "dsenv:type": ty});
    let id = cloud.boto3(&format!(
        "tags = [{{'Key': key, 'Value': value}} for key, value in {tags}.items()]\n\
         image = ec2.describe_images(Owners=['amazon'])['Images'][0]['ImageId']\n\
         made = ec2.run_instances(ImageId=image, InstanceType='t3.micro', MinCount=1, MaxCount=1,\n\
         \tTagSpecifications=[{{'ResourceType': 'instance', 'Tags': tags}}])\n\
         print(json.dumps(made['Instances'][0]['InstanceId']))"
    ));
    id.as_str().expect("an id").to_owned()
}

/// Puts what a machine would put.
fn put(cloud: &Cloud, bucket: &str, key: &str, body: &str) {
    let body = json!(body);
    cloud.boto3(&format!(
        "boto3.client('s3').put_object(Bucket='{bucket}', Key='{key}', Body={body}.encode())\n\
         print(json.dumps(None))"
    ));
}

fn report(phase: &str, state: &str) -> String {
    json!({"format": "dsenv-status/1", "phase": phase, "failure": null, "interruption": null,
        "services": {"jupyter": {"state": state, "restarts": 2, "pid": 7,
            "url": "http://10.0.0.4:8888/", "detail": "it ended with exit code 1"}}})
    .to_string()
}

fn line(status: &ServiceStatus) -> String {
    let detail = status.detail.clone().unwrap_or_default().replace('\n', " / ");
    let well = if status.well { "well" } else { "not well" };
    let text = format!("{} {} {} {well} {detail}", status.addr, status.service, status.state);
    text.trim_end().to_owned()
}

async fn status(connection: &dyn Connection) -> Vec<String> {
    let operate = connection.operate().expect("it can be operated");
    operate.status().await.expect("a status").iter().map(line).collect()
}

#[test]
fn machines_and_members_are_as_they_say() {
    let Some(cloud) = Cloud::start() else { return };
    cloud.run(&folder("operate-status"), async |connection| {
        let own = mailbox(&*connection, "notebook").await;
        let pool = mailbox(&*connection, "workers").await;
        let gone = ["notebook: nothing", "workers: nothing"].len();
        let nobody = status(&*connection).await;
        assert_eq!(nobody.len(), gone, "{nobody:#?}");
        let machine = launch(&cloud, "notebook", "aws.instance");
        let [one, two] = [(); 2].map(|()| launch(&cloud, "workers.template", "aws.member"));
        put(&cloud, &pool, &format!("status/{one}.json"), &report("ready", "healthy"));
        put(&cloud, &pool, &format!("status/{two}.json"), &report("ready", "unhealthy"));
        put(&cloud, &pool, &format!("logs/{two}/jupyter.log"), "first\n\nlast words\n");
        let mut expected = vec![
            format!("notebook boot starting not well nothing was heard of {machine} yet"),
            format!("workers jupyter@{one} healthy well"),
            format!(
                "workers jupyter@{two} unhealthy not well it ended with exit code 1 / first / last \
                 words"
            ),
        ];
        expected.sort();
        assert_eq!(status(&*connection).await, expected);
        put(&cloud, &own, &format!("status/{machine}.json"), &report("ready", "healthy"));
        let seen = connection.operate().expect("it").status().await.expect("a status");
        assert_eq!(line(&seen[0]), "notebook jupyter healthy well");
        assert_eq!((seen[0].restarts, seen[0].pid), (2, None));
        assert_eq!(seen[0].url.as_deref(), Some("http://10.0.0.4:8888/"));
        cloud.boto3(&format!(
            "ec2.stop_instances(InstanceIds=['{machine}'])\n\
             ec2.terminate_instances(InstanceIds=['{one}', '{two}'])\n\
             print(json.dumps(None))"
        ));
        assert_eq!(
            status(&*connection).await,
            [
                format!(
                    "notebook boot stopped not well {machine} is stopped; `aws ec2 start-instances \
                     --instance-ids {machine}`"
                ),
                "workers boot failed not well it has no instance; `dsenv apply` makes one"
                    .to_owned(),
            ]
        );
    });
}

#[test]
fn a_database_is_as_rds_says() {
    let Some(cloud) = Cloud::start() else { return };
    let tags = json!({"dsenv:blueprint": "workbench", "dsenv:environment": "prod",
        "dsenv:lineage": "a-lineage", "dsenv:address": "features", "dsenv:type": "aws.database"});
    cloud.boto3(&format!(
        "tags = [{{'Key': key, 'Value': value}} for key, value in {tags}.items()]\n\
         boto3.client('rds').create_db_instance(DBInstanceIdentifier='features',\n\
         \tEngine='postgres', DBInstanceClass='db.t3.micro', AllocatedStorage=20, DBName='features',\n\
         \tMasterUsername='dsenv', MasterUserPassword='a-password', Tags=tags)\n\
         print(json.dumps(None))"
    ));
    cloud.run(&folder("operate-database"), async |connection| {
        let operate = connection.operate().expect("it can be operated");
        assert_eq!(status(&*connection).await, ["features postgres healthy well"]);
        let addr = Addr::resource("features");
        let refused = operate.logs(&addr).await.expect_err("they are with RDS");
        assert!(refused.help.expect("help").contains("--db-instance-identifier features"));
        let refused = operate.enter(&addr, &[]).await.expect_err("it is no machine");
        assert_eq!(refused.message, "on aws nobody enters `features`: it has no instance");
    });
}

#[test]
fn logs_are_fetched_for_their_owner_alone_and_grow() {
    let Some(cloud) = Cloud::start() else { return };
    let dir = folder("operate-logs");
    cloud.run(&dir, async |connection| {
        let bucket = mailbox(&*connection, "notebook").await;
        let operate = connection.operate().expect("it can be operated");
        let addr = Addr::resource("notebook");
        let none = operate.logs(&addr).await.expect_err("nothing was sent");
        assert_eq!(none.class, OpErrorClass::NotFound);
        let id = launch(&cloud, "notebook", "aws.instance");
        let lines = |from: u32, to: u32| {
            (from..to).map(|number| format!("this is line {number}\n")).collect::<String>()
        };
        for (service, text) in [("jupyter", lines(0, 50)), ("boot", "begun\n".to_owned())] {
            put(&cloud, &bucket, &format!("logs/{id}/{service}.log"), &text);
        }
        put(&cloud, &bucket, "logs/i-another/web.log", "of an instance that is gone\n");
        let logs = operate.logs(&addr).await.expect("logs");
        let names: Vec<&str> = logs.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["boot", "jupyter"]);
        for (_, path) in &logs {
            assert!(path.starts_with(&dir), "{}", path.display());
            let mode = fs::metadata(path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let path = &logs[1].1;
        assert_eq!(fs::read_to_string(path).expect("a file"), lines(0, 50));
        // What the machine sends next begins later. S3 tells times by the second.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        put(&cloud, &bucket, &format!("logs/{id}/jupyter.log"), &lines(30, 80));
        cloud.proxy.clear_log();
        operate.logs(&addr).await.expect("logs");
        assert_eq!(fs::read_to_string(path).expect("a file"), lines(0, 80));
        assert_eq!(cloud.proxy.count(|call| call.is("s3", "GetObject")), 1);
        let refused = operate.enter(&addr, &[]).await.expect_err("not yet");
        assert!(refused.message.contains(&id), "{refused}");
        connection.close_environment(&[]).await.expect("it is closed");
        assert!(!path.exists());
    });
}
