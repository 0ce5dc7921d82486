//! Where the arguments of machines and of scale sets stand.

use super::{COMPUTE_API, Object, object};

pub(super) const VIRTUAL_MACHINE: Object = object(
    "Microsoft.Compute/virtualMachines",
    COMPUTE_API,
    &[
        ("location", "location"),
        ("sizes", "properties.hardwareProfile.vmSize"),
        (
            "subnets",
            "properties.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.subnet.id",
        ),
        ("zones", "zones[]"),
        ("image", "properties.storageProfile.imageReference"),
        ("disk_gib", "properties.storageProfile.osDisk.diskSizeGB"),
        ("disk_class", "properties.storageProfile.osDisk.managedDisk.storageAccountType"),
        (
            "security_group",
            "properties.networkProfile.networkInterfaceConfigurations[].properties.networkSecurityGroup.id",
        ),
        (
            "application_group",
            "properties.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.applicationSecurityGroups[].id",
        ),
        ("identity", "identity.userAssignedIdentities"),
        // Custom data: the agent, and where its settings are.
        ("settings", "properties.osProfile.customData"),
        (
            "public",
            "properties.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.publicIPAddressConfiguration",
        ),
        ("name", "properties.osProfile.computerName"),
        ("markets", "properties.priority"),
        ("eviction", "properties.evictionPolicy"),
        ("spot_max_price", "properties.billingProfile.maxPrice"),
        ("open", "tags"),
        ("ports", "tags"),
        ("tags", "tags"),
    ],
    &[
        ("identity.type", "\"UserAssigned\""),
        ("properties.storageProfile.osDisk.createOption", "\"FromImage\""),
        ("properties.storageProfile.osDisk.deleteOption", "\"Delete\""),
        (
            "properties.networkProfile.networkInterfaceConfigurations[].properties.deleteOption",
            "\"Delete\"",
        ),
        (
            "properties.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.publicIPAddressConfiguration.properties.publicIPAllocationMethod",
            "\"Static\"",
        ),
        (
            "properties.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.publicIPAddressConfiguration.properties.deleteOption",
            "\"Delete\"",
        ),
        (
            "properties.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.publicIPAddressConfiguration.sku.name",
            "\"Standard\"",
        ),
        // ARM wants a key of somebody: the live half makes one and forgets its private half.
        ("properties.osProfile.adminUsername", "\"dsenv\""),
        ("properties.osProfile.linuxConfiguration.disablePasswordAuthentication", "true"),
    ],
);

pub(super) const SCALE_SET: Object = object(
    "Microsoft.Compute/virtualMachineScaleSets",
    COMPUTE_API,
    &[
        ("location", "location"),
        // `sku.name` is `Mix` when there are several, else the size.
        ("sizes", "sku.name"),
        ("sizes", "properties.skuProfile.vmSizes[].name"),
        (
            "subnet",
            "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.subnet.id",
        ),
        ("zones", "zones[]"),
        ("image", "properties.virtualMachineProfile.storageProfile.imageReference"),
        ("disk_gib", "properties.virtualMachineProfile.storageProfile.osDisk.diskSizeGB"),
        (
            "disk_class",
            "properties.virtualMachineProfile.storageProfile.osDisk.managedDisk.storageAccountType",
        ),
        (
            "security_group",
            "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations[].properties.networkSecurityGroup.id",
        ),
        (
            "application_group",
            "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.applicationSecurityGroups[].id",
        ),
        ("identity", "identity.userAssignedIdentities"),
        ("settings", "properties.virtualMachineProfile.osProfile.customData"),
        (
            "public",
            "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations[].properties.ipConfigurations[].properties.publicIPAddressConfiguration",
        ),
        ("name", "properties.virtualMachineProfile.osProfile.computerNamePrefix"),
        ("capacity", "sku.capacity"),
        ("priority", "properties.virtualMachineProfile.priority"),
        ("on_demand_base", "properties.priorityMixPolicy.baseRegularPriorityCount"),
        ("on_demand_percent", "properties.priorityMixPolicy.regularPriorityPercentageAboveBase"),
        ("eviction", "properties.virtualMachineProfile.evictionPolicy"),
        ("spot_max_price", "properties.virtualMachineProfile.billingProfile.maxPrice"),
        ("tags", "tags"),
    ],
    &[
        ("identity.type", "\"UserAssigned\""),
        ("properties.orchestrationMode", "\"Flexible\""),
        ("properties.platformFaultDomainCount", "1"),
        ("properties.singlePlacementGroup", "false"),
        // Where there are several sizes.
        ("properties.skuProfile.allocationStrategy", "\"CapacityOptimized\""),
        ("properties.virtualMachineProfile.storageProfile.osDisk.createOption", "\"FromImage\""),
        ("properties.virtualMachineProfile.storageProfile.osDisk.deleteOption", "\"Delete\""),
        ("properties.virtualMachineProfile.networkProfile.networkApiVersion", "\"2022-11-01\""),
        ("properties.virtualMachineProfile.osProfile.adminUsername", "\"dsenv\""),
        (
            "properties.virtualMachineProfile.osProfile.linuxConfiguration.disablePasswordAuthentication",
            "true",
        ),
    ],
);
