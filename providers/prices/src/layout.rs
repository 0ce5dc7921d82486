//! The bytes of a book file: rows of a fixed width in sections.
//!
//! ```text
//! magic 8 | version 4 | currency 3 + 1 | digest 32 | sections: (offset 4, rows 4) each | rows ...
//! ```
//! Numbers are little-endian. The digest is blake3 of everything but itself. Texts are kept once, sorted,
//! so that the order of their numbers is the order of the texts, and a look-up compares numbers.
//!
//! Rows are read in place when somebody asks; nothing is parsed at the start. What a row may hold is
//! checked by `Book::open`, so a reader here may index.

/// What a book begins with.
pub(crate) const MAGIC: [u8; 8] = *b"dsenvpb\n";

/// Raised by every change of the layout; an older or newer file is refused, not guessed at.
pub(crate) const VERSION: u32 = 1;

pub(crate) const VERSION_AT: usize = 8;
pub(crate) const CURRENCY_AT: usize = 12;
pub(crate) const DIGEST_AT: usize = 16;
pub(crate) const SECTIONS_AT: usize = 48;

/// How many sections there are.
pub(crate) const SECTIONS: usize = 9;

/// Where the rows begin.
pub(crate) const ROWS_AT: usize = SECTIONS_AT + SECTIONS * 8;

/// The section of the texts themselves; its rows are bytes.
pub(crate) const TEXT: usize = 0;

/// A number that no source says.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// A tier without end.
pub(crate) const ENDLESS: u64 = u64::MAX;

/// A row of a fixed width.
pub(crate) trait Row {
    /// In which section such rows are.
    const SECTION: usize;
    /// How many bytes a row has.
    const WIDTH: usize;
    /// Reads a row from exactly its bytes.
    fn read(bytes: &[u8]) -> Self;
    /// Appends a row.
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident in $section:literal { $($(#[$about:meta])* $field:ident: $ty:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name { $($(#[$about])* pub(crate) $field: $ty,)* }

        impl Row for $name {
            const SECTION: usize = $section;
            const WIDTH: usize = 0 $(+ size_of::<$ty>())*;

            fn read(bytes: &[u8]) -> $name {
                let mut at = 0;
                $(
                    let end = at + size_of::<$ty>();
                    let $field = <$ty>::from_le_bytes(bytes[at..end].try_into().expect("the width of the field"));
                    at = end;
                )*
                debug_assert_eq!(at, bytes.len());
                $name { $($field,)* }
            }

            fn write(&self, out: &mut Vec<u8>) {
                $(out.extend_from_slice(&self.$field.to_le_bytes());)*
            }
        }
    )*};
}

rows! {
    /// Where the n-th text ends; the first begins at zero.
    TextEnd in 1 {
        end: u32,
    }

    /// Where figures are from. Texts by number.
    OriginRow in 2 {
        source: u32,
        licence: u32,
        url: u32,
        note: u32,
        /// `Date::number`; zero is none.
        as_of: u32,
    }

    /// A region; sorted by cloud and name.
    RegionRow in 3 {
        cloud: u8,
        name: u32,
    }

    /// An instance type; sorted by cloud and name.
    TypeRow in 4 {
        cloud: u8,
        arch: u8,
        /// Which of `shape::flags` hold.
        flags: u8,
        origin: u8,
        name: u32,
        family: u32,
        cpus: u32,
        memory_mib: u32,
        /// The canonical name of the accelerator; `UNKNOWN` where no source says, or there is none.
        gpu: u32,
        /// In millionths: sizes with a share of a GPU exist. Zero for a type without.
        gpu_count_millionths: u32,
        gpu_memory_mib: u32,
        local_nvme_gb: u32,
        network_mbps: u32,
    }

    /// The prices of one region, purchase option and system; sorted by these.
    ShelfRow in 5 {
        region: u16,
        purchase: u8,
        os: u8,
        first: u32,
        count: u32,
    }

    /// The price of an hour of a type; within its shelf sorted by type.
    PriceRow in 6 {
        ty: u16,
        origin: u16,
        ten_billionths: i64,
    }

    /// How often a spot machine is taken back; sorted by region and type.
    InterruptionRow in 7 {
        region: u16,
        ty: u16,
        origin: u16,
        savings_percent: i8,
        band: u8,
    }

    /// One step of a rate; sorted by region, key and `from`. Rows of a raw name have the key
    /// `SERVICE: ITEM per UNIT`, which no driver has.
    RateRow in 8 {
        region: u16,
        origin: u16,
        rounded: u8,
        key: u32,
        unit: u32,
        from: u64,
        to: u64,
        ten_billionths: i64,
    }
}

/// The digest of a file: of everything but the digest.
pub(crate) fn digest(before: &[u8], behind: &[u8]) -> blake3::Hash {
    debug_assert_eq!(before.len(), DIGEST_AT);
    blake3::Hasher::new().update(before).update(behind).finalize()
}

/// Reads a number of four bytes.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let row = PriceRow { ty: 7, origin: 513, ten_billionths: -1 };
        let mut bytes = Vec::new();
        row.write(&mut bytes);
        assert_eq!(bytes, [7, 0, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(bytes.len(), PriceRow::WIDTH);
        assert_eq!(PriceRow::read(&bytes), row);
    }
}
