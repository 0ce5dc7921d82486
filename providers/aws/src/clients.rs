//! One configured client for each service, and whose objects they work on.
//!
//! The SDK neither retries nor waits here: the engine owns time. Credentials are found as by every
//! AWS tool; what the command line handed in (`AWS_ENDPOINT_URL`, `AWS_PROFILE`, keys) comes first.

use crate::failure::{failed, no_credentials};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{OpErrorClass, Owner, Setup};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a connection may take to come up. Longer than a slow network, shorter than patience.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one attempt may take: the slowest calls (`CreateDBInstance`) answer within seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The clients of one environment.
pub(crate) struct Aws {
    pub(crate) autoscaling: aws_sdk_autoscaling::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) efs: aws_sdk_efs::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) quotas: aws_sdk_servicequotas::Client,
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    sts: aws_sdk_sts::Client,
    /// Whose objects these are.
    pub(crate) owner: Owner,
    /// The region, as in `us-east-1`.
    pub(crate) region: String,
    /// Where services are asked instead of at AWS, when somebody says so.
    pub(crate) endpoint: Option<String>,
    /// Why there is nobody to sign for, when there is not.
    no_credentials: Option<String>,
    /// Whom the credentials belong to, once somebody has asked.
    caller: OnceCell<Caller>,
}

impl Aws {
    /// Finds the region and whether there are credentials. Asks nobody but the places where
    /// credentials come from.
    pub(crate) async fn new(setup: &Setup) -> Result<Aws, OpError> {
        let config = load(setup).await;
        let Some(region) = config.region().map(|region| region.as_ref().to_owned()) else {
            let message = "the environment has no `region`, and neither has the AWS configuration";
            let error = OpError::new(OpErrorClass::Invalid, message);
            return Err(error.help("write `region: us-east-1` below the environment"));
        };
        let no_credentials = match config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.err().map(|why| chain(&why)),
            None => Some("no place is known where they could come from".to_owned()),
        };
        let endpoint = setup.variables.get("AWS_ENDPOINT_URL").cloned();
        // A server on an address has no names below it for buckets.
        let path_style = endpoint.is_some() || setup.variables.contains_key("AWS_ENDPOINT_URL_S3");
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
        Ok(Aws {
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            ec2: aws_sdk_ec2::Client::new(&config),
            efs: aws_sdk_efs::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            quotas: aws_sdk_servicequotas::Client::new(&config),
            rds: aws_sdk_rds::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            ssm: aws_sdk_ssm::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            owner: setup.owner.clone(),
            region,
            endpoint,
            no_credentials,
            caller: OnceCell::new(),
        })
    }

    /// Asks whom the credentials belong to; once a connection.
    pub(crate) async fn caller(&self) -> Result<&Caller, OpError> {
        let doing = "asking AWS whose credentials these are";
        if let Some(why) = &self.no_credentials {
            let mut error = no_credentials(doing);
            error.causes.push(why.clone());
            return Err(error);
        }
        let ask = || async {
            let reply = self.sts.get_caller_identity().send().await;
            let reply = reply.map_err(|e| failed(doing, e))?;
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            Ok(Caller { account: text(reply.account()), arn: text(reply.arn()) })
        };
        self.caller.get_or_try_init(ask).await
    }

    /// The account that names in policies are of.
    pub(crate) async fn account_id(&self) -> Result<&str, OpError> {
        Ok(&self.caller().await?.account)
    }

    /// What names in policies begin with.
    pub(crate) fn partition(&self) -> &'static str {
        partition(&self.region)
    }
}

/// What names in policies begin with, in a region.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// An error with what led to it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}

/// Whom the credentials belong to.
pub(crate) struct Caller {
    pub(crate) account: String,
    /// The user or role.
    pub(crate) arn: String,
}

async fn load(setup: &Setup) -> SdkConfig {
    let variable = |name: &str| setup.variables.get(name).filter(|text| !text.is_empty());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(ANSWER_WITHIN)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = &setup.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = variable("AWS_PROFILE") {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = variable("AWS_ENDPOINT_URL") {
        loader = loader.endpoint_url(endpoint);
    }
    if let (Some(id), Some(secret)) =
        (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
    {
        let session = variable("AWS_SESSION_TOKEN").cloned();
        loader = loader.credentials_provider(aws_credential_types::Credentials::new(
            id,
            secret,
            session,
            None,
            "environment",
        ));
    }
    loader.load().await
}
