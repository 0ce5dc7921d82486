//! Texts of a certain form: sizes, times, address ranges, keys; what is valid, and what it means.

/// A text of a certain form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `10.20.0.0/16`.
    Cidr,
    /// `50GiB`, `512MiB`, `1TB`.
    Size,
    /// `8GiB+`: a size, or at least a size.
    SizeNeed,
    /// `2`, `2+`: a count, or at least a count.
    CountNeed,
    /// `15m`, `8h`, `30d`.
    Duration,
    /// `80%`.
    Percent,
    /// `"18"`, `"3.11"`, `"3.11+"`: digits and dots, quoted so that `3.10` stays `3.10`.
    Version,
    /// `2026-12-31`.
    Date,
    /// `ssh-ed25519 AAAA... ada@laptop`, on one line and without options.
    PublicKey,
}

impl Format {
    /// Says in words, with an example, what is valid.
    pub fn expected(&self) -> &'static str {
        match self {
            Format::Cidr => "an address range such as `10.20.0.0/16`",
            Format::Size => "a size such as `50GiB`",
            Format::SizeNeed => "a size or a least size such as `8GiB+`",
            Format::CountNeed => "a count or a least count such as `2+`",
            Format::Duration => "a time such as `15m`, `8h` or `30d`",
            Format::Percent => "a share such as `80%`",
            Format::Version => "a version in quotes such as `\"3.11\"`",
            Format::Date => "a date such as `2026-12-31`",
            Format::PublicKey => "a line of a `.pub` file such as `ssh-ed25519 AAAA... ada@laptop`",
        }
    }

    /// Says whether the text has the form.
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Format::Cidr => is_cidr(text),
            Format::Size => parse_size(text).is_some(),
            Format::SizeNeed => parse_size(text.strip_suffix('+').unwrap_or(text)).is_some(),
            Format::CountNeed => is_digits(text.strip_suffix('+').unwrap_or(text)),
            Format::Duration => parse_duration_s(text).is_some(),
            Format::Percent => {
                text.strip_suffix('%').and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n <= 100)
            }
            Format::Version => text.strip_suffix('+').unwrap_or(text).split('.').all(is_digits),
            Format::Date => is_date(text),
            Format::PublicKey => is_public_key(text),
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(address) = address.parse::<std::net::Ipv4Addr>() else { return false };
    let Ok(bits) = bits.parse::<u32>() else { return false };
    bits <= 32 && u32::from(address).checked_shl(bits).unwrap_or(0) == 0
}

fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    year.len() == 4
        && [year, month, day].iter().all(|part| is_digits(part))
        && month.parse::<u32>().is_ok_and(|m| (1..=12).contains(&m))
        && day.parse::<u32>().is_ok_and(|d| (1..=31).contains(&d))
}

/// Of the kinds that sshd takes as it comes: DSA is gone, and so are short RSA keys. What stands in it is
/// a row of texts with their lengths, the kind once more before the others.
/// <https://www.rfc-editor.org/rfc/rfc4253#section-6.6>
fn is_public_key(text: &str) -> bool {
    const KINDS: &[(&str, usize)] = &[
        ("ecdsa-sha2-nistp256", 3),
        ("ecdsa-sha2-nistp384", 3),
        ("ecdsa-sha2-nistp521", 3),
        ("sk-ecdsa-sha2-nistp256@openssh.com", 4),
        ("sk-ssh-ed25519@openssh.com", 3),
        ("ssh-ed25519", 2),
        ("ssh-rsa", 3),
    ];
    const RSA_BYTES_MIN: usize = 2_048 / 8;
    let mut words = text.splitn(3, ' ');
    let (Some(kind), Some(data)) = (words.next(), words.next()) else { return false };
    let Some((_, count)) = KINDS.iter().find(|(name, _)| *name == kind) else { return false };
    let Ok(data) = base64_simd::STANDARD.decode_to_vec(data) else { return false };
    let Some(parts) = with_lengths(&data) else { return false };
    let long_enough = kind != "ssh-rsa" || parts.last().is_some_and(|it| it.len() >= RSA_BYTES_MIN);
    !text.chars().any(char::is_control)
        && parts.len() == *count
        && parts[0] == kind.as_bytes()
        && long_enough
}

/// Cuts a row of texts, each behind its length in four bytes; `None` when it is cut off.
fn with_lengths(mut data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !data.is_empty() {
        let (length, rest) = data.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        parts.push(part);
        data = rest;
    }
    Some(parts)
}

/// Reads a size in bytes: `50GiB`, `512MiB`, `1TB`; `None` when it is not one.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Reads a time in seconds: `90s`, `15m`, `8h`, `30d`; `None` when it is not one.
pub fn parse_duration_s(text: &str) -> Option<u64> {
    let unit: u64 = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_what_they_show() {
        for (format, good, bad) in [
            (Format::Cidr, "10.20.0.0/16", "10.20.0.1/16"),
            (Format::Size, "50GiB", "50"),
            (Format::SizeNeed, "8GiB+", "8+"),
            (Format::CountNeed, "2+", "two"),
            (Format::Duration, "15m", "15"),
            (Format::Percent, "80%", "180%"),
            (Format::Version, "3.11+", "v3"),
            (Format::Date, "2026-12-31", "2026-13-01"),
            (
                Format::PublicKey,
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada",
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada",
            ),
        ] {
            assert!(format.accepts(good) && !format.accepts(bad), "{format:?}");
        }
    }
}
