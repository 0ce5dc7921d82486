//! The vendors' lists in their documented shapes, with the prices of the book of the program, doubled at AWS.

use super::server::{Answer, Asked};
use dsenv_sdk::prices::{Book, Cloud, Decimal, Os, Purchase};

/// How many items a page of Azure has here.
pub(crate) const AZURE_PAGE: usize = 400;

/// Lists of us-east-1, westeurope and us-central1.
pub(crate) struct Lists {
    /// Every how many-th machine is in them.
    pub(crate) every: usize,
    /// By what prices are multiplied.
    pub(crate) times: i64,
}

impl Lists {
    pub(crate) fn new() -> Lists {
        Lists { every: 1, times: 1 }
    }

    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        self.answer_as(asked, "\"one\"")
    }

    /// The same; a file has this tag.
    pub(crate) fn answer_as(&self, asked: &Asked, tag: &str) -> Answer {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let text = |text: String| Answer::status(200, &text);
        match path {
            "/offers/v1.0/aws/index.json" => text(aws_index()),
            "/api/retail/prices" => text(self.azure(asked, query)),
            "/v1/services/6F81-5844-456A/skus" => text(gcp(query)),
            _ if path.ends_with("/region_index.json") => text(aws_regions(path)),
            _ if path.ends_with(".csv") => file(asked, self.aws_table(path).into_bytes(), tag),
            _ => Answer::status(404, "no such list"),
        }
    }

    /// What a machine costs in a region by this list.
    fn machines(&self, cloud: Cloud, region: &str) -> Vec<(String, Os, Purchase, Decimal)> {
        let book = Book::builtin();
        let mut machines = Vec::new();
        for purchase in Purchase::ALL.iter().copied() {
            for os in Os::ALL.iter().copied() {
                for ty in book.type_names(cloud) {
                    if let Some(it) = book.compute(cloud, region, ty, os, purchase) {
                        let price = it.price.decimal() * Decimal::from(self.times);
                        machines.push((ty.to_owned(), os, purchase, price));
                    }
                }
            }
        }
        machines.into_iter().step_by(self.every).collect()
    }

    fn aws_table(&self, path: &str) -> String {
        let service = path.split('/').nth(4).expect("a service");
        let mut text = format!(
            "\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"for information\"\n\"Publication Date\",\"2026-11-25T17:45:21Z\"\n\"Version\",\"20261125174521\"\n\"OfferCode\",\"{service}\"\n"
        );
        text += "\"SKU\",\"OfferTermCode\",\"RateCode\",\"TermType\",\"PriceDescription\",\"EffectiveDate\",\"StartingRange\",\"EndingRange\",\"Unit\",\"PricePerUnit\",\"Currency\",\"Product Family\",\"Location Type\",\"Instance Type\",\"Tenancy\",\"Operating System\",\"License Model\",\"usageType\",\"CapacityStatus\",\"MarketOption\",\"Pre Installed S/W\",\"Region Code\"\n";
        if service == "AmazonEC2" {
            let all = self.machines(Cloud::Aws, "us-east-1");
            for (ty, os, ..) in all.iter().filter(|it| it.2 == Purchase::OnDemand) {
                let (os_name, two) = (if *os == Os::Linux { "Linux" } else { "Windows" }, 2);
                let price = all
                    .iter()
                    .find(|it| it.0 == *ty && it.1 == *os && it.2 == Purchase::OnDemand)
                    .map(|it| it.3 * Decimal::from(two))
                    .expect("it is there");
                text += &format!(
                    "\"S\",\"JRTCKXETXF\",\"R\",\"OnDemand\",\"${price} per On Demand {os_name} {ty} Instance Hour\",\"2026-11-01\",\"0\",\"Inf\",\"Hrs\",\"{price}\",\"USD\",\"Compute Instance\",\"AWS Region\",\"{ty}\",\"Shared\",\"{os_name}\",\"No License required\",\"BoxUsage:{ty}\",\"Used\",\"OnDemand\",\"NA\",\"us-east-1\"\n"
                );
            }
        }
        // A table of databases has columns of its own.
        if service == "AmazonRDS" {
            text = text.replace(
                "\"Tenancy\",\"Operating System\"",
                "\"Database Engine\",\"Deployment Option\"",
            );
            text += "\"S\",\"J\",\"R\",\"OnDemand\",\"a server\",\"2026-11-01\",\"0\",\"Inf\",\"Hrs\",\"0.1980000000\",\"USD\",\"Database Instance\",\"AWS Region\",\"db.m7i.large\",\"PostgreSQL\",\"Single-AZ\",\"No license required\",\"InstanceUsage:db.m7i.large\",,,,\"us-east-1\"\n";
        }
        if service == "AmazonVPC" {
            text += "\"S\",\"J\",\"R\",\"OnDemand\",\"an address\",\"2026-11-01\",\"0\",\"Inf\",\"Hrs\",\"0.0050000000\",\"USD\",,\"AWS Region\",,,,,\"USE1-PublicIPv4:InUseAddress\",,,,\"us-east-1\"\n";
        }
        text
    }

    fn azure(&self, asked: &Asked, query: &str) -> String {
        assert!(query.contains("api-version=2023-01-01-preview"), "{query}");
        let filter = "%24filter=serviceName%20eq%20%27Virtual%20Machines%27";
        let filtered = query.replace('$', "%24").contains(filter);
        assert!(filtered && query.contains("westeurope"), "{query}");
        let skip: usize =
            query.rsplit_once("skip=").map_or(0, |(_, skip)| skip.parse().expect("a number"));
        let machines = self.machines(Cloud::Azure, "westeurope");
        let item = |(ty, os, purchase, price): &(String, Os, Purchase, Decimal)| {
            let short = ty.trim_start_matches("Standard_").replace('_', " ");
            let sku = if *purchase == Purchase::Spot { format!("{short} Spot") } else { short };
            let windows = if *os == Os::Windows { " Windows" } else { "" };
            format!(
                r#"{{"currencyCode":"USD","tierMinimumUnits":0.0,"retailPrice":{price},"unitPrice":{price},"armRegionName":"westeurope","location":"EU West","effectiveStartDate":"2026-08-01T00:00:00Z","meterId":"m","meterName":"{sku}","productId":"p","skuId":"s","productName":"Virtual Machines Series{windows}","skuName":"{sku}","serviceName":"Virtual Machines","serviceId":"v","serviceFamily":"Compute","unitOfMeasure":"1 Hour","type":"Consumption","isPrimaryMeterRegion":true,"armSkuName":"{ty}"}}"#
            )
        };
        let items: Vec<String> = machines.iter().skip(skip).take(AZURE_PAGE).map(item).collect();
        let host = asked.header("host").expect("a host");
        let bare = query.split("&$skip").next().expect("a query");
        let next = match skip + AZURE_PAGE < machines.len() {
            true => {
                format!("\"http://{host}/api/retail/prices?{bare}&$skip={}\"", skip + AZURE_PAGE)
            }
            false => "null".to_owned(),
        };
        format!(
            r#"{{"BillingCurrency":"USD","CustomerEntityId":"Default","CustomerEntityType":"Retail","Items":[{}],"NextPageLink":{next},"Count":{}}}"#,
            items.join(","),
            items.len()
        )
    }
}

fn aws_index() -> String {
    let offer = |service: &str| {
        format!(
            r#""{service}": {{"offerCode": "{service}", "versionIndexUrl": "/offers/v1.0/aws/{service}/index.json", "currentVersionUrl": "/offers/v1.0/aws/{service}/current/index.json", "currentRegionIndexUrl": "/offers/v1.0/aws/{service}/current/region_index.json"}}"#
        )
    };
    let offers: Vec<String> =
        ["AmazonEC2", "AmazonEFS", "AmazonRDS", "AmazonS3", "AmazonVPC"].map(offer).to_vec();
    let offers = offers.join(", ");
    format!(
        r#"{{"formatVersion": "v1.0", "disclaimer": "for information", "publicationDate": "2026-11-25T17:45:21Z", "offers": {{{offers}}}}}"#
    )
}

fn aws_regions(path: &str) -> String {
    let service = path.split('/').nth(4).expect("a service");
    format!(
        r#"{{"formatVersion": "v1.0", "disclaimer": "for information", "publicationDate": "2026-11-25T17:45:21Z", "regions": {{"us-east-1": {{"regionCode": "us-east-1", "currentVersionUrl": "/offers/v1.0/aws/{service}/20261125174521/us-east-1/index.json"}}}}}}"#
    )
}

/// Processors on the first page, memory on the second.
fn gcp(query: &str) -> String {
    let second = query.ends_with("pageToken=more%2B");
    let (what, unit, nanos, next) = match second {
        false => ("Core", "h", 31_611_000, "more+"),
        true => ("Ram", "GiBy.h", 4_237_000, ""),
    };
    format!(
        r#"{{"skus": [{{"name": "services/6F81-5844-456A/skus/x", "skuId": "x", "description": "N2 Instance {what} running in Americas", "category": {{"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute", "resourceGroup": "CPU", "usageType": "OnDemand"}}, "serviceRegions": ["us-central1", "us-east1"], "pricingInfo": [{{"effectiveTime": "2026-11-30T08:00:00Z", "summary": "", "pricingExpression": {{"usageUnit": "{unit}", "usageUnitDescription": "u", "baseUnit": "s", "displayQuantity": 1, "tieredRates": [{{"startUsageAmount": 0, "unitPrice": {{"currencyCode": "USD", "units": "0", "nanos": {nanos}}}}}]}}, "currencyConversionRate": 1}}], "serviceProviderName": "Google"}}], "nextPageToken": "{next}"}}"#
    )
}

/// A file, or the part of it that is asked for if it is still the same one.
fn file(asked: &Asked, body: Vec<u8>, tag: &str) -> Answer {
    let whole = |body| Answer { body, ..Answer::status(200, "") };
    let from = asked.header("range").and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-'));
    let from: Option<usize> = from.map(|from| from.parse().expect("a number"));
    let same = asked.header("if-range") == Some(tag);
    let answer = match from.filter(|_| same) {
        None => whole(body),
        Some(from) if from >= body.len() => {
            Answer::status(416, "").with("content-range", &format!("bytes */{}", body.len()))
        }
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            let part = Answer { status: 206, ..whole(body[from..].to_vec()) };
            part.with("content-range", &range)
        }
    };
    answer.with("etag", tag)
}
