//! What each native type is in Azure Resource Manager: which objects, of which API version, and where each
//! argument stands in their bodies.
//!
//! The live half writes bodies by these tables and reads them back by the same, and whoever plays ARM in
//! tests holds bodies to them; nothing is lowered twice. A path is steps with dots between; `[]` behind a step
//! is an entry of its list. An argument that is a list of offers (`sizes`, `zones`, `subnets`, `markets`,
//! `classes`) stands for the one that is taken.
//!
//! Paths and fixed values are compared with the published request schemas in a test.

mod compute;

use compute::{SCALE_SET, VIRTUAL_MACHINE};

/// What a native type is.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// The native type's name.
    pub native: &'static str,
    /// The objects that it is, in the order in which they are made; the first is the one with the id.
    pub objects: &'static [Object],
    /// Arguments that are in no body, and why.
    pub unsent: &'static [(&'static str, &'static str)],
}

/// One object of ARM.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Its type: `Microsoft.Compute/virtualMachines`.
    pub ty: &'static str,
    /// The version of the API that its body is of.
    pub api: &'static str,
    /// Where arguments stand in it.
    pub paths: &'static [(&'static str, &'static str)],
    /// What is always the same, as JSON.
    pub fixed: &'static [(&'static str, &'static str)],
    /// Why its body is compared with no schema; `None` when it is.
    pub unchecked: Option<&'static str>,
}

/// Returns what a native type is in ARM; `None` for one that lives in the state alone.
pub fn body(native: &str) -> Option<&'static Body> {
    BODIES.iter().find(|body| body.native == native)
}

const NO_SCHEMA: Option<&str> = Some("the published schemas at hand do not have this service");

const NETWORK_API: &str = "2025-07-01";
const COMPUTE_API: &str = "2025-11-01";
const STORAGE_API: &str = "2025-08-01";
const DNS_API: &str = "2024-06-01";

const fn object(
    ty: &'static str,
    api: &'static str,
    paths: &'static [(&'static str, &'static str)],
    fixed: &'static [(&'static str, &'static str)],
) -> Object {
    Object { ty, api, paths, fixed, unchecked: None }
}

const fn unchecked(
    ty: &'static str,
    api: &'static str,
    paths: &'static [(&'static str, &'static str)],
    fixed: &'static [(&'static str, &'static str)],
) -> Object {
    Object { ty, api, paths, fixed, unchecked: NO_SCHEMA }
}

const fn one(native: &'static str, objects: &'static [Object]) -> Body {
    Body { native, objects, unsent: &[] }
}

/// What makes an account that nobody reaches by a key, in the clear or anonymously.
const CLOSED_ACCOUNT: &[(&str, &str)] = &[
    ("properties.allowBlobPublicAccess", "false"),
    ("properties.allowSharedKeyAccess", "false"),
    ("properties.allowCrossTenantReplication", "false"),
    ("properties.defaultToOAuthAuthentication", "true"),
    ("properties.minimumTlsVersion", "\"TLS1_2\""),
];

const SERVER: &[(&str, &str)] = &[
    ("location", "location"),
    ("version", "properties.version"),
    ("classes", "sku.name"),
    ("classes", "sku.tier"),
    ("storage_gib", "properties.storage.storageSizeGB"),
    ("multi_zone", "properties.highAvailability.mode"),
    ("backup_days", "properties.backup.backupRetentionDays"),
    ("username", "properties.administratorLogin"),
    ("password", "properties.administratorLoginPassword"),
    ("subnet", "properties.network.delegatedSubnetResourceId"),
    ("tags", "tags"),
];

const SERVER_FIXED: &[(&str, &str)] = &[
    ("properties.createMode", "\"Default\""),
    ("properties.backup.geoRedundantBackup", "\"Disabled\""),
    ("properties.storage.autoGrow", "\"Disabled\""),
    ("properties.network.publicNetworkAccess", "\"Disabled\""),
];

/// Every native type that is in a subscription, by name.
pub const BODIES: &[Body] = &[
    one(
        "azure.application_group",
        &[object(
            "Microsoft.Network/applicationSecurityGroups",
            NETWORK_API,
            &[("location", "location"), ("tags", "tags")],
            &[],
        )],
    ),
    Body {
        native: "azure.attachment",
        objects: &[object(
            "Microsoft.Compute/virtualMachines",
            COMPUTE_API,
            &[
                ("disk", "properties.storageProfile.dataDisks[].managedDisk.id"),
                ("lun", "properties.storageProfile.dataDisks[].lun"),
            ],
            &[
                ("properties.storageProfile.dataDisks[].createOption", "\"Attach\""),
                ("properties.storageProfile.dataDisks[].deleteOption", "\"Detach\""),
            ],
        )],
        unsent: &[("machine", "it is whose body is changed")],
    },
    one(
        "azure.autoscale",
        &[unchecked(
            "Microsoft.Insights/autoscalesettings",
            "2022-10-01",
            &[
                ("location", "location"),
                ("target", "properties.targetResourceUri"),
                ("min", "properties.profiles[].capacity.minimum"),
                ("max", "properties.profiles[].capacity.maximum"),
                ("start", "properties.profiles[].capacity.default"),
                ("cpu_percent", "properties.profiles[].rules[].metricTrigger.threshold"),
                ("tags", "tags"),
            ],
            &[("properties.enabled", "true")],
        )],
    ),
    Body {
        native: "azure.bucket",
        objects: &[object(
            "Microsoft.Storage/storageAccounts/blobServices/containers",
            STORAGE_API,
            &[("account", "name"), ("container", "name")],
            &[("properties.publicAccess", "\"None\"")],
        )],
        unsent: &[("expected_gib", "it is for estimates")],
    },
    Body {
        native: "azure.database",
        objects: &[
            Object {
                ty: "Microsoft.DBforPostgreSQL/flexibleServers",
                api: "2025-08-01",
                paths: SERVER,
                fixed: SERVER_FIXED,
                unchecked: None,
            },
            object(
                "Microsoft.DBforPostgreSQL/flexibleServers",
                "2025-08-01",
                &[("dns_zone", "properties.network.privateDnsZoneArmResourceId")],
                &[("properties.authConfig.passwordAuth", "\"Enabled\"")],
            ),
            object(
                "Microsoft.DBforPostgreSQL/flexibleServers/databases",
                "2025-08-01",
                &[("database", "name")],
                &[],
            ),
            Object {
                ty: "Microsoft.DBforMySQL/flexibleServers",
                api: "2023-12-30",
                paths: SERVER,
                fixed: SERVER_FIXED,
                unchecked: None,
            },
            object(
                "Microsoft.DBforMySQL/flexibleServers",
                "2023-12-30",
                &[("dns_zone", "properties.network.privateDnsZoneResourceId")],
                &[],
            ),
            object(
                "Microsoft.DBforMySQL/flexibleServers/databases",
                "2023-12-30",
                &[("database", "name")],
                &[],
            ),
        ],
        unsent: &[("engine", "it chooses the service")],
    },
    one(
        "azure.disk",
        &[object(
            "Microsoft.Compute/disks",
            "2025-01-02",
            &[
                ("location", "location"),
                ("zones", "zones[]"),
                ("disk_class", "sku.name"),
                ("size_gib", "properties.diskSizeGB"),
                ("iops", "properties.diskIOPSReadWrite"),
                ("throughput_mib", "properties.diskMBpsReadWrite"),
                ("tags", "tags"),
            ],
            &[
                ("properties.creationData.createOption", "\"Empty\""),
                ("properties.networkAccessPolicy", "\"DenyAll\""),
                ("properties.publicNetworkAccess", "\"Disabled\""),
            ],
        )],
    ),
    one(
        "azure.dns_link",
        &[unchecked(
            "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
            DNS_API,
            &[
                ("zone", "name"),
                ("virtual_network", "properties.virtualNetwork.id"),
                ("tags", "tags"),
            ],
            &[("location", "\"global\""), ("properties.registrationEnabled", "false")],
        )],
    ),
    one(
        "azure.dns_zone",
        &[unchecked(
            "Microsoft.Network/privateDnsZones",
            DNS_API,
            &[("zone", "name"), ("tags", "tags")],
            &[("location", "\"global\"")],
        )],
    ),
    one(
        "azure.identity",
        &[object(
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "2024-11-30",
            &[("location", "location"), ("tags", "tags")],
            &[],
        )],
    ),
    one(
        "azure.mailbox",
        &[
            Object {
                ty: "Microsoft.Storage/storageAccounts",
                api: STORAGE_API,
                paths: &[("location", "location"), ("tags", "tags")],
                fixed: CLOSED_ACCOUNT,
                unchecked: None,
            },
            object(
                "Microsoft.Storage/storageAccounts",
                STORAGE_API,
                &[],
                &[
                    ("kind", "\"StorageV2\""),
                    ("sku.name", "\"Standard_LRS\""),
                    ("properties.supportsHttpsTrafficOnly", "true"),
                ],
            ),
            object(
                "Microsoft.Storage/storageAccounts/managementPolicies",
                STORAGE_API,
                &[(
                    "log_days",
                    "properties.policy.rules[].definition.actions.baseBlob.delete.daysAfterModificationGreaterThan",
                )],
                &[("properties.policy.rules[].type", "\"Lifecycle\"")],
            ),
            object(
                "Microsoft.Storage/storageAccounts/blobServices/containers",
                STORAGE_API,
                &[],
                &[("properties.publicAccess", "\"None\"")],
            ),
        ],
    ),
    one(
        "azure.nat_gateway",
        &[object(
            "Microsoft.Network/natGateways",
            NETWORK_API,
            &[
                ("location", "location"),
                ("zones", "zones[]"),
                ("address", "properties.publicIpAddresses[].id"),
                ("tags", "tags"),
            ],
            &[("sku.name", "\"Standard\"")],
        )],
    ),
    one(
        "azure.public_address",
        &[object(
            "Microsoft.Network/publicIPAddresses",
            NETWORK_API,
            &[("location", "location"), ("zones", "zones[]"), ("tags", "tags")],
            &[
                ("sku.name", "\"Standard\""),
                ("properties.publicIPAllocationMethod", "\"Static\""),
                ("properties.publicIPAddressVersion", "\"IPv4\""),
            ],
        )],
    ),
    Body {
        native: "azure.role_assignment",
        objects: &[unchecked(
            "Microsoft.Authorization/roleAssignments",
            "2022-04-01",
            &[("role_id", "properties.roleDefinitionId"), ("principal", "properties.principalId")],
            // A principal that was made a moment ago is not everywhere yet; without its kind, ARM looks.
            &[("properties.principalType", "\"ServicePrincipal\"")],
        )],
        unsent: &[("role", "the name is for people"), ("scope", "it is the way to the assignment")],
    },
    one("azure.scale_set", &[SCALE_SET]),
    one(
        "azure.security_group",
        &[object(
            "Microsoft.Network/networkSecurityGroups",
            NETWORK_API,
            &[
                ("location", "location"),
                ("rules", "properties.securityRules[].name"),
                ("rules", "properties.securityRules[].properties.sourceAddressPrefix"),
                ("rules", "properties.securityRules[].properties.destinationPortRange"),
                ("tags", "tags"),
            ],
            // And the last rule, which denies what the network's default lets in.
            &[
                ("properties.securityRules[].properties.priority", "4096"),
                ("properties.securityRules[].properties.direction", "\"Inbound\""),
                ("properties.securityRules[].properties.access", "\"Deny\""),
                ("properties.securityRules[].properties.protocol", "\"*\""),
            ],
        )],
    ),
    Body {
        native: "azure.security_rule",
        objects: &[object(
            "Microsoft.Network/networkSecurityGroups/securityRules",
            NETWORK_API,
            &[
                ("from_group", "properties.sourceApplicationSecurityGroups[].id"),
                ("port", "properties.destinationPortRange"),
                ("description", "properties.description"),
            ],
            &[
                ("properties.direction", "\"Inbound\""),
                ("properties.access", "\"Allow\""),
                ("properties.protocol", "\"Tcp\""),
                ("properties.sourcePortRange", "\"*\""),
                ("properties.destinationAddressPrefix", "\"*\""),
            ],
        )],
        unsent: &[("security_group", "it is the way to the rule")],
    },
    Body {
        native: "azure.settings",
        objects: &[],
        unsent: &[
            ("mailbox", "where the blobs are written"),
            ("environment", "in a blob"),
            ("services", "in a blob"),
            ("software", "in a blob"),
            ("buckets", "in a blob"),
            ("databases", "in a blob"),
            ("mounts", "in a blob"),
            ("people", "in a blob"),
            ("intact", "whether the blobs are as they were written"),
        ],
    },
    one(
        "azure.share",
        &[object(
            "Microsoft.Storage/storageAccounts/fileServices/shares",
            STORAGE_API,
            &[("account", "name"), ("share", "name"), ("quota_gib", "properties.shareQuota")],
            &[
                ("properties.enabledProtocols", "\"NFS\""),
                ("properties.rootSquash", "\"NoRootSquash\""),
            ],
        )],
    ),
    one(
        "azure.storage_account",
        &[
            Object {
                ty: "Microsoft.Storage/storageAccounts",
                api: STORAGE_API,
                paths: &[
                    ("location", "location"),
                    ("account_kind", "kind"),
                    ("sku", "sku.name"),
                    ("tls_only", "properties.supportsHttpsTrafficOnly"),
                    ("networks", "properties.networkAcls.virtualNetworkRules[].id"),
                    ("networks", "properties.networkAcls.defaultAction"),
                    ("immutable", "properties.immutableStorageWithVersioning.enabled"),
                    (
                        "immutable_days",
                        "properties.immutableStorageWithVersioning.immutabilityPolicy.immutabilityPeriodSinceCreationInDays",
                    ),
                    ("tags", "tags"),
                ],
                fixed: CLOSED_ACCOUNT,
                unchecked: None,
            },
            object(
                "Microsoft.Storage/storageAccounts/blobServices",
                STORAGE_API,
                &[("versioning", "properties.isVersioningEnabled")],
                &[],
            ),
            object(
                "Microsoft.Storage/storageAccounts/managementPolicies",
                STORAGE_API,
                &[
                    ("expire", "properties.policy.rules[].definition.filters.prefixMatch[]"),
                    (
                        "expire",
                        "properties.policy.rules[].definition.actions.baseBlob.delete.daysAfterModificationGreaterThan",
                    ),
                ],
                &[("properties.policy.rules[].type", "\"Lifecycle\"")],
            ),
        ],
    ),
    Body {
        native: "azure.subnet",
        objects: &[object(
            "Microsoft.Network/virtualNetworks/subnets",
            NETWORK_API,
            &[
                ("cidr", "properties.addressPrefix"),
                ("nat_gateway", "properties.natGateway.id"),
                ("security_group", "properties.networkSecurityGroup.id"),
                ("delegation", "properties.delegations[].properties.serviceName"),
                ("service_endpoints", "properties.serviceEndpoints[].service"),
                ("default_outbound", "properties.defaultOutboundAccess"),
            ],
            &[],
        )],
        unsent: &[("virtual_network", "it is the way to the subnet")],
    },
    one("azure.virtual_machine", &[VIRTUAL_MACHINE]),
    one(
        "azure.virtual_network",
        &[object(
            "Microsoft.Network/virtualNetworks",
            NETWORK_API,
            &[
                ("location", "location"),
                ("cidr", "properties.addressSpace.addressPrefixes[]"),
                ("tags", "tags"),
            ],
            &[],
        )],
    ),
];

#[cfg(test)]
mod tests;
