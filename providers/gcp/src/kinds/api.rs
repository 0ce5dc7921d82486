//! Where each argument stands in the API that the live half will send it to: the proof that what is lowered
//! is enough, held to Google's own discovery documents where they are at hand.
//!
//! The documents are in the Python package `google-api-python-client`, below
//! `googleapiclient/discovery_cache/documents`. A test looks for that folder in the variable
//! `DSENV_GOOGLE_DISCOVERY` when it is compiled, and says SKIPPED without it.

use crate::kinds::NATIVE_TYPES;
use dsenv_sdk::schema::{Field, Type};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Where arguments stand, by their names.
type Places = &'static [(&'static str, &'static str)];

/// A type, the schema that it is, and where its arguments stand: `=` is what is no property of a request,
/// and why not; `document:Schema` is another schema than the type's own.
const API: &[(&str, &str, Places)] = &[
    (
        "gcp.attached_disk",
        "compute.v1:AttachedDisk",
        &[
            ("device_name", "deviceName"),
            ("disk", "source"),
            ("instance", "=in the path of attachDisk"),
            ("mode", "mode"),
        ],
    ),
    (
        "gcp.autoscaler",
        "compute.v1:Autoscaler",
        &[
            ("cpu_target_percent", "autoscalingPolicy.cpuUtilization.utilizationTarget"),
            ("group", "target"),
            ("max", "autoscalingPolicy.maxNumReplicas"),
            ("min", "autoscalingPolicy.minNumReplicas"),
            ("mode", "autoscalingPolicy.mode"),
        ],
    ),
    ("gcp.bucket", "storage.v1:Bucket", BUCKET),
    (
        "gcp.disk",
        "compute.v1:Disk",
        &[
            ("disk_type", "type"),
            ("iops", "provisionedIops"),
            ("labels", "labels"),
            ("size_gib", "sizeGb"),
            ("throughput_mib_s", "provisionedThroughput"),
            ("zone", "=in the path of insert"),
        ],
    ),
    (
        "gcp.firewall",
        "compute.v1:Firewall",
        &[
            ("allow", "allowed"),
            ("description", "description"),
            ("destination_ranges", "destinationRanges"),
            ("direction", "direction"),
            ("network", "network"),
            ("ports", "allowed.ports"),
            ("priority", "priority"),
            ("source_ranges", "sourceRanges"),
            ("target_service_accounts", "targetServiceAccounts"),
        ],
    ),
    (
        "gcp.grant",
        "storage.v1:Policy",
        &[
            ("member", "bindings.members"),
            ("on", "=which API is asked"),
            ("prefix", "bindings.condition.expression"),
            ("resource", "=in the path of setIamPolicy"),
            ("role", "bindings.role"),
        ],
    ),
    ("gcp.hmac_key", "storage.v1:HmacKeyMetadata", &[("service_account", "serviceAccountEmail")]),
    (
        "gcp.instance",
        "compute.v1:Instance",
        &[
            ("deletion_protection", "deletionProtection"),
            ("disk_gib", "disks.initializeParams.diskSizeGb"),
            ("disk_type", "disks.initializeParams.diskType"),
            ("image", "disks.initializeParams.sourceImage"),
            ("labels", "labels"),
            ("markets", "scheduling.provisioningModel"),
            ("metadata", "metadata.items"),
            ("name", "=metadata has it"),
            ("on_host_maintenance", "scheduling.onHostMaintenance"),
            ("open", "=which address `services` shows"),
            ("ports", "=what `services` shows"),
            ("public", "networkInterfaces.accessConfigs"),
            ("secure_boot", "shieldedInstanceConfig.enableSecureBoot"),
            ("service_account", "serviceAccounts.email"),
            ("subnetwork", "networkInterfaces.subnetwork"),
            ("termination_action", "scheduling.instanceTerminationAction"),
            ("types", "machineType"),
            ("zones", "=in the path of insert"),
        ],
    ),
    (
        "gcp.instance_group",
        "compute.v1:InstanceGroupManager",
        &[
            ("base", "=whose addresses are told too"),
            ("market", "=the template has it"),
            ("region", "=in the path of insert"),
            ("size", "targetSize"),
            ("target_shape", "distributionPolicy.targetShape"),
            ("template", "versions.instanceTemplate"),
            ("types", "instanceFlexibilityPolicy.instanceSelections.*.machineTypes"),
            ("update_type", "updatePolicy.type"),
            ("zones", "distributionPolicy.zones.zone"),
        ],
    ),
    (
        "gcp.instance_template",
        "compute.v1:InstanceProperties",
        &[
            ("disk_gib", "disks.initializeParams.diskSizeGb"),
            ("disk_type", "disks.initializeParams.diskType"),
            ("image", "disks.initializeParams.sourceImage"),
            ("labels", "labels"),
            ("machine_type", "machineType"),
            ("market", "scheduling.provisioningModel"),
            ("metadata", "metadata.items"),
            ("name", "=metadata has it"),
            ("on_host_maintenance", "scheduling.onHostMaintenance"),
            ("public", "networkInterfaces.accessConfigs"),
            ("secure_boot", "shieldedInstanceConfig.enableSecureBoot"),
            ("service_account", "serviceAccounts.email"),
            ("subnetwork", "networkInterfaces.subnetwork"),
            ("termination_action", "scheduling.instanceTerminationAction"),
        ],
    ),
    ("gcp.mailbox", "storage.v1:Bucket", BUCKET),
    (
        "gcp.router",
        "compute.v1:Router",
        &[
            ("nat_addresses", "nats.natIpAllocateOption"),
            ("nat_subnetworks", "nats.subnetworks.name"),
            ("network", "network"),
            ("region", "=in the path of insert"),
        ],
    ),
    ("gcp.service_account", "iam.v1:ServiceAccount", &[("display_name", "displayName")]),
    (
        "gcp.service_peering",
        "servicenetworking.v1:Connection",
        &[("network", "network"), ("ranges", "reservedPeeringRanges")],
    ),
    (
        "gcp.service_range",
        "compute.v1:Address",
        &[("address", "address"), ("network", "network"), ("prefix_length", "prefixLength")],
    ),
    (
        "gcp.settings",
        "secretmanager.v1:Secret",
        &[
            ("bucket", "=where the object is put"),
            ("buckets", "=in the object and the secret"),
            ("databases", "=in the object and the secret"),
            ("environment", "=in the object and the secret"),
            ("intact", "=whether both are as they were written"),
            ("labels", "labels"),
            ("people", "=in the object"),
            ("replica_location", "replication.userManaged.replicas.location"),
            ("services", "=in the object and the secret"),
            ("software", "=in the object"),
            ("volumes", "=in the object"),
        ],
    ),
    (
        "gcp.sql_instance",
        "sqladmin.v1:DatabaseInstance",
        &[
            ("allocated_range", "settings.ipConfiguration.allocatedIpRange"),
            ("availability_type", "settings.availabilityType"),
            ("backup_days", "settings.backupConfiguration.backupRetentionSettings.retainedBackups"),
            ("database", "sqladmin.v1:Database name"),
            ("database_version", "databaseVersion"),
            ("deletion_protection", "settings.deletionProtectionEnabled"),
            ("edition", "settings.edition"),
            ("engine", "=the version has it"),
            ("labels", "settings.userLabels"),
            ("log_days", "settings.backupConfiguration.transactionLogRetentionDays"),
            ("password", "sqladmin.v1:User password"),
            ("private_network", "settings.ipConfiguration.privateNetwork"),
            ("public_address", "settings.ipConfiguration.ipv4Enabled"),
            ("region", "region"),
            ("ssl_mode", "settings.ipConfiguration.sslMode"),
            ("storage_auto_resize", "settings.storageAutoResize"),
            ("storage_gib", "settings.dataDiskSizeGb"),
            ("storage_type", "settings.dataDiskType"),
            ("tier", "settings.tier"),
            ("username", "sqladmin.v1:User name"),
        ],
    ),
    (
        "gcp.subnetwork",
        "compute.v1:Subnetwork",
        &[
            ("cidr", "ipCidrRange"),
            ("network", "network"),
            ("private_google_access", "privateIpGoogleAccess"),
            ("region", "=in the path of insert"),
        ],
    ),
    (
        "gcp.vpc",
        "compute.v1:Network",
        &[
            ("auto_subnetworks", "autoCreateSubnetworks"),
            ("routing_mode", "routingConfig.routingMode"),
        ],
    ),
];

const BUCKET: Places = &[
    ("expire", "lifecycle.rule.condition.age"),
    ("labels", "labels"),
    ("location", "location"),
    ("public_access_prevention", "iamConfiguration.publicAccessPrevention"),
    ("retention_days", "retentionPolicy.retentionPeriod"),
    ("soft_delete_days", "softDeletePolicy.retentionDurationSeconds"),
    ("storage_class", "storageClass"),
    ("uniform_access", "iamConfiguration.uniformBucketLevelAccess.enabled"),
    ("versioning", "versioning.enabled"),
];

/// Goes through references and lists to what stands behind them.
fn inner<'d>(document: &'d Json, mut here: &'d Json) -> &'d Json {
    loop {
        here = match (here["$ref"].as_str(), here.get("items")) {
            (Some(name), _) => &document["schemas"][name],
            (None, Some(items)) => items,
            (None, None) => return here,
        };
    }
}

/// Follows a path from a schema, through references, lists and maps; tells the step that is not there.
fn follow<'d>(document: &'d Json, schema: &str, path: &str) -> Result<&'d Json, String> {
    let mut here = &document["schemas"][schema];
    for step in path.split('.') {
        let object = inner(document, here);
        let next = match step {
            "*" => object.get("additionalProperties"),
            _ => object["properties"].get(step),
        };
        here = next.ok_or_else(|| format!("{schema}.{path}: there is no `{step}`"))?;
    }
    Ok(inner(document, here))
}

/// What is wrong with the place of an argument: it is not there, or does not take what is sent.
fn check_place(document: &Json, schema: &str, path: &str, field: &Field) -> Vec<String> {
    let property = match follow(document, schema, path) {
        Ok(property) => property,
        Err(missing) => return vec![missing],
    };
    let (Type::Choice(choices), Some(known)) = (field.ty, property["enum"].as_array()) else {
        return Vec::new();
    };
    // Ours are spelled as in the language: `spot`.
    let is_known =
        |choice: &&str| known.iter().any(|it| *it == **choice || *it == *choice.to_uppercase());
    let other = choices.iter().filter(|choice| !is_known(choice) && **choice != "on_demand");
    other.map(|choice| format!("{schema}.{path} takes no `{choice}`")).collect()
}

#[test]
fn every_argument_has_its_place_in_an_api() {
    let types: Vec<&str> =
        NATIVE_TYPES.iter().filter(|ty| !ty.state_only).map(|ty| ty.name).collect();
    assert_eq!(types, API.iter().map(|(ty, _, _)| *ty).collect::<Vec<_>>());
    for (name, _, places) in API {
        let ty = NATIVE_TYPES.iter().find(|ty| ty.name == *name).expect("it was compared");
        let fields: BTreeSet<&str> = ty.fields.iter().map(|field| field.name).collect();
        assert_eq!(fields, places.iter().map(|(field, _)| *field).collect(), "{name}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn the_places_are_those_of_the_discovery_documents() {
    let Some(folder) = option_env!("DSENV_GOOGLE_DISCOVERY") else {
        eprintln!("SKIPPED: DSENV_GOOGLE_DISCOVERY names no folder of discovery documents");
        return;
    };
    let read = |name: &str| -> Json {
        let path = std::path::Path::new(folder).join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        serde_json::from_str(&text).expect("a document is JSON")
    };
    let mut documents: BTreeMap<&str, Json> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, own, places) in API {
        let ty = NATIVE_TYPES.iter().find(|ty| ty.name == *name).expect("it was compared");
        for (field, place) in places.iter().filter(|(_, place)| !place.starts_with('=')) {
            let (schema, path) = place.split_once(' ').unwrap_or((own, place));
            let (document, schema) = schema.split_once(':').expect("`document:Schema`");
            let document = documents.entry(document).or_insert_with(|| read(document));
            let field = ty.field(field).expect("it was compared");
            let found = check_place(document, schema, path, field);
            wrong.extend(found.into_iter().map(|found| format!("{name}.{}: {found}", field.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let compute = &documents["compute.v1"];
    assert!(follow(compute, "Instance", "scheduling.provisioningModl").is_err());
}
