//! What charges of several types have in common: addresses, disks of a size, data that leaves.
//!
//! Nothing here says a price; keys are those of the price book, also where it has no figure for them, so
//! that what is charged is shown as one without a price and never left out.

use dsenv_sdk::Addr;
use dsenv_sdk::cost::{Charge, Costing, Line, Rate, Time};
use dsenv_sdk::prices::Driver;
use rust_decimal::Decimal;

/// The sizes that disks are sold in, in GiB, and the number in their names: a disk is charged as the next
/// larger one. <https://learn.microsoft.com/azure/virtual-machines/disks-types>
const STEPS: &[(u32, i64)] = &[
    (1, 4),
    (2, 8),
    (3, 16),
    (4, 32),
    (6, 64),
    (10, 128),
    (15, 256),
    (20, 512),
    (30, 1_024),
    (40, 2_048),
    (50, 4_096),
    (60, 8_192),
    (70, 16_384),
    (80, 32_767),
];

/// The largest disk that is sold in steps.
pub(crate) const DISK_GIB_MAX: i64 = 32_767;

/// What a disk is made of, as ARM calls it.
pub(crate) const PREMIUM: &str = "Premium_LRS";
/// The class for sizes of machines that take no premium disk.
pub(crate) const STANDARD_SSD: &str = "StandardSSD_LRS";
/// The slowest, which is charged by size as well.
pub(crate) const STANDARD_HDD: &str = "Standard_LRS";

/// Returns the name of the size that a disk is charged as: `P10`.
pub(crate) fn disk_size(class: &str, gib: i64) -> String {
    let letter = match class {
        STANDARD_SSD => 'E',
        STANDARD_HDD => 'S',
        _ => 'P',
    };
    let (number, _) =
        STEPS.iter().find(|(_, most)| gib <= *most).unwrap_or(&STEPS[STEPS.len() - 1]);
    format!("{letter}{number}")
}

/// A rate of a driver that the price book has no key for yet.
pub(crate) fn rate_without_driver(key: &str) -> Rate {
    Rate::Key(key.to_owned())
}

/// Disks of a size that is sold by the month.
///
/// Premium disks charge for nothing else. Standard ones charge each read and write too.
pub(crate) fn disk(
    addr: &Addr,
    costing: &Costing<'_>,
    (name, class): (&str, &str),
    gib: i64,
    counts: Counts,
) -> Vec<Charge> {
    let size = disk_size(class, gib);
    let charge = Charge::new(
        addr,
        &format!("{name} ({size})"),
        Time::Month,
        Rate::of(Driver::DiskOfSize { size: &size }),
        counts.now,
    );
    let mut charges = vec![charge.between(counts.floor, counts.ceiling)];
    let requests = match class {
        STANDARD_SSD => "standard-ssd",
        STANDARD_HDD => "standard-hdd",
        _ => return charges,
    };
    let amount = costing.usage.amount("disk_requests");
    let each = amount.count;
    let rate = Rate::of(Driver::DiskRequest { class: requests });
    let name = format!("{name} operations");
    let charge = Charge::new(addr, &name, Time::Month, rate, each * counts.now)
        .between(each * counts.floor, each * counts.ceiling)
        .assuming(amount.assumed);
    charges.push(charge);
    charges
}

/// How many of something there are: now, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) now: Decimal,
    pub(crate) floor: Decimal,
    pub(crate) ceiling: Decimal,
}

impl Counts {
    /// The same whatever happens.
    pub(crate) fn fixed(count: i64) -> Counts {
        let count = Decimal::from(count);
        Counts { now: count, floor: count, ceiling: count }
    }
}

/// Public addresses: a static one of the standard kind is charged from its first hour to its last, in use
/// or not.
pub(crate) fn addresses(addr: &Addr, counts: Counts) -> Charge {
    Charge::new(
        addr,
        "public IPv4 address",
        Time::Always,
        Rate::of(Driver::AddressHour),
        counts.now,
    )
    .between(counts.floor, counts.ceiling)
}

/// Data that leaves for the internet, of a whole resource; nobody who is not there sends any.
pub(crate) fn egress(addr: &Addr, costing: &Costing<'_>, senders: Counts) -> Charge {
    let charge = usage(addr, costing, "data to the internet", "egress", Driver::EgressInternet);
    let sent = charge.now.count;
    let if_any = |senders: Decimal| if senders.is_zero() { Decimal::ZERO } else { sent };
    let now = Line { count: if_any(senders.now), ..charge.now.clone() };
    Charge { now, ..charge }.between(if_any(senders.floor), if_any(senders.ceiling))
}

/// A charge for what happens in use, by a field of `usage`.
pub(crate) fn usage(
    addr: &Addr,
    costing: &Costing<'_>,
    name: &str,
    field: &str,
    driver: Driver<'_>,
) -> Charge {
    let amount = costing.usage.amount(field);
    Charge::new(addr, name, Time::Month, Rate::of(driver), amount.count).assuming(amount.assumed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_charged_as_the_next_larger_size() {
        for (gib, size) in
            [(1, "P1"), (32, "P4"), (33, "P6"), (128, "P10"), (513, "P30"), (32_767, "P80")]
        {
            assert_eq!(disk_size(PREMIUM, gib), size);
        }
        assert_eq!(disk_size(STANDARD_SSD, 50), "E6");
        assert_eq!(STEPS.last().map(|(_, gib)| *gib), Some(DISK_GIB_MAX));
    }
}
