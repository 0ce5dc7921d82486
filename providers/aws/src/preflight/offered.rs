//! Whether types, images and classes of databases are to be had where the plan wants them.
//!
//! A type that is offered may still have no capacity: that shows when it is asked for, and nowhere
//! before.

use super::{Checked, makes, quoted, refuses, text, texts};
use crate::clients::Aws;
use crate::ec2::{FILTER_VALUES_MAX, filters, pages};
use crate::failure::failed;
use crate::kinds::types;
use crate::object::Select;
use aws_sdk_ec2::types::{Filter, ImageState, LocationType};
use dsenv_sdk::preflight::{Intended, Remark};
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::{Addr, OpError};
use futures::future::{join_all, try_join_all};
use std::collections::{BTreeMap, BTreeSet};

/// How many classes of a database are asked about: as many as a create tries.
const CLASSES_MAX: usize = 4;

fn not_checked(what: &str, outcome: Result<Vec<Remark>, OpError>) -> Checked {
    match outcome {
        Ok(remarks) => Checked { remarks, open: None },
        Err(error) => {
            Checked { remarks: Vec::new(), open: Some(format!("{what} were not checked: {error}")) }
        }
    }
}

// ---------------------------------------------------------------- instance types

/// Checks that each machine and pool finds one of its types in a zone of the environment.
pub(super) async fn check_types(aws: &Aws, intended: &[Intended<'_>]) -> Checked {
    not_checked("instance types", types_of(aws, intended).await)
}

async fn types_of(aws: &Aws, intended: &[Intended<'_>]) -> Result<Vec<Remark>, OpError> {
    let launches = |it: &&Intended<'_>| {
        makes(it.intent) && [types::INSTANCE, types::SCALING_GROUP].contains(&it.ty.name)
    };
    let wanted: Vec<(&Addr, Vec<&str>)> = intended
        .iter()
        .filter(launches)
        .map(|it| (it.addr, texts(it, "types")))
        .filter(|(_, types)| !types.is_empty())
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let names: BTreeSet<&str> = wanted.iter().flat_map(|(_, types)| types).copied().collect();
    let (offered, zones) = futures::try_join!(offerings(aws, &names), zones(aws, intended))?;
    let refused = |(addr, types): &(&Addr, Vec<&str>)| {
        let (message, help) = judge_types(types, &offered, &zones, &aws.region)?;
        Some(refuses(addr, message, help))
    };
    Ok(wanted.iter().filter_map(refused).collect())
}

/// Says what is wrong with these types, if so, and what would do. Without zones, the region is meant.
fn judge_types(
    types: &[&str],
    offered: &BTreeMap<String, BTreeSet<String>>,
    zones: &BTreeSet<String>,
    region: &str,
) -> Option<(String, String)> {
    let nowhere = BTreeSet::new();
    let places = |ty: &str| offered.get(ty).unwrap_or(&nowhere);
    let fits = |ty: &str| match zones.is_empty() {
        true => !places(ty).is_empty(),
        false => !places(ty).is_disjoint(zones),
    };
    if types.iter().any(|ty| fits(ty)) {
        return None;
    }
    let whereat = match zones.is_empty() {
        true => region.to_owned(),
        false => zones.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    let message = match types {
        [one] => format!("`{one}` is not offered in {whereat}"),
        several => format!("none of {} is offered in {whereat}", quoted(several.iter().copied())),
    };
    let elsewhere = types.iter().filter(|ty| !places(ty).is_empty()).map(|ty| {
        let places: Vec<&str> = places(ty).iter().map(String::as_str).collect();
        format!("`{ty}` is offered in {}", places.join(", "))
    });
    let elsewhere: Vec<String> = elsewhere.collect();
    let help = match elsewhere.is_empty() {
        false => format!("{}: a network with more `zones` may reach there", elsewhere.join("; ")),
        true => format!(
            "ask for `+` instead of an exact number, or name another `type`: `aws ec2 \
             describe-instance-type-offerings --location-type availability-zone --region {region}` \
             lists what is offered"
        ),
    };
    Some((message, help))
}

/// In which zones each of these is offered.
async fn offerings(
    aws: &Aws,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, BTreeSet<String>>, OpError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let pages = names.chunks(FILTER_VALUES_MAX).map(async |names| {
        let filter = Filter::builder().name("instance-type").set_values(Some(names.to_vec()));
        let request = aws
            .ec2
            .describe_instance_type_offerings()
            .location_type(LocationType::AvailabilityZone)
            .filters(filter.build());
        Ok::<_, OpError>(pages!("asking what is offered", request, instance_type_offerings))
    });
    let mut offered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for offering in try_join_all(pages).await?.into_iter().flatten() {
        if let (Some(ty), Some(zone)) = (offering.instance_type(), offering.location()) {
            offered.entry(ty.as_str().to_owned()).or_default().insert(zone.to_owned());
        }
    }
    Ok(offered)
}

/// The zones of the environment: of the subnets that are to be, and of those that there are. None when
/// the lock has not pinned them yet.
async fn zones(aws: &Aws, intended: &[Intended<'_>]) -> Result<BTreeSet<String>, OpError> {
    let subnets = intended.iter().filter(|it| it.ty.name == types::SUBNET);
    let mut zones: BTreeSet<String> =
        subnets.filter_map(|it| text(it, "zone")).map(str::to_owned).collect();
    let lineage = &*aws.owner.lineage;
    if !lineage.is_empty() {
        let filters = filters(aws, Select::Owner(Some(lineage)), "");
        let request = aws.ec2.describe_subnets().set_filters(Some(filters));
        let there = pages!("looking at subnets", request, subnets);
        zones.extend(there.into_iter().filter_map(|subnet| subnet.availability_zone));
    }
    Ok(zones)
}

// ---------------------------------------------------------------- images

/// Checks that the pinned images are still there: publishers take old ones away.
pub(super) async fn check_images(aws: &Aws, intended: &[Intended<'_>]) -> Checked {
    not_checked("images", images_of(aws, intended).await)
}

async fn images_of(aws: &Aws, intended: &[Intended<'_>]) -> Result<Vec<Remark>, OpError> {
    let boots = |it: &&Intended<'_>| match it.ty.name {
        types::INSTANCE => makes(it.intent),
        // A new version has to name an image that is there.
        types::LAUNCH_TEMPLATE => it.intent != dsenv_sdk::preflight::Intent::Delete,
        _ => false,
    };
    let wanted = intended.iter().filter(boots);
    let wanted: Vec<(&Addr, &str)> =
        wanted.filter_map(|it| Some((it.addr, text(it, "image")?))).collect();
    let ids: BTreeSet<&str> = wanted.iter().map(|(_, id)| *id).collect();
    let looked = try_join_all(ids.iter().map(async |id| Ok((*id, state(aws, id).await?))));
    let states: BTreeMap<&str, Option<ImageState>> = looked.await?.into_iter().collect();
    let refused = |(addr, id): &(&Addr, &str)| {
        let message = match states.get(id)? {
            Some(ImageState::Available) => return None,
            Some(state) => format!("the image {id} is `{}`", state.as_str()),
            None => format!(
                "the image {id} is not there: it was deregistered, or this account may not use it"
            ),
        };
        let help = format!(
            "take the entry that holds `{id}` out of the lock: the next apply pins the newest image \
             of that name; where the blueprint says `image: {id}`, name another"
        );
        Some(refuses(addr, message, help))
    };
    Ok(wanted.iter().filter_map(refused).collect())
}

/// The state of an image; `None` for one that is not there.
async fn state(aws: &Aws, id: &str) -> Result<Option<ImageState>, OpError> {
    let reply = aws.ec2.describe_images().image_ids(id).send().await;
    match reply.map_err(|e| failed(&format!("looking at the image {id}"), e)) {
        Ok(reply) => Ok(reply.images().first().map(|image| {
            // Every answer of AWS has one.
            image.state().cloned().unwrap_or(ImageState::Available)
        })),
        Err(error) if error.class == OpErrorClass::NotFound => Ok(None),
        Err(error) if error.message.contains("InvalidAMIID") => Ok(None),
        Err(error) => Err(error),
    }
}

// ---------------------------------------------------------------- classes of databases

/// Checks that one of the classes of each database is offered for its engine.
pub(super) async fn check_classes(aws: &Aws, intended: &[Intended<'_>]) -> Checked {
    not_checked("classes of databases", classes_of(aws, intended).await)
}

async fn classes_of(aws: &Aws, intended: &[Intended<'_>]) -> Result<Vec<Remark>, OpError> {
    let wanted = intended.iter().filter(|it| it.ty.name == types::DATABASE && makes(it.intent));
    let wanted: Vec<(&Addr, &str, Vec<&str>)> = wanted
        .filter_map(|it| {
            let classes = texts(it, "class").into_iter().take(CLASSES_MAX).collect();
            Some((it.addr, text(it, "engine")?, classes))
        })
        .collect();
    let pairs: BTreeSet<(&str, &str)> = wanted
        .iter()
        .flat_map(|(_, engine, classes)| classes.iter().map(|class| (*engine, *class)))
        .collect();
    let asked = pairs.iter().map(async |(engine, class)| {
        Ok::<_, OpError>(((*engine, *class), options(aws, engine, Some(class)).await? > 0))
    });
    let offered: BTreeMap<(&str, &str), bool> = try_join_all(asked).await?.into_iter().collect();
    let refused = wanted.iter().filter(|(_, engine, classes)| {
        !classes.is_empty() && !classes.iter().any(|class| offered[&(*engine, *class)])
    });
    let refused: Vec<&(&Addr, &str, Vec<&str>)> = refused.collect();
    let engines: BTreeSet<&str> = refused.iter().map(|(_, engine, _)| *engine).collect();
    let known = join_all(engines.iter().map(|engine| options(aws, engine, None))).await;
    for (engine, known) in engines.iter().zip(known) {
        if known? == 0 {
            let message = format!("RDS lists no class of server for `{engine}` at all");
            return Err(OpError::new(OpErrorClass::Unknown, message));
        }
    }
    let remark = |(addr, engine, classes): &&(&Addr, &str, Vec<&str>)| {
        let names = quoted(classes.iter().copied());
        let message = format!("for `{engine}` none of {names} is offered in {}", aws.region);
        let help = format!(
            "ask for another `size`, or for `cpus` and `memory`: `aws rds \
             describe-orderable-db-instance-options --engine {engine} --region {}` lists what is \
             offered",
            aws.region
        );
        refuses(addr, message, help)
    };
    Ok(refused.iter().map(remark).collect())
}

/// How many options the first page has.
async fn options(aws: &Aws, engine: &str, class: Option<&str>) -> Result<usize, OpError> {
    let request = aws
        .rds
        .describe_orderable_db_instance_options()
        .engine(engine)
        .set_db_instance_class(class.map(str::to_owned))
        .vpc(true)
        // The fewest that it takes.
        .max_records(20);
    let reply = request.send().await.map_err(|e| failed("asking what RDS offers", e))?;
    Ok(reply.orderable_db_instance_options().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(types: &[&str], zones: &[&str]) -> Option<(String, String)> {
        let places = |zones: &[&str]| zones.iter().map(|zone| (*zone).to_owned()).collect();
        let offered = BTreeMap::from([
            ("t3.micro".to_owned(), places(&["us-east-1a", "us-east-1b"])),
            ("p5.48xlarge".to_owned(), places(&["us-east-1d"])),
        ]);
        judge_types(types, &offered, &places(zones), "us-east-1")
    }

    #[test]
    fn one_type_in_one_zone_is_enough() {
        assert_eq!(judged(&["p5.48xlarge", "t3.micro"], &["us-east-1b", "us-east-1c"]), None);
        assert_eq!(judged(&["p5.48xlarge"], &[]), None);
    }

    #[test]
    fn a_type_of_other_zones_is_refused_with_where_it_is() {
        let (message, help) = judged(&["p5.48xlarge"], &["us-east-1a", "us-east-1b"]).expect("it");
        assert_eq!(message, "`p5.48xlarge` is not offered in us-east-1a, us-east-1b");
        assert!(help.starts_with("`p5.48xlarge` is offered in us-east-1d: "), "{help}");
    }

    #[test]
    fn what_the_region_lacks_is_refused_with_how_to_see_what_it_has() {
        let (message, help) = judged(&["x9.huge", "x9.tiny"], &[]).expect("it");
        assert_eq!(message, "none of `x9.huge`, `x9.tiny` is offered in us-east-1");
        assert!(help.contains("describe-instance-type-offerings"), "{help}");
    }
}
