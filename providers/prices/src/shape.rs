//! What a machine of a type is.
//!
//! A number that no source says is `None`. Which types count as previous, burstable or bare metal is
//! decided when a book is compiled (see [`generations`](crate::generations)).

use crate::price::Origin;
use rust_decimal::Decimal;
use std::fmt;

macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// Reads the text that `Display` shows; `None` for any other.
            pub fn parse(text: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|one| one.text() == text)
            }

            /// Returns how it is written.
            pub fn text(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.text())
            }
        }
    };
}
pub(crate) use closed;

/// Members of closed sets are numbers in a book: their place in the set.
macro_rules! numbered {
    ($($name:ident)*) => {$(
        impl $name {
            pub(crate) fn number(self) -> u8 {
                self as u8
            }

            pub(crate) fn of_number(number: u8) -> Option<$name> {
                $name::ALL.get(usize::from(number)).copied()
            }
        }
    )*};
}

numbered! { Cloud Purchase Os Arch Band }

closed! {
    /// A provider that has a price list.
    Cloud {
        /// Amazon Web Services.
        Aws = "aws",
        /// Microsoft Azure.
        Azure = "azure",
        /// Google Cloud.
        Gcp = "gcp",
    }
}

closed! {
    /// How a machine is bought.
    #[derive(Default)]
    Purchase {
        /// By the hour, for as long as one likes.
        #[default]
        OnDemand = "on_demand",
        /// Cheaper, and taken back when the cloud wants it.
        Spot = "spot",
    }
}

closed! {
    /// Which system's licence the price holds.
    #[derive(Default)]
    Os {
        /// No licence.
        #[default]
        Linux = "linux",
        /// With the licence of Windows.
        Windows = "windows",
    }
}

closed! {
    /// What programs must be compiled for.
    Arch {
        /// Intel and AMD.
        X86_64 = "x86_64",
        /// Graviton, Cobalt, Axion and Ampere.
        Arm64 = "arm64",
    }
}

closed! {
    /// The share of spot machines that were taken back in the trailing month. Not a rate per hour.
    Band {
        /// Less than one in twenty.
        Under5 = "<5%",
        /// One in twenty to one in ten.
        From5To10 = "5-10%",
        /// Up to three in twenty.
        From10To15 = "10-15%",
        /// Up to one in five.
        From15To20 = "15-20%",
        /// More than one in five.
        Over20 = ">20%",
    }
}

/// How often a spot machine of a type is taken back, and what it saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interruption<'b> {
    /// The share that was taken back in a month.
    pub band: Band,
    /// By how much spot was cheaper, in percent; below zero it was dearer.
    pub savings_percent: i8,
    /// Where this is from.
    pub origin: Origin<'b>,
}

/// Bits of a type's row.
pub(crate) mod flags {
    pub(crate) const PREVIOUS: u8 = 1;
    pub(crate) const BURSTABLE: u8 = 2;
    pub(crate) const BARE_METAL: u8 = 4;
    pub(crate) const SPECIAL: u8 = 8;
    pub(crate) const ALL: u8 = 15;
}

/// The accelerators of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpu<'b> {
    /// Its name without variants: `A100`, also for one of 80 GB. `None` when no source says.
    pub name: Option<&'b str>,
    /// How many, in millionths: Azure and AWS sell shares of one.
    pub count_millionths: u32,
    /// The memory of one, or of the share, as drivers show it.
    pub memory_mib: Option<u32>,
}

impl Gpu<'_> {
    /// Returns how many there are; less than one is a share.
    pub fn count(&self) -> Decimal {
        Decimal::new(self.count_millionths.into(), 6).normalize()
    }
}

impl fmt::Display for Gpu<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name.unwrap_or("an accelerator"), self.count())
    }
}

/// What a machine of a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape<'b> {
    /// Processors as sold: a small burstable type has two and may use a share of them.
    pub cpus: u32,
    /// Memory.
    pub memory_mib: u32,
    /// `None` when no source says.
    pub arch: Option<Arch>,
    /// `None` for a type without. Attached ones (N1 at Google Cloud) are no part of a type.
    pub gpu: Option<Gpu<'b>>,
    /// Local disks that come with it and are lost with it.
    pub local_nvme_gb: Option<u32>,
    /// What the network is said to reach.
    pub network_mbps: Option<u32>,
    /// As its cloud calls it: `m7i`, `standardDSv5Family`, `n2`.
    pub family: &'b str,
    /// The line has at least three newer generations.
    pub previous: bool,
    /// Earns credits while idle, and is slowed down without.
    pub burstable: bool,
    /// The whole server, without a hypervisor.
    pub bare_metal: bool,
    /// Has hardware that the book does not describe: FPGAs, transcoders, inference cards.
    pub special: bool,
    /// Where this is from.
    pub origin: Origin<'b>,
}
