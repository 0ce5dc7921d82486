//! Whether what is launched fits into the quotas of the account.
//!
//! A quota of processors is of a group of families, bought one way: so a machine that takes spot or
//! on demand needs either. What it needs at the least is counted, and what is there; a plan is refused
//! when it cannot fit, a pool when its ceiling cannot. What leaves by this plan leaves last, so it is
//! counted as there.

use super::{Checked, number, refuses, texts};
use crate::clients::Aws;
use crate::ec2::pages;
use crate::failure::failed;
use crate::kinds::{TEMPLATE, cpus_of, types};
use crate::object::Tags;
use crate::tags::{self, tags_in};
use aws_sdk_ec2::types::{Filter, Instance, InstanceType};
use dsenv_sdk::preflight::{Intended, Intent, Remark, Verdict};
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::{Addr, OpError};
use futures::future::{join_all, try_join_all};
use std::collections::{BTreeMap, BTreeSet};

/// A quota of the account in the region.
#[derive(Debug)]
struct Quota {
    service: &'static str,
    code: &'static str,
    /// What there may be so many of.
    of: &'static str,
}

const fn ec2(code: &'static str, of: &'static str) -> Quota {
    Quota { service: "ec2", code, of }
}

static VPCS: Quota = Quota { service: "vpc", code: "L-F678F1CE", of: "VPCs" };
static ADDRESSES: Quota = ec2("L-0263D0A3", "elastic IPs");

/// A group of families: the letters before the generation, its quota on demand, and that of spot.
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html>
struct Group {
    families: &'static [&'static str],
    on_demand: Quota,
    spot: Quota,
}

static GROUPS: &[Group] = &[
    Group {
        families: &["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"],
        on_demand: ec2("L-1216C47A", "vCPUs of on-demand instances of A, C, D, H, I, M, R, T, Z"),
        spot: ec2("L-34B43A08", "vCPUs of spot instances of A, C, D, H, I, M, R, T, Z"),
    },
    Group {
        families: &["g", "gr", "vt"],
        on_demand: ec2("L-DB2E81BA", "vCPUs of on-demand instances of G and VT"),
        spot: ec2("L-3819A6DF", "vCPUs of spot instances of G and VT"),
    },
    Group {
        families: &["p"],
        on_demand: ec2("L-417A185B", "vCPUs of on-demand instances of P"),
        spot: ec2("L-7212CCBC", "vCPUs of spot instances of P"),
    },
    Group {
        families: &["f"],
        on_demand: ec2("L-74FC7D96", "vCPUs of on-demand instances of F"),
        spot: ec2("L-88CF9481", "vCPUs of spot instances of F"),
    },
    Group {
        families: &["inf"],
        on_demand: ec2("L-1945791B", "vCPUs of on-demand instances of Inf"),
        spot: ec2("L-B5D1601B", "vCPUs of spot instances of Inf"),
    },
    Group {
        families: &["x"],
        on_demand: ec2("L-7295265B", "vCPUs of on-demand instances of X"),
        spot: ec2("L-E3A00192", "vCPUs of spot instances of X"),
    },
];

/// How something is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Market {
    OnDemand,
    Spot,
}

/// The quota that a type counts against; `None` for a family that stands in no group here.
fn quota_of(ty: &str, market: Market) -> Option<&'static Quota> {
    let letters: &str = ty.split(|c: char| c.is_ascii_digit() || c == '-').next()?;
    let group = GROUPS.iter().find(|group| group.families.contains(&letters))?;
    Some(match market {
        Market::OnDemand => &group.on_demand,
        Market::Spot => &group.spot,
    })
}

/// What one object needs: so much of one of these.
#[derive(Debug)]
struct Need<'a> {
    addr: &'a Addr,
    options: Vec<(&'static Quota, u64)>,
    /// What of the same is there for this object and goes once the new one is there.
    there: BTreeMap<&'static str, u64>,
}

/// How many processors a type has, also of types that the table of offers does not know.
type Cpus = BTreeMap<String, u64>;

/// What there is already.
#[derive(Debug, Default)]
struct Usage {
    /// By the code of the quota.
    used: BTreeMap<&'static str, u64>,
    /// Of this environment's own, by address: each instance's type and quota, and its processors.
    own: BTreeMap<Addr, Vec<(String, &'static str, u64)>>,
}

/// For each quota that one of these counts against, the least that one of them takes of it.
fn least(types: &[&str], market: Market, cpus: &Cpus) -> Vec<(&'static Quota, u64)> {
    let mut least: Vec<(&'static Quota, u64)> = Vec::new();
    for ty in types {
        // One that nobody knows may be what is launched: then nothing can be said.
        let (Some(quota), Some(cpus)) = (quota_of(ty, market), cpus.get(*ty)) else {
            return Vec::new();
        };
        match least.iter_mut().find(|(known, _)| known.code == quota.code) {
            Some((_, known)) => *known = (*known).min(*cpus),
            None => least.push((quota, *cpus)),
        }
    }
    least
}

/// What a machine needs. On demand its first type decides: EC2 refuses one that exceeds a quota in a
/// way that no other type is tried after. Spot goes on to the next.
fn of_machine(it: &Intended<'_>, cpus: &Cpus) -> Vec<(&'static Quota, u64)> {
    let types = texts(it, "types");
    let mut options = Vec::new();
    for market in texts(it, "markets") {
        let more = match market {
            "spot" => least(&types, Market::Spot, cpus),
            _ => least(types.get(..1).unwrap_or_default(), Market::OnDemand, cpus),
        };
        if more.is_empty() {
            return Vec::new();
        }
        options.extend(more);
    }
    options
}

/// What a pool needs at its ceiling: on demand, and spot.
fn of_pool(it: &Intended<'_>, cpus: &Cpus) -> [Vec<(&'static Quota, u64)>; 2] {
    let types = texts(it, "types");
    let of = |name| number(it, name).unwrap_or(0);
    let max = of("max");
    let base = of("on_demand_base").min(max);
    let on_demand = base + ((max - base) * of("on_demand_percent")).div_ceil(100);
    [(Market::OnDemand, on_demand), (Market::Spot, max - on_demand.min(max))].map(
        |(market, count)| match count {
            0 => Vec::new(),
            count => {
                let each = least(&types, market, cpus).into_iter();
                each.map(|(quota, cpus)| (quota, cpus * count)).collect()
            }
        },
    )
}

/// What all of it needs.
fn needs<'a>(intended: &[Intended<'a>], cpus: &Cpus, usage: &Usage) -> Vec<Need<'a>> {
    let mut needs = Vec::new();
    for it in intended.iter().filter(|it| it.intent != Intent::Delete) {
        let own_at = match it.ty.name {
            types::SCALING_GROUP => it.addr.part(TEMPLATE, None),
            _ => it.addr.clone(),
        };
        let own = usage.own.get(&own_at).map(Vec::as_slice).unwrap_or_default();
        let mut there = BTreeMap::new();
        for (_, code, cpus) in own {
            *there.entry(*code).or_default() += *cpus;
        }
        let runs_on = |ty: &str| own.iter().any(|(own, ..)| own == ty);
        let options = match it.ty.name {
            // One that satisfies what is asked for stays as it is.
            types::INSTANCE if it.intent == Intent::Update => match texts(it, "types") {
                types if types.iter().any(|ty| runs_on(ty)) => continue,
                _ => vec![of_machine(it, cpus)],
            },
            types::INSTANCE => vec![of_machine(it, cpus)],
            types::SCALING_GROUP => of_pool(it, cpus).into(),
            types::VPC if super::makes(it.intent) => vec![vec![(&VPCS, 1)]],
            types::ELASTIC_IP if super::makes(it.intent) => vec![vec![(&ADDRESSES, 1)]],
            _ => continue,
        };
        for mut options in options.into_iter().filter(|options| !options.is_empty()) {
            if it.intent == Intent::Update {
                for (quota, amount) in &mut options {
                    *amount = amount.saturating_sub(there.get(quota.code).copied().unwrap_or(0));
                }
            }
            let there = if it.intent == Intent::Replace { there.clone() } else { BTreeMap::new() };
            needs.push(Need { addr: it.addr, options, there });
        }
    }
    needs
}

/// The quotas that do not do, each with who first finds no room in it, and what the plan adds.
fn exceeded<'a>(
    needs: &[Need<'a>],
    values: &BTreeMap<&'static str, u64>,
    used: &BTreeMap<&'static str, u64>,
    amount: impl Fn(&Need<'_>, &'static Quota, u64) -> u64,
) -> BTreeMap<&'static str, (&'static Quota, &'a Addr, u64)> {
    let mut added: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut exceeded: BTreeMap<&'static str, (&'static Quota, &'a Addr)> = BTreeMap::new();
    // Who can choose takes what the others leave.
    let mut needs: Vec<&Need<'a>> = needs.iter().collect();
    needs.sort_by_key(|need| need.options.len());
    for need in needs {
        // What nobody answered is no reason to refuse.
        if need.options.iter().any(|(quota, _)| !values.contains_key(quota.code)) {
            continue;
        }
        let taken = |quota: &Quota| {
            let of = |map: &BTreeMap<&'static str, u64>| map.get(quota.code).copied().unwrap_or(0);
            of(used) + of(&added)
        };
        let fits = |(quota, least): &&(&'static Quota, u64)| {
            taken(quota) + amount(need, quota, *least) <= values[quota.code]
        };
        let chosen = need.options.iter().find(fits);
        let Some((quota, least)) = chosen.or(need.options.first()) else { continue };
        if chosen.is_none() {
            exceeded.entry(quota.code).or_insert((quota, need.addr));
        }
        *added.entry(quota.code).or_default() += amount(need, quota, *least);
    }
    let with_added = |(code, (quota, addr))| (code, (quota, addr, added[code]));
    exceeded.into_iter().map(with_added).collect()
}

fn judge(
    needs: &[Need<'_>],
    values: &BTreeMap<&'static str, u64>,
    used: &BTreeMap<&'static str, u64>,
    region: &str,
) -> Vec<Remark> {
    let both = exceeded(needs, values, used, |_, _, amount| amount);
    // An object that goes before the one in its place comes leaves it its room.
    let in_turn = exceeded(needs, values, used, |need, quota, amount| {
        amount.saturating_sub(need.there.get(quota.code).copied().unwrap_or(0))
    });
    let remark = |(code, (quota, addr, added)): (&&'static str, &(&'static Quota, &Addr, u64))| {
        let (value, used) = (values[code], used.get(code).copied().unwrap_or(0));
        let of = quota.of;
        let message = format!(
            "the quota {code} allows {value} {of} in {region}, {used} are in use, and the plan \
             adds {added}"
        );
        let help = format!(
            "plan for fewer, or ask for more: `aws service-quotas \
             request-service-quota-increase --service-code {} --quota-code {code} \
             --desired-value {} --region {region}`",
            quota.service,
            used + added
        );
        match in_turn.contains_key(code) {
            true => refuses(addr, message, help),
            false => Remark {
                verdict: Verdict::Warns,
                ..refuses(addr, format!("{message}, before what it replaces is gone"), help)
            },
        }
    };
    both.iter().map(remark).collect()
}

/// Checks everything that counts against a quota.
pub(super) async fn check(aws: &Aws, intended: &[Intended<'_>]) -> Checked {
    match look(aws, intended).await {
        Ok(checked) => checked,
        Err(error) => {
            let open = Some(format!("quotas were not checked: {error}"));
            Checked { remarks: Vec::new(), open }
        }
    }
}

async fn look(aws: &Aws, intended: &[Intended<'_>]) -> Result<Checked, OpError> {
    let cpus = cpus(aws, intended).await?;
    let sketch = needs(intended, &cpus, &Usage::default());
    let quotas: BTreeMap<&str, &'static Quota> = sketch
        .iter()
        .flat_map(|need| &need.options)
        .map(|(quota, _)| (quota.code, *quota))
        .collect();
    if quotas.is_empty() {
        return Ok(Checked::default());
    }
    let values = join_all(quotas.values().map(async |quota| (*quota, value(aws, quota).await)));
    let (values, usage) = futures::join!(values, usage(aws, &quotas, &cpus));
    let usage = usage?;
    let mut known = BTreeMap::new();
    let mut open = Vec::new();
    for (quota, value) in values {
        match value {
            Ok(value) => drop(known.insert(quota.code, value)),
            Err(error) => open.push(error),
        }
    }
    let needs = needs(intended, &cpus, &usage);
    let remarks = judge(&needs, &known, &usage.used, &aws.region);
    let open = open.first().map(|error| format!("quotas were not checked: {error}"));
    Ok(Checked { remarks, open })
}

/// How many processors the types have that may be launched: from the table, or from EC2.
async fn cpus(aws: &Aws, intended: &[Intended<'_>]) -> Result<Cpus, OpError> {
    let launched = intended.iter().filter(|it| it.intent != Intent::Delete);
    let types: BTreeSet<&str> = launched.flat_map(|it| texts(it, "types")).collect();
    let mut cpus = Cpus::new();
    let mut unknown = Vec::new();
    for ty in types {
        match cpus_of(ty) {
            Some(number) => drop(cpus.insert(ty.to_owned(), number.into())),
            None => unknown.push(InstanceType::from(ty)),
        }
    }
    let asked = unknown.into_iter().map(async |ty| {
        let request = aws.ec2.describe_instance_types().instance_types(ty.clone());
        match request.send().await.map_err(|e| failed("looking at instance types", e)) {
            Ok(reply) => Ok(reply.instance_types.unwrap_or_default()),
            // There is no such type: that is said elsewhere.
            Err(error) if error.message.contains("InvalidInstanceType") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    });
    for info in try_join_all(asked).await?.into_iter().flatten() {
        let number = info.v_cpu_info().and_then(|it| it.default_v_cpus());
        let number = number.and_then(|number| u64::try_from(number).ok());
        if let (Some(ty), Some(number)) = (info.instance_type(), number) {
            cpus.insert(ty.as_str().to_owned(), number);
        }
    }
    Ok(cpus)
}

/// What a quota is: the account's own, or what everybody has.
async fn value(aws: &Aws, quota: &Quota) -> Result<u64, OpError> {
    let doing = format!("asking for the quota {}", quota.code);
    let request = aws.quotas.get_service_quota().service_code(quota.service).quota_code(quota.code);
    let own = request.send().await.map_err(|e| failed(&doing, e));
    let value = match own {
        Ok(reply) => reply.quota().and_then(|quota| quota.value()),
        Err(error) if error.class == OpErrorClass::NotFound => {
            let request = aws.quotas.get_aws_default_service_quota();
            let request = request.service_code(quota.service).quota_code(quota.code);
            let reply = request.send().await.map_err(|e| failed(&doing, e))?;
            reply.quota().and_then(|quota| quota.value())
        }
        Err(error) => return Err(error),
    };
    let none = || OpError::new(OpErrorClass::Unknown, format!("{doing}: there is no value"));
    value.map(|value| value as u64).ok_or_else(none)
}

/// Counts what there is of what these quotas are of.
async fn usage(
    aws: &Aws,
    quotas: &BTreeMap<&str, &'static Quota>,
    cpus: &Cpus,
) -> Result<Usage, OpError> {
    let asks = |quota: &Quota| quotas.contains_key(quota.code);
    let of_cpus = quotas.keys().any(|code| *code != VPCS.code && *code != ADDRESSES.code);
    let instances = async { if of_cpus { running(aws).await } else { Ok(Vec::new()) } };
    let vpcs = async {
        match asks(&VPCS) {
            true => Ok(pages!("counting VPCs", aws.ec2.describe_vpcs(), vpcs).len()),
            false => Ok(0),
        }
    };
    let addresses = async {
        if !asks(&ADDRESSES) {
            return Ok(0);
        }
        let reply = aws.ec2.describe_addresses().send().await;
        Ok(reply.map_err(|e| failed("counting addresses", e))?.addresses().len())
    };
    let (instances, vpcs, addresses) = futures::try_join!(instances, vpcs, addresses)?;
    let mut usage = counted(aws, &instances, cpus);
    usage.used.insert(VPCS.code, vpcs as u64);
    usage.used.insert(ADDRESSES.code, addresses as u64);
    Ok(usage)
}

/// Every instance of the account that counts.
async fn running(aws: &Aws) -> Result<Vec<Instance>, OpError> {
    let states = ["pending", "running"].map(str::to_owned).into();
    let filter = Filter::builder().name("instance-state-name").set_values(Some(states)).build();
    let request = aws.ec2.describe_instances().filters(filter);
    let reservations = pages!("counting instances", request, reservations);
    Ok(reservations.into_iter().flat_map(|it| it.instances.unwrap_or_default()).collect())
}

/// Adds up the processors of what runs. One whose type nobody knows is counted by what it says of
/// itself; where it says nothing, what is counted is the least that it can be.
fn counted(aws: &Aws, instances: &[Instance], cpus: &Cpus) -> Usage {
    let mut usage = Usage::default();
    for instance in instances {
        let ty = instance.instance_type().map(|ty| ty.as_str()).unwrap_or_default();
        let spot = instance.instance_lifecycle().is_some_and(|it| it.as_str() == "spot");
        let market = if spot { Market::Spot } else { Market::OnDemand };
        let Some(quota) = quota_of(ty, market) else { continue };
        let said = || {
            let options = instance.cpu_options()?;
            let number = options.core_count()? * options.threads_per_core().unwrap_or(1);
            u64::try_from(number).ok()
        };
        let known = cpus.get(ty).copied().or_else(|| cpus_of(ty).map(u64::from));
        let number = known.or_else(said).unwrap_or(1);
        *usage.used.entry(quota.code).or_default() += number;
        let tags: Tags = tags_in!(instance.tags());
        let ours = tags::is_owned(&tags, &aws.owner, Some(&aws.owner.lineage));
        if let Some(addr) = tags::address(&tags).filter(|_| ours) {
            usage.own.entry(addr).or_default().push((ty.to_owned(), quota.code, number));
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[test]
    fn a_family_is_the_letters_before_its_generation() {
        let code = |ty, market| quota_of(ty, market).map(|quota| quota.code);
        for (ty, on_demand, spot) in [
            ("t3.micro", "L-1216C47A", "L-34B43A08"),
            ("m7i-flex.large", "L-1216C47A", "L-34B43A08"),
            ("im4gn.large", "L-1216C47A", "L-34B43A08"),
            ("g6e.xlarge", "L-DB2E81BA", "L-3819A6DF"),
            ("gr6.4xlarge", "L-DB2E81BA", "L-3819A6DF"),
            ("p5.48xlarge", "L-417A185B", "L-7212CCBC"),
            ("p6-b200.48xlarge", "L-417A185B", "L-7212CCBC"),
            ("inf2.xlarge", "L-1945791B", "L-B5D1601B"),
            ("x2idn.16xlarge", "L-7295265B", "L-E3A00192"),
        ] {
            assert_eq!(code(ty, Market::OnDemand), Some(on_demand), "{ty}");
            assert_eq!(code(ty, Market::Spot), Some(spot), "{ty}");
        }
        assert_eq!(code("u-6tb1.metal", Market::OnDemand), None);
        assert_eq!(code("mac2.metal", Market::OnDemand), None);
        assert_eq!(code("", Market::OnDemand), None);
    }

    fn standard(market: Market) -> &'static Quota {
        quota_of("m7i.large", market).expect("a quota")
    }

    fn judged(needs: &[(&[Market], u64, u64)], value: u64, used: u64, expected: Expect) {
        let addrs: Vec<Addr> =
            (0..needs.len()).map(|number| Addr::resource(&format!("m{number}"))).collect();
        let need = |(addr, (markets, amount, there)): (_, &(&[Market], u64, u64))| {
            let options: Vec<_> =
                markets.iter().map(|market| (standard(*market), *amount)).collect();
            let there = options.iter().map(|(quota, _)| (quota.code, *there)).collect();
            Need { addr, options, there }
        };
        let needs: Vec<Need<'_>> = addrs.iter().zip(needs).map(need).collect();
        let codes = [Market::OnDemand, Market::Spot].map(|market| standard(market).code);
        let same = |value: u64| BTreeMap::from(codes.map(|code| (code, value)));
        let remarks = judge(&needs, &same(value), &same(used), "us-east-1");
        let line = |remark: &Remark| {
            let addr = remark.addr.as_ref().expect("an address");
            format!("{addr} {:?}: {}\n", remark.verdict, remark.message)
        };
        expected.assert_eq(&remarks.iter().map(line).collect::<String>());
    }

    const ON_DEMAND: &[Market] = &[Market::OnDemand];
    const EITHER: &[Market] = &[Market::Spot, Market::OnDemand];

    #[test]
    fn what_fits_to_the_last_processor_is_no_remark() {
        judged(&[(ON_DEMAND, 4, 0), (ON_DEMAND, 4, 0)], 32, 24, expect![""]);
    }

    #[test]
    fn what_does_not_fit_is_said_of_who_finds_no_room() {
        judged(
            &[(ON_DEMAND, 4, 0), (ON_DEMAND, 8, 0)],
            32,
            24,
            expect![[r#"
                m1 Refuses: the quota L-1216C47A allows 32 vCPUs of on-demand instances of A, C, D, H, I, M, R, T, Z in us-east-1, 24 are in use, and the plan adds 12
            "#]],
        );
    }

    #[test]
    fn who_can_choose_takes_what_is_left() {
        judged(&[(EITHER, 4, 0), (EITHER, 4, 0), (ON_DEMAND, 4, 0)], 8, 0, expect![""]);
        judged(
            &[(EITHER, 8, 0), (EITHER, 8, 0), (ON_DEMAND, 4, 0)],
            8,
            0,
            expect![[r#"
                m1 Refuses: the quota L-34B43A08 allows 8 vCPUs of spot instances of A, C, D, H, I, M, R, T, Z in us-east-1, 0 are in use, and the plan adds 16
            "#]],
        );
    }

    #[test]
    fn what_is_replaced_may_go_first() {
        judged(
            &[(ON_DEMAND, 8, 8)],
            12,
            8,
            expect![[r#"
                m0 Warns: the quota L-1216C47A allows 12 vCPUs of on-demand instances of A, C, D, H, I, M, R, T, Z in us-east-1, 8 are in use, and the plan adds 8, before what it replaces is gone
            "#]],
        );
    }

    #[test]
    fn a_quota_that_nobody_answers_refuses_nothing() {
        let addr = Addr::resource("m");
        let options = vec![(standard(Market::Spot), 8)];
        let needs = [Need { addr: &addr, options, there: BTreeMap::new() }];
        let remarks = judge(&needs, &BTreeMap::new(), &BTreeMap::new(), "us-east-1");
        assert_eq!(remarks, []);
    }
}
