//! The checksums that S3 clients ask for: of a body as it streams in, and of a whole made of parts.
//!
//! The digests themselves come from s3s and crc-fast. This module only knows which one was asked
//! for and how S3 joins those of parts: a *composite* is the digest of the parts' digests with
//! `-COUNT` behind it, a *full object* checksum is that of the bytes.

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto;

/// A checksum algorithm that S3 defines and s3s computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

pub(super) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

impl Algorithm {
    /// Returns the name as S3 writes it in XML and in `x-amz-checksum-algorithm`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    /// Returns the header, or trailer, that carries a checksum of this algorithm.
    pub(super) fn header(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Returns the algorithm of that name, in any case, or `None` for one that s3s does not compute.
    pub(super) fn parse(name: &str) -> Option<Algorithm> {
        ALGORITHMS.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn combinable(self) -> Option<crc_fast::CrcAlgorithm> {
        match self {
            Algorithm::Crc32 => Some(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => Some(crc_fast::CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => Some(crc_fast::CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 | Algorithm::Sha256 => None,
        }
    }
}

/// A checksum of an object or a part: base64, with `-COUNT` behind it when composite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) value: String,
}

impl Checksum {
    /// Returns whether this is a checksum of the parts' checksums rather than of the bytes.
    pub(super) fn is_composite(&self) -> bool {
        self.value.contains('-')
    }

    /// Returns the five optional fields and the type in which s3s's answers carry a checksum.
    pub(super) fn to_dto(&self) -> dto::Checksum {
        let mut fields = dto::Checksum::default();
        let value = Some(self.value.clone());
        match self.algorithm {
            Algorithm::Crc32 => fields.checksum_crc32 = value,
            Algorithm::Crc32c => fields.checksum_crc32c = value,
            Algorithm::Crc64Nvme => fields.checksum_crc64nvme = value,
            Algorithm::Sha1 => fields.checksum_sha1 = value,
            Algorithm::Sha256 => fields.checksum_sha256 = value,
        }
        let kind = if self.is_composite() {
            dto::ChecksumType::COMPOSITE
        } else {
            dto::ChecksumType::FULL_OBJECT
        };
        fields.checksum_type = Some(dto::ChecksumType::from_static(kind));
        fields
    }
}

/// Computes one checksum while bytes pass.
pub(super) struct Hasher {
    algorithm: Algorithm,
    inner: ChecksumHasher,
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Hasher {
        let mut inner = ChecksumHasher::default();
        match algorithm {
            Algorithm::Crc32 => inner.crc32 = Some(Crc32::new()),
            Algorithm::Crc32c => inner.crc32c = Some(Crc32c::new()),
            Algorithm::Crc64Nvme => inner.crc64nvme = Some(Crc64Nvme::new()),
            Algorithm::Sha1 => inner.sha1 = Some(Sha1::new()),
            Algorithm::Sha256 => inner.sha256 = Some(Sha256::new()),
        }
        Hasher { algorithm, inner }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    pub(super) fn finish(self) -> Checksum {
        let fields = self.inner.finalize();
        let value = match self.algorithm {
            Algorithm::Crc32 => fields.checksum_crc32,
            Algorithm::Crc32c => fields.checksum_crc32c,
            Algorithm::Crc64Nvme => fields.checksum_crc64nvme,
            Algorithm::Sha1 => fields.checksum_sha1,
            Algorithm::Sha256 => fields.checksum_sha256,
        };
        Checksum {
            algorithm: self.algorithm,
            value: value.expect("the hasher was made for this algorithm"),
        }
    }
}

/// Returns the composite of the parts' checksums, or `None` if one of them is not base64.
pub(super) fn composite(algorithm: Algorithm, parts: &[&str]) -> Option<Checksum> {
    let mut hasher = Hasher::new(algorithm);
    for part in parts {
        hasher.update(&decode(part)?);
    }
    let mut checksum = hasher.finish();
    checksum.value = format!("{}-{}", checksum.value, parts.len());
    Some(checksum)
}

/// Returns the checksum of the bytes of all parts, from that and the length of each.
///
/// `None` for the SHA family, which cannot be joined; S3 refuses that combination too.
pub(super) fn full_object(algorithm: Algorithm, parts: &[(&str, u64)]) -> Option<Checksum> {
    let crc = algorithm.combinable()?;
    let mut joined: Option<(u64, usize)> = None;
    for (value, size) in parts {
        let bytes = decode(value)?;
        let part = bytes.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        joined = Some(match joined {
            None => (part, bytes.len()),
            Some((sum, width)) => (crc_fast::checksum_combine(crc, sum, part, *size), width),
        });
    }
    let (sum, width) = joined?;
    let bytes = sum.to_be_bytes();
    let value = encode(bytes.get(bytes.len() - width..)?);
    Some(Checksum { algorithm, value })
}

/// Returns the base64 form in which S3 carries digests.
pub(super) fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn the_checksum_of_joined_parts_is_that_of_the_bytes() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: [&[u8]; 3] = [b"one", b"", b"and the last part"];
            let sums = parts.map(|part| (of(algorithm, part).value, part.len() as u64));
            let sums = sums.each_ref().map(|(value, size)| (value.as_str(), *size));
            assert_eq!(
                full_object(algorithm, &sums),
                Some(of(algorithm, &parts.concat())),
                "{algorithm:?}"
            );
        }
        assert_eq!(full_object(Algorithm::Sha256, &[("", 0)]), None);
    }

    #[test]
    fn a_composite_carries_the_number_of_parts() {
        // From the field: crc32("hello") and crc32("world"), digested again.
        let parts = [of(Algorithm::Crc32, b"hello").value, of(Algorithm::Crc32, b"world").value];
        let joined =
            composite(Algorithm::Crc32, &[&parts[0], &parts[1]]).expect("parts are base64");
        assert!(joined.is_composite());
        assert!(joined.value.ends_with("-2"), "{}", joined.value);
        assert_eq!(composite(Algorithm::Crc32, &["not base64!"]), None);
    }
}
