"""What exists in the account, for tests that compare it with a blueprint: asked of moto itself by
boto3, so that nothing of dsenv has a hand in it. What every account has is left out."""

import json
import boto3


class Lazy:
    """A client that is made when it is used: to make all of them takes seconds."""

    def __init__(self, service):
        self.service = service

    def __getattr__(self, name):
        if name == "client":
            self.client = boto3.client(self.service)
            return self.client
        return getattr(self.client, name)


ec2, rds, iam, s3, ssm = map(Lazy, ["ec2", "rds", "iam", "s3", "ssm"])
autoscaling, efs = map(Lazy, ["autoscaling", "efs"])


def tags(listed):
    return {tag["Key"]: tag["Value"] for tag in listed or []}


def ours(listed):
    return "dsenv:token" in tags(listed)


def paged(client, call, key, **params):
    found = []
    for page in client.get_paginator(call).paginate(**params):
        found += page[key]
    return found


def absent(call, **params):
    """The answer, or nothing where S3 says that there is no such setting."""
    try:
        answer = call(**params)
        answer.pop("ResponseMetadata", None)
        return answer
    except s3.exceptions.ClientError:
        return None


def instances():
    found = []
    for reservation in paged(ec2, "describe_instances", "Reservations"):
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] not in ("terminated", "shutting-down"):
                data = ec2.describe_instance_attribute(
                    InstanceId=instance["InstanceId"], Attribute="userData")
                found.append({
                    "id": instance["InstanceId"],
                    "type": instance["InstanceType"],
                    "state": instance["State"]["Name"],
                    "subnet": instance["SubnetId"],
                    "public": instance.get("PublicIpAddress"),
                    "tokens": instance.get("MetadataOptions", {}).get("HttpTokens"),
                    "profile": instance.get("IamInstanceProfile", {}).get("Arn"),
                    "groups": [group["GroupId"] for group in
                               instance["NetworkInterfaces"][0]["Groups"]],
                    "tags": tags(instance.get("Tags")),
                    "group": tags(instance.get("Tags")).get("aws:autoscaling:groupName"),
                    "user_data": data.get("UserData", {}).get("Value"),
                })
    return found


def volumes():
    # moto keeps the disk of a member that its group has terminated, whatever the disk's own wish.
    alive = [instance["id"] for instance in instances()]
    return [{"id": it["VolumeId"], "gib": it["Size"], "encrypted": it["Encrypted"],
             "type": it["VolumeType"], "zone": it["AvailabilityZone"],
             "attached": [a["InstanceId"] for a in it["Attachments"]]}
            for it in paged(ec2, "describe_volumes", "Volumes")
            if not it["Attachments"] or it["Attachments"][0]["InstanceId"] in alive]


def file_systems():
    found = {}
    for it in paged(efs, "describe_file_systems", "FileSystems"):
        name = it["FileSystemId"]
        targets = efs.describe_mount_targets(FileSystemId=name)["MountTargets"]
        found[name] = {
            "encrypted": it["Encrypted"], "tags": tags(it["Tags"]),
            "targets": {t["SubnetId"]: efs.describe_mount_target_security_groups(
                MountTargetId=t["MountTargetId"])["SecurityGroups"] for t in targets},
        }
    return found


def rules():
    found = []
    for rule in paged(ec2, "describe_security_group_rules", "SecurityGroupRules"):
        if not rule["IsEgress"] and ours(rule.get("Tags")):
            found.append({"id": rule["SecurityGroupRuleId"], "group": rule["GroupId"],
                          "port": rule["ToPort"], "cidr": rule.get("CidrIpv4"),
                          "from": rule.get("ReferencedGroupInfo", {}).get("GroupId")})
    return found


def open_to_the_world():
    """Every rule of any group of ours that lets somebody in from everywhere, whoever made it."""
    groups = [g["GroupId"] for g in paged(ec2, "describe_security_groups", "SecurityGroups")
              if ours(g.get("Tags"))]
    return [rule["GroupId"] for rule in
            paged(ec2, "describe_security_group_rules", "SecurityGroupRules")
            if rule["GroupId"] in groups and not rule["IsEgress"]
            and (rule.get("CidrIpv4") == "0.0.0.0/0" or rule.get("CidrIpv6") == "::/0")]


def buckets():
    found = {}
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        block = absent(s3.get_public_access_block, Bucket=name)
        policy = absent(s3.get_bucket_policy, Bucket=name)
        life = absent(s3.get_bucket_lifecycle_configuration, Bucket=name)
        encryption = absent(s3.get_bucket_encryption, Bucket=name)
        found[name] = {
            "tags": tags((absent(s3.get_bucket_tagging, Bucket=name) or {}).get("TagSet")),
            "versioning": s3.get_bucket_versioning(Bucket=name).get("Status"),
            "block": block and block["PublicAccessBlockConfiguration"],
            "policy": policy and policy["Policy"],
            "rules": (life or {}).get("Rules", []),
            "encryption": encryption and encryption["ServerSideEncryptionConfiguration"]["Rules"]
            [0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        }
    return found


def databases():
    keep = ["DBInstanceIdentifier", "Engine", "EngineVersion", "DBInstanceClass", "MultiAZ",
            "StorageEncrypted", "DeletionProtection", "BackupRetentionPeriod",
            "AllocatedStorage", "PubliclyAccessible", "DBName", "MasterUsername"]
    found = []
    for it in paged(rds, "describe_db_instances", "DBInstances"):
        row = {key: it.get(key) for key in keep}
        row["groups"] = [g["VpcSecurityGroupId"] for g in it["VpcSecurityGroups"]]
        row["subnets"] = [s["SubnetIdentifier"] for s in it["DBSubnetGroup"]["Subnets"]]
        row["tags"] = tags(it.get("TagList"))
        found.append(row)
    return found


def groups():
    found = []
    for it in paged(autoscaling, "describe_auto_scaling_groups", "AutoScalingGroups"):
        policy = it.get("MixedInstancesPolicy", {})
        found.append({
            "name": it["AutoScalingGroupName"],
            "sizes": [it["MinSize"], it["DesiredCapacity"], it["MaxSize"]],
            "instances": [i["InstanceId"] for i in it["Instances"]],
            "subnets": sorted(it["VPCZoneIdentifier"].split(",")),
            "rebalance": it.get("CapacityRebalance"),
            "distribution": policy.get("InstancesDistribution"),
            "types": [o["InstanceType"] for o in
                      policy.get("LaunchTemplate", {}).get("Overrides", [])],
            "tags": tags(it.get("Tags")),
        })
    return found


def roles():
    found = {}
    for role in paged(iam, "list_roles", "Roles"):
        if role["Path"].startswith("/dsenv/"):
            name = role["RoleName"]
            policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
            found[name] = {
                "policies": {it: iam.get_role_policy(RoleName=name, PolicyName=it)
                             ["PolicyDocument"] for it in policies},
                "attached": iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
            }
    return found


def parameters():
    # AWS's own, which moto lists too, stand below /aws.
    found = paged(ssm, "describe_parameters", "Parameters")
    return {it["Name"]: it["Type"] for it in found if it["Name"].startswith("/dsenv/")}


def of_ours(call, key, identity):
    return [it[identity] for it in paged(ec2, call, key) if ours(it.get("Tags"))]


def look():
    nat = paged(ec2, "describe_nat_gateways", "NatGateways")
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    return {
        "vpcs": of_ours("describe_vpcs", "Vpcs", "VpcId"),
        "subnets": {it["SubnetId"]: {"zone": it["AvailabilityZone"], "cidr": it["CidrBlock"]}
                    for it in paged(ec2, "describe_subnets", "Subnets") if ours(it.get("Tags"))},
        "internet gateways": of_ours("describe_internet_gateways", "InternetGateways",
                                     "InternetGatewayId"),
        "NAT gateways": [it["NatGatewayId"] for it in nat if it["State"] != "deleted"],
        "addresses": [it["AllocationId"] for it in ec2.describe_addresses()["Addresses"]],
        "route tables": of_ours("describe_route_tables", "RouteTables", "RouteTableId"),
        "endpoints": [it["VpcEndpointId"] for it in endpoints if it["State"] != "deleted"],
        "security groups": of_ours("describe_security_groups", "SecurityGroups", "GroupId"),
        "rules": rules(),
        "open to the world": open_to_the_world(),
        "instances": instances(),
        "volumes": volumes(),
        "file systems": file_systems(),
        "templates": of_ours("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
        "groups": groups(),
        "buckets": buckets(),
        "databases": databases(),
        "subnet groups": [it["DBSubnetGroupName"] for it in
                          paged(rds, "describe_db_subnet_groups", "DBSubnetGroups")],
        "parameter groups": [it["DBParameterGroupName"] for it in
                             paged(rds, "describe_db_parameter_groups", "DBParameterGroups")
                             if not it["DBParameterGroupName"].startswith("default.")],
        "roles": roles(),
        "profiles": [it["InstanceProfileName"] for it in
                     paged(iam, "list_instance_profiles", "InstanceProfiles")],
        "parameters": parameters(),
    }


def show(value):
    print(json.dumps(value, default=str))
