//! What is asked of each vendor, page by page and table by table.
//!
//! Each function goes on with what the folder of an earlier run has, and returns figures with what they are
//! whole about.

use super::http::Client;
use super::partial::Partial;
use super::{FetchError, Gathered, Say, Skipped};
use crate::world::World;
use dsenv_sdk::prices::compile::Shelf;
use dsenv_sdk::prices::lists::{self, Figure, aws, azure, gcp};
use dsenv_sdk::prices::{Book, Cloud, Date, Os, Purchase};

/// Where each vendor's interface is.
pub(super) fn origin(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Aws => "https://pricing.us-east-1.amazonaws.com",
        Cloud::Azure => "https://prices.azure.com",
        Cloud::Gcp => "https://cloudbilling.googleapis.com",
    }
}

/// The variable that holds the key for the Cloud Billing Catalog.
pub(super) const KEY_VARIABLE: &str = "GOOGLE_API_KEY";

/// An index or a page is a few megabytes; one that is larger is not one.
const PAGE_BYTES_MAX: u64 = 64 << 20;

/// A list has no more pages; one that has goes in a circle.
const PAGES_MAX: usize = 2_000;

/// What all three need.
pub(super) struct Asking<'a> {
    pub(super) world: &'a dyn World,
    pub(super) client: Client<'a>,
    pub(super) partial: Partial<'a>,
    pub(super) book: &'a Book,
    /// The origin that is asked in the place of the vendors', without a `/` at its end.
    pub(super) from: Option<String>,
    /// The day of what has no day of its own.
    pub(super) today: Date,
}

impl Asking<'_> {
    fn url(&self, cloud: Cloud, path: &str) -> String {
        format!("{}{path}", self.from.as_deref().unwrap_or(origin(cloud)))
    }

    async fn text(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        say: &mut Say<'_>,
    ) -> Result<Vec<u8>, FetchError> {
        self.client.text(url, headers, PAGE_BYTES_MAX, say).await
    }

    /// The tables of AWS: of each service, of each of these regions.
    pub(super) async fn aws(
        &self,
        regions: &[String],
        gathered: &mut Gathered,
        say: &mut Say<'_>,
    ) -> Result<(), FetchError> {
        let index_url = self.url(Cloud::Aws, "/offers/v1.0/aws/index.json");
        let index = self.text(&index_url, &[], say).await?;
        for service in aws::SERVICES {
            let read = aws::region_index(&index, service);
            let path = read.map_err(|error| FetchError::list(&index_url, error))?;
            let url = self.url(Cloud::Aws, &path);
            let tables = aws::tables(&self.text(&url, &[], say).await?);
            let tables = tables.map_err(|error| FetchError::list(&url, error))?;
            for region in regions {
                let Some(path) = tables.get(region) else {
                    let what = format!("{service} in {region}");
                    gathered.skipped.push(Skipped { what, why: "it is not in its index".into() });
                    continue;
                };
                say(&format!("aws {service} {region}\n"));
                let figures = self.aws_table(service, region, path, gathered, say).await?;
                if *service == "AmazonEC2" {
                    gathered.whole(Cloud::Aws, region, &[Purchase::OnDemand], &figures);
                }
                gathered.figures.extend(figures);
            }
        }
        let what = "spot prices of aws".to_owned();
        let why = "their history is behind credentials; those of the book stay".to_owned();
        gathered.skipped.push(Skipped { what, why });
        Ok(())
    }

    /// One table: fetched, read, and kept as figures; the file itself goes.
    async fn aws_table(
        &self,
        service: &str,
        region: &str,
        path: &str,
        gathered: &mut Gathered,
        say: &mut Say<'_>,
    ) -> Result<Vec<Figure>, FetchError> {
        let name = path.trim_start_matches('/').replace('/', "_");
        let kept = format!("{name}.figures");
        if let Some(text) = self.partial.get(&kept)?
            && let Ok(figures) = lists::kept(&text)
        {
            return Ok(figures);
        }
        let url = self.url(Cloud::Aws, path);
        let download = format!("{name}.download");
        let file = self.partial.path(&download);
        gathered.bytes += self.client.download(&url, &file, say).await?;
        let opened = self.world.disk().open_read(&file)?;
        let mut table = opened.expect("it was just fetched");
        let figures = aws::prices(&mut table, service, region, self.book);
        drop(table);
        let figures = match figures {
            Ok(figures) => figures,
            // What cannot be read must not be gone on with.
            Err(error) => {
                self.partial.remove(&download)?;
                return Err(FetchError::list(&url, error));
            }
        };
        self.partial.put(&kept, &lists::keep(&figures))?;
        self.partial.remove(&download)?;
        self.partial.remove(&format!("{name}.etag"))?;
        Ok(figures)
    }

    /// The pages of Azure, of each of these regions.
    pub(super) async fn azure(
        &self,
        regions: &[String],
        gathered: &mut Gathered,
        say: &mut Say<'_>,
    ) -> Result<(), FetchError> {
        for region in regions {
            say(&format!("azure {region}\n"));
            let filter = format!(
                "serviceName eq 'Virtual Machines' and armRegionName eq '{region}' and priceType eq 'Consumption'"
            );
            let filter = filter.replace(' ', "%20").replace('\'', "%27");
            let path = format!(
                "/api/retail/prices?api-version=2023-01-01-preview&meterRegion=%27primary%27&$filter={filter}"
            );
            let mut figures = Vec::new();
            let mut next = Some(self.url(Cloud::Azure, &path));
            let mut pages = 0;
            while let Some(url) = next {
                if pages == PAGES_MAX {
                    let why = format!("it has more than {PAGES_MAX} pages");
                    return Err(FetchError::Answer { url, why });
                }
                let kept = format!("azure-{region}-{pages:04}.page");
                let page;
                (page, next) = self.azure_page(&kept, &url, gathered, say).await?;
                figures.extend(page);
                pages += 1;
            }
            if figures.is_empty() {
                let what = format!("azure {region}");
                gathered.skipped.push(Skipped { what, why: "its list has no machine".to_owned() });
            }
            let both = [Purchase::OnDemand, Purchase::Spot];
            gathered.whole(Cloud::Azure, region, &both, &figures);
            gathered.figures.extend(figures);
        }
        Ok(())
    }

    /// One page: its figures, and where the next one is.
    async fn azure_page(
        &self,
        kept: &str,
        url: &str,
        gathered: &mut Gathered,
        say: &mut Say<'_>,
    ) -> Result<(Vec<Figure>, Option<String>), FetchError> {
        if let Some(text) = self.partial.get(kept)?
            && let Some((next, figures)) = text.split_once('\n')
            && let Ok(figures) = lists::kept(figures)
        {
            let next = (!next.is_empty()).then(|| next.to_owned());
            return Ok((figures, next));
        }
        let text = self.text(url, &[], say).await?;
        gathered.bytes += text.len() as u64;
        let page = azure::page(&text, self.today, self.book);
        let (figures, next) = page.map_err(|error| FetchError::list(url, error))?;
        if let Some(next) = next.as_ref().filter(|next| !is_same_origin(url, next)) {
            let why = format!("the next page is elsewhere: `{next}`");
            return Err(FetchError::Answer { url: url.to_owned(), why });
        }
        let line = next.clone().unwrap_or_default();
        self.partial.put(kept, &format!("{line}\n{}", lists::keep(&figures)))?;
        Ok((figures, next))
    }

    /// The pages of Google Cloud: one list for all regions.
    pub(super) async fn gcp(
        &self,
        key: &str,
        regions: &[String],
        gathered: &mut Gathered,
        say: &mut Say<'_>,
    ) -> Result<(), FetchError> {
        let mut parts = gcp::Parts::default();
        let mut token = String::new();
        for page in 0..PAGES_MAX {
            say(&format!("gcp page {}\n", page + 1));
            let path = format!(
                "/v1/services/{}/skus?currencyCode=USD&pageSize=5000&pageToken={token}",
                gcp::COMPUTE_ENGINE
            );
            let url = self.url(Cloud::Gcp, &path);
            let kept = format!("gcp-{page:04}.json");
            let text = match self.partial.get(&kept)? {
                Some(text) => text.into_bytes(),
                // The key goes in a header, so that it stands in no log, no message and no file.
                None => self.text(&url, &[("x-goog-api-key", key)], say).await?,
            };
            let next = gcp::page(&text, &mut parts);
            let next = next.map_err(|error| FetchError::list(&url, error))?;
            if self.partial.get(&kept)?.is_none() {
                gathered.bytes += text.len() as u64;
                self.partial.put(&kept, &String::from_utf8_lossy(&text))?;
            }
            let Some(next) = next else {
                let figures = gcp::prices(&parts, self.today, self.book);
                let wanted = figures.into_iter().filter(|it| regions.contains(&it.region));
                gathered.figures.extend(wanted);
                return Ok(());
            };
            token = encoded(&next);
        }
        let url = self.url(Cloud::Gcp, "/v1/services");
        Err(FetchError::Answer { url, why: format!("it has more than {PAGES_MAX} pages") })
    }
}

impl Gathered {
    /// Says that figures are all that there is of a region. A list without a single one says nothing.
    fn whole(&mut self, cloud: Cloud, region: &str, purchases: &[Purchase], figures: &[Figure]) {
        if figures.is_empty() {
            return;
        }
        for (purchase, os) in
            purchases.iter().flat_map(|it| Os::ALL.iter().map(move |os| (*it, *os)))
        {
            let region = region.to_owned();
            self.shelves.insert(Shelf { cloud, region, purchase, os });
        }
    }
}

/// Whether a link leads to where it stands; a port that goes without saying may be said.
fn is_same_origin(url: &str, link: &str) -> bool {
    let origin = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        let port = if scheme == "https" { ":443" } else { ":80" };
        Some(format!("{scheme}://{}", host.strip_suffix(port).unwrap_or(host)))
    };
    origin(url).is_some() && origin(url) == origin(link)
}

/// A text as part of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let each = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_another_host_is_not_followed() {
        let base = "https://prices.azure.com/api/retail/prices?$filter=x";
        assert!(is_same_origin(base, "https://prices.azure.com:443/api/retail/prices?$skip=100"));
        for link in [
            "https://evil.example/prices.azure.com/",
            "https://prices.azure.com.evil.example/",
            "https://prices.azure.com@evil.example/",
            "http://prices.azure.com/",
            "/relative",
        ] {
            assert!(!is_same_origin(base, link), "{link}");
        }
    }

    #[test]
    fn a_token_is_one_part_of_a_query() {
        assert_eq!(encoded("a+b/c=&d"), "a%2Bb%2Fc%3D%26d");
    }
}
