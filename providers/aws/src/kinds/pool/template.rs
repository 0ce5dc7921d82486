//! `aws.launch_template`: how a member of a pool is launched. A change is another version.

use crate::clients::Aws;
use crate::ec2::{self, filters, pages, specification};
use crate::failure::{failed, not_visible_yet};
use crate::kinds::{TAGS, launch};
use crate::object::{
    Actions, Change, Live, Make, Object, Remove, Select, Stage, Tags, in_our_own_way, tags_of,
    text, unnamed, values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_ec2::operation::describe_launch_templates::builders::DescribeLaunchTemplatesFluentBuilder;
use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
    LaunchTemplateTagSpecificationRequest, RequestLaunchTemplateData, ResourceType, Tag,
};
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::{Attribute, Class, Field, NativeType, ReplaceOrder, Type};
use dsenv_sdk::value::Value;
use futures::future::try_join_all;

/// How a member is launched.
pub(crate) const LAUNCH_TEMPLATE: NativeType = NativeType {
    name: "aws.launch_template",
    doc: "How a member of a pool is launched.",
    fields: &[
        launch::IMAGE,
        launch::ROOT,
        Field::new("instance_type", Type::Text, "The type, where the group names none.")
            .class(Class::Scale),
        Field::new("groups", Type::List(&Type::Text), "Its security groups.")
            .required()
            .unordered()
            .class(Class::Bind),
        launch::PROFILE,
        launch::SETTINGS_BUCKET,
        launch::SETTINGS_PARAMETER,
        launch::DISK,
        launch::DISK_CLASS,
        Field::new("name", Type::Text, "What members call themselves.").kept(),
        Field::new("public", Type::Bool, "Whether members have public addresses.")
            .required()
            .class(Class::Policy),
        TAGS,
    ],
    attributes: &[
        Attribute::new("id", "Its id."),
        Attribute::new("version", "The version that is in force.").changes(),
    ],
    replace: ReplaceOrder::CreateFirst,
    state_only: false,
    holds_data: false,
};

pub(crate) struct LaunchTemplate;

impl LaunchTemplate {
    fn live(template: &aws_sdk_ec2::types::LaunchTemplate) -> Live {
        let id = template.launch_template_id().unwrap_or_default();
        // The newest version is the one in force: somebody who sets another default has made drift.
        let default = template.default_version_number();
        let values = values([("id", text(Some(id))), ("version", version(default))]);
        let tags = tags_in!(template.tags());
        Live { remote_id: id.to_owned(), tags, stage: Stage::Ready, values }
    }

    async fn all(
        request: DescribeLaunchTemplatesFluentBuilder,
    ) -> Result<Vec<aws_sdk_ec2::types::LaunchTemplate>, OpError> {
        Ok(pages!("looking at launch templates", request, launch_templates))
    }

    /// Tells what the version says that is in force: a hand may have put one of its own there.
    async fn tell(aws: &Aws, live: &mut Live) -> Result<(), OpError> {
        let id = &live.remote_id;
        let request = aws.ec2.describe_launch_template_versions().launch_template_id(id);
        let reply = match request.versions("$Default").send().await {
            Ok(reply) => reply,
            Err(error) => {
                let error = failed(&format!("looking at launch template {id}"), error);
                // It has gone meanwhile.
                return if error.class == OpErrorClass::NotFound { Ok(()) } else { Err(error) };
            }
        };
        let version = reply.launch_template_versions().first();
        let Some(data) = version.and_then(|version| version.launch_template_data()) else {
            return Ok(());
        };
        let interface = data.network_interfaces().first();
        let mut groups = interface.map(|it| it.groups().to_vec()).unwrap_or_default();
        groups.sort();
        let disk = data.block_device_mappings().first().and_then(|disk| disk.ebs());
        let gib = disk.and_then(|ebs| ebs.volume_size());
        let class = disk.and_then(|ebs| ebs.volume_type()).map(|class| class.as_str());
        let class = class.filter(|class| *class != launch::ROOT_CLASS);
        let profile = data.iam_instance_profile().and_then(|profile| profile.name());
        let public = interface.and_then(|it| it.associate_public_ip_address());
        // What is not there is told too: it may have been there before.
        let told = |text: Option<&str>| Some(text.map_or(Value::Null, Value::text));
        live.values.extend(values([
            ("image", told(data.image_id())),
            ("instance_type", told(data.instance_type().map(|ty| ty.as_str()))),
            ("groups", Some(Value::List(groups.into_iter().map(Value::Text).collect()))),
            ("profile", told(profile)),
            ("disk_gib", Some(gib.map_or(Value::Null, |gib| Value::Int(gib.into())))),
            ("disk_class", told(class)),
            ("public", Some(Value::Bool(public.unwrap_or(false)))),
        ]));
        Ok(())
    }

    fn data(aws: &Aws, make: Make<'_>) -> Result<RequestLaunchTemplateData, OpError> {
        let member = |of: ResourceType| {
            let tags = tags::all(aws, make.addr, MEMBER, make.token, tags_of(make.args));
            let tags = tags.into_iter().map(|(k, v)| Tag::builder().key(k).value(v).build());
            LaunchTemplateTagSpecificationRequest::builder()
                .resource_type(of)
                .set_tags(Some(tags.collect()))
                .build()
        };
        let interface = LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
            .device_index(0)
            .set_groups(Some(make.texts("groups")))
            .associate_public_ip_address(make.flag("public"))
            .delete_on_termination(true)
            .build();
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_put_response_hop_limit(1)
            .build();
        let profile = make.arg("profile").and_then(Value::as_text).map(|name| {
            LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build()
        });
        let mut data = RequestLaunchTemplateData::builder()
            .image_id(make.text("image")?)
            .set_instance_type(
                make.arg("instance_type").and_then(Value::as_text).map(InstanceType::from),
            )
            .network_interfaces(interface)
            .metadata_options(metadata)
            .set_iam_instance_profile(profile)
            .set_user_data(launch::user_data(aws, make)?)
            .tag_specifications(member(ResourceType::Instance))
            .tag_specifications(member(ResourceType::Volume));
        if let Some(disk) = launch::root_disk(make) {
            let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
                .volume_size(disk.gib)
                .volume_type(disk.class)
                .encrypted(true)
                .delete_on_termination(true)
                .build();
            data = data.block_device_mappings(
                LaunchTemplateBlockDeviceMappingRequest::builder()
                    .device_name(disk.device)
                    .ebs(ebs)
                    .build(),
            );
        }
        Ok(data.build())
    }
}

/// What the tags of a member say that it is: no object of the plan, and gone with its group.
pub(crate) const MEMBER: &str = "aws.member";

fn version(number: Option<i64>) -> Option<Value> {
    number.map(|number| Value::Text(number.to_string()))
}

#[async_trait]
impl Object for LaunchTemplate {
    fn ty(&self) -> &'static NativeType {
        &LAUNCH_TEMPLATE
    }

    fn actions(&self) -> Actions {
        Actions {
            look: &["ec2:DescribeLaunchTemplates"],
            create: &["ec2:CreateLaunchTemplate", "ec2:CreateTags"],
            update: &[
                "ec2:CreateLaunchTemplateVersion",
                "ec2:CreateTags",
                "ec2:DeleteTags",
                "ec2:ModifyLaunchTemplate",
            ],
            delete: &["ec2:DeleteLaunchTemplate"],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let request = aws.ec2.describe_launch_templates();
        // This call knows no filter by id, and takes one id that is gone for a mistake.
        let request = match select {
            Select::Ids([id]) => request.launch_template_ids(*id),
            Select::Ids(_) => request.set_filters(Some(filters(aws, Select::Owner(None), ""))),
            other => request.set_filters(Some(filters(aws, other, ""))),
        };
        let found = match LaunchTemplate::all(request).await {
            Err(error) if error.class == OpErrorClass::NotFound => Vec::new(),
            found => found?,
        };
        let mut found: Vec<Live> = found.iter().map(LaunchTemplate::live).collect();
        found.retain(|live| match select {
            Select::Ids(ids) => ids.contains(&&*live.remote_id),
            Select::Owner(_) | Select::Token(_) => true,
        });
        // An inventory asks whose they are, and not how.
        if !matches!(select, Select::Owner(_)) {
            try_join_all(found.iter_mut().map(|live| LaunchTemplate::tell(aws, live))).await?;
        }
        Ok(found)
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let tags = tags::all(aws, make.addr, LAUNCH_TEMPLATE.name, make.token, tags_of(make.args));
        let request = aws
            .ec2
            .create_launch_template()
            .launch_template_name(tags::unique_name(&aws.owner, make.addr, make.token, 128))
            .launch_template_data(LaunchTemplate::data(aws, make)?)
            .client_token(make.token.as_str())
            .tag_specifications(specification(ResourceType::LaunchTemplate, &tags));
        match request.send().await {
            Ok(reply) => {
                let template = reply.launch_template().ok_or_else(|| unnamed("template"))?;
                Ok(Live { tags, ..LaunchTemplate::live(template) })
            }
            Err(error) => {
                let error = not_visible_yet(failed("creating a launch template", error));
                if error.class != OpErrorClass::Conflict {
                    return Err(error);
                }
                let known = self.list(aws, Select::Token(make.token)).await?.into_iter().next();
                known.ok_or_else(|| in_our_own_way(make, error))
            }
        }
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let (id, make) = (&change.observed.remote_id, change.make);
        let doing = format!("changing {id}");
        let request = aws
            .ec2
            .create_launch_template_version()
            .launch_template_id(id)
            .launch_template_data(LaunchTemplate::data(aws, make)?);
        let reply = request.send().await.map_err(|e| failed(&doing, e))?;
        let number = reply.launch_template_version().and_then(|version| version.version_number());
        let Some(number) = number else {
            return Err(OpError::new(OpErrorClass::Unknown, "the answer names no version"));
        };
        let request = aws.ec2.modify_launch_template().launch_template_id(id);
        let request = request.default_version(number.to_string());
        request.send().await.map_err(|e| failed(&doing, e))?;
        ec2::retag(aws, id, &tags_of(change.prior_args), &tags_of(make.args)).await?;
        Ok(None)
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        let request = aws.ec2.delete_launch_template().launch_template_id(remove.remote_id());
        request.send().await.map_err(|e| failed("deleting a launch template", e))?;
        Ok(true)
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        ec2::tag(aws, remote_id, tags).await
    }
}
