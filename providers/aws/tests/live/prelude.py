"""What every script of these tests starts with: clients that are made when they are used, and `show`."""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


class Lazy:
    """A client that is made when it is used: to make all of them takes seconds."""

    def __init__(self, service):
        self.service = service

    def __getattr__(self, name):
        if name == "client":
            config = Config(retries={"total_max_attempts": 1})
            self.client = boto3.client(self.service, config=config)
            return self.client
        return getattr(self.client, name)


autoscaling, ec2, efs, iam, rds = map(Lazy, ["autoscaling", "ec2", "efs", "iam", "rds"])
s3, ssm = map(Lazy, ["s3", "ssm"])


def show(value):
    print(json.dumps(value))


def tag(value):
    return [{"Name": "tag:dsenv:environment", "Values": [value]}]


def instances(environment):
    """The instances of an environment that run, or are about to."""
    states = ["pending", "running", "stopping", "stopped"]
    filters = tag(environment) + [{"Name": "instance-state-name", "Values": states}]
    pages = ec2.describe_instances(Filters=filters)["Reservations"]
    return [instance for page in pages for instance in page["Instances"]]


