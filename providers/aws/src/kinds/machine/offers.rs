//! Which instance types satisfy what a machine needs, and how big its disk is.

use dsenv_sdk::Term;
use dsenv_sdk::placement::Market;
use dsenv_sdk::prices::{Book, Cloud, Os, Purchase};
use dsenv_sdk::provider::Neutral;
use dsenv_sdk::schema::parse_size;
use dsenv_sdk::value::Value;

/// How machines are placed here. A scaling group chooses among ten types.
pub(crate) const MARKET: Market =
    Market { cloud: Cloud::Aws, usual_region: "us-east-1", most: 10, by: Purchase::OnDemand };

const GIB: u64 = 1 << 30;

/// Returns how many processors a type has; `None` for one that the price book does not know.
pub(crate) fn cpus_of(ty: &str) -> Option<u32> {
    Book::builtin().shape(Cloud::Aws, ty).map(|shape| shape.cpus)
}

/// Returns what a type costs on demand, in millionths of a dollar an hour, in its region or else in the
/// usual one; `None` for one of which nobody says it.
pub(crate) fn micro_usd_of(ty: &str, region: Option<&str>) -> Option<u64> {
    let book = Book::builtin();
    let price = |region: &str| book.compute(Cloud::Aws, region, ty, Os::Linux, Purchase::OnDemand);
    let price = region.and_then(price).or_else(|| price(MARKET.usual_region))?;
    u64::try_from((price.price.decimal() * rust_decimal::Decimal::from(1_000_000)).ceil()).ok()
}

/// How many bytes of disk a resource asks for, in GiB, rounded up; `None` when it does not say.
pub(crate) fn disk_gib(resource: &Neutral) -> Option<i64> {
    let known = resource.fields.get("disk").and_then(Term::known);
    let bytes = known.and_then(Value::as_text).and_then(parse_size)?;
    i64::try_from(bytes.div_ceil(GIB)).ok()
}
