//! Service quotas: the API that moto lacks, answered from a table, and the limits themselves.
//!
//! API: <https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html>.
//! Only those of [`ENFORCED`] are limits here; the rest of the table is what a caller can ask for.
//! What must not be here: requests for more.

use crate::aws_proxy::asked::Asked;
use crate::aws_proxy::backend::Answer;
use crate::aws_proxy::launches;
use crate::aws_proxy::refusal::Refusal;
use crate::aws_proxy::view::View;
use crate::moto::{ACCOUNT, REGION};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// vCPUs of running on-demand instances of the families A, C, D, H, I, M, R, T, Z.
pub const ON_DEMAND_VCPUS: &str = "L-1216C47A";
/// vCPUs of spot requests of the same families.
pub const SPOT_VCPUS: &str = "L-34B43A08";
/// VPCs of a region.
pub const VPCS: &str = "L-F678F1CE";
/// Elastic addresses of a region.
pub const ADDRESSES: &str = "L-0263D0A3";

/// The quotas that calls are held to.
pub const ENFORCED: &[&str] = &[ON_DEMAND_VCPUS, SPOT_VCPUS, VPCS, ADDRESSES];

/// Service, code, name, and the value of a new account or of one that asked for a little.
const DEFAULTS: &[(&str, &str, &str, u32)] = &[
    (
        "ec2",
        ON_DEMAND_VCPUS,
        "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        64,
    ),
    ("ec2", SPOT_VCPUS, "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 64),
    ("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances", 0),
    ("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests", 0),
    ("ec2", "L-417A185B", "Running On-Demand P instances", 0),
    ("ec2", ADDRESSES, "EC2-VPC Elastic IPs", 5),
    ("vpc", VPCS, "VPCs per Region", 5),
    ("vpc", "L-407747CB", "Subnets per VPC", 200),
    ("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5),
    ("vpc", "L-A4707A72", "Internet gateways per Region", 5),
    ("vpc", "L-E79EC296", "VPC security groups per Region", 2_500),
    ("vpc", "L-2AFB9258", "Security groups per network interface", 5),
    ("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60),
    ("rds", "L-7B6409FD", "DB instances", 40),
    ("autoscaling", "L-CDE20ADC", "Auto Scaling groups per region", 500),
];

#[derive(Clone, Debug)]
struct Quota {
    service: String,
    name: String,
    value: u32,
}

/// The table, by code.
#[derive(Debug)]
pub(crate) struct Quotas {
    table: BTreeMap<String, Quota>,
}

impl Default for Quotas {
    fn default() -> Quotas {
        let quota = |&(service, code, name, value): &(&str, &str, &str, u32)| {
            let (service, name) = (service.to_owned(), name.to_owned());
            (code.to_owned(), Quota { service, name, value })
        };
        Quotas { table: DEFAULTS.iter().map(quota).collect() }
    }
}

impl Quotas {
    /// Sets a quota; one that is not in the table is added under its code.
    pub(crate) fn set(&mut self, service: &str, code: &str, value: u32) {
        let new = || Quota { service: service.to_owned(), name: code.to_owned(), value };
        self.table.entry(code.to_owned()).or_insert_with(new).value = value;
    }

    fn value(&self, code: &str) -> u32 {
        self.table.get(code).map_or(u32::MAX, |quota| quota.value)
    }

    /// Answers a call to the API; `None` for other services and for what is not answered here.
    pub(crate) fn answer(&self, asked: &Asked) -> Option<Result<Answer, Refusal>> {
        if asked.service != "servicequotas" {
            return None;
        }
        let body = match asked.action.as_str() {
            "GetServiceQuota" | "GetAWSDefaultServiceQuota" => self.one(asked),
            "ListServiceQuotas" | "ListAWSDefaultServiceQuotas" => self.list(asked),
            _ => return None,
        };
        Some(body.map(|body| {
            let mut headers = HeaderMap::new();
            let kind = HeaderValue::from_static("application/x-amz-json-1.1");
            headers.insert(CONTENT_TYPE, kind);
            Answer { status: StatusCode::OK, headers, body: Bytes::from(body.to_string()) }
        }))
    }

    fn one(&self, asked: &Asked) -> Result<Value, Refusal> {
        let (service, code) = (asked.param("ServiceCode"), asked.param("QuotaCode"));
        let quota = self.table.get(code).filter(|quota| quota.service == service);
        match quota {
            Some(quota) => Ok(json!({ "Quota": shown(code, quota) })),
            None => Err(none_such()),
        }
    }

    /// One page after the other when the caller asks for a size, as AWS does by itself at 100.
    fn list(&self, asked: &Asked) -> Result<Value, Refusal> {
        let service = asked.param("ServiceCode");
        let of_service = self.table.iter().filter(|(_, quota)| quota.service == service);
        let all: Vec<Value> = of_service.map(|(code, quota)| shown(code, quota)).collect();
        if all.is_empty() {
            return Err(none_such());
        }
        let from: usize = asked.param("NextToken").parse().unwrap_or(0);
        let size: usize = asked.param("MaxResults").parse().unwrap_or(100);
        let page: Vec<Value> = all.iter().skip(from).take(size).cloned().collect();
        let next = from + page.len();
        match next < all.len() {
            true => Ok(json!({ "Quotas": page, "NextToken": next.to_string() })),
            false => Ok(json!({ "Quotas": page })),
        }
    }
}

fn shown(code: &str, quota: &Quota) -> Value {
    let Quota { service, name, value } = quota;
    json!({
        "ServiceCode": service,
        "ServiceName": service,
        "QuotaArn": format!("arn:aws:servicequotas:{REGION}:{ACCOUNT}:{service}/{code}"),
        "QuotaCode": code,
        "QuotaName": name,
        "Value": f64::from(*value),
        "Unit": "None",
        "Adjustable": true,
        "GlobalQuota": false,
    })
}

fn none_such() -> Refusal {
    let message = "The request failed because the specified service does not exist.";
    Refusal::new("NoSuchResourceException", message)
}

/// Refuses what would exceed a quota.
pub(super) async fn judge(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    match (asked.service.as_str(), asked.action.as_str()) {
        ("ec2", "RunInstances") => judge_vcpus(view, asked).await,
        ("ec2", "CreateVpc") => {
            let vpcs = view.ask("ec2", "DescribeVpcs", &[]).await?.all("vpcSet/item").len();
            let message = "The maximum number of VPCs has been reached.";
            within(view, vpcs + 1, VPCS, "VpcLimitExceeded", message)
        }
        ("ec2", "AllocateAddress") => {
            let addresses = view.ask("ec2", "DescribeAddresses", &[]).await?;
            let count = addresses.all("addressesSet/item").len() + 1;
            let message = "The maximum number of addresses has been reached.";
            within(view, count, ADDRESSES, "AddressLimitExceeded", message)
        }
        _ => Ok(()),
    }
}

fn within(
    view: &View<'_>,
    count: usize,
    quota: &str,
    code: &str,
    message: &str,
) -> Result<(), Refusal> {
    match count > view.state().quotas.value(quota) as usize {
        true => Err(Refusal::new(code, message)),
        false => Ok(()),
    }
}

/// Counts what runs and what is to be launched at most. EC2 launches as many as it may when that
/// is the least number at least; here the most must fit, which is stricter.
async fn judge_vcpus(view: &View<'_>, asked: &Asked) -> Result<(), Refusal> {
    let launch = launches::launch(view, asked).await?;
    if !is_standard(&launch.instance_type) {
        return Ok(());
    }
    let count: u32 = asked.param("MaxCount").parse().unwrap_or(1);
    let each = launches::vcpus(view, &launch.instance_type).await?.unwrap_or(0);
    let running = running_vcpus(view, launch.is_spot).await?;
    let quota = if launch.is_spot { SPOT_VCPUS } else { ON_DEMAND_VCPUS };
    let limit = view.state().quotas.value(quota);
    if running.saturating_add(each.saturating_mul(count)) <= limit {
        return Ok(());
    }
    if launch.is_spot {
        let message = "Max spot instance count exceeded";
        return Err(Refusal::new("MaxSpotInstanceCountExceeded", message));
    }
    let lead =
        format!("You have requested more vCPU capacity than your current vCPU limit of {limit}");
    let rest = "allows for the instance bucket that the specified instance type belongs to.";
    Err(Refusal::new("VcpuLimitExceeded", format!("{lead} {rest}")))
}

async fn running_vcpus(view: &View<'_>, spot: bool) -> Result<u32, Refusal> {
    let reply = view.ask("ec2", "DescribeInstances", &[]).await?;
    let mut types: BTreeMap<&str, u32> = BTreeMap::new();
    for item in reply.all("reservationSet/item/instancesSet/item") {
        let ty = item.text_at("instanceType");
        let runs = matches!(item.text_at("instanceState/name"), "pending" | "running");
        let is_spot = item.text_at("instanceLifecycle") == "spot";
        if runs && is_spot == spot && is_standard(ty) {
            *types.entry(ty).or_default() += 1;
        }
    }
    let mut sum: u32 = 0;
    for (ty, count) in types {
        let each = launches::vcpus(view, ty).await?.unwrap_or(0);
        sum = sum.saturating_add(each.saturating_mul(count));
    }
    Ok(sum)
}

/// Says whether a type is of the families A, C, D, H, I, M, R, T, Z: a letter, then a digit.
fn is_standard(ty: &str) -> bool {
    let mut characters = ty.chars();
    let family = characters.next().is_some_and(|first| "acdhimrtz".contains(first));
    family && characters.next().is_some_and(|second| second.is_ascii_digit())
}
