//! The endpoint's only door to the clock, and the form in which the index keeps time.
//!
//! A [`Clock`] is handed to the store when it is opened; nothing else in `s3` asks what time it is
//! (s3s itself does, to check that a signature is fresh). Tests hand in a clock of their own.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Answers "what time is it", for the `Last-Modified` of what is written.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Returns the clock of this machine.
pub fn system() -> Clock {
    #[allow(clippy::disallowed_methods, reason = "the one declared door to the clock in `s3`")]
    Arc::new(SystemTime::now)
}

const MS_PER_S: u64 = 1000;
const MS_PER_DAY: u64 = 24 * 60 * 60 * MS_PER_S;

/// A moment as the index stores it: milliseconds since 1970, UTC.
///
/// A clock set before 1970 counts as 1970: an object must still be storable then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnixMs(u64);

impl UnixMs {
    /// Returns the latest modification at which something `days` old has expired by this moment.
    ///
    /// S3 adds the days and rounds up to the next midnight UTC, so the whole day of the answer has
    /// expired or none of it. `None` when nothing can be that old.
    pub(super) fn expiry_horizon(self, days: u32) -> Option<UnixMs> {
        let midnight = self.0 - self.0 % MS_PER_DAY;
        midnight.checked_sub(u64::from(days) * MS_PER_DAY).map(UnixMs)
    }

    /// Returns the moment cut to whole seconds, the precision of HTTP dates.
    pub(super) fn to_seconds(self) -> UnixMs {
        UnixMs(self.0 - self.0 % MS_PER_S)
    }
}

impl From<SystemTime> for UnixMs {
    fn from(time: SystemTime) -> UnixMs {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(i64::MAX.cast_unsigned()))
    }
}

impl From<UnixMs> for SystemTime {
    fn from(time: UnixMs) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

impl rusqlite::ToSql for UnixMs {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl rusqlite::types::FromSql for UnixMs {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        Ok(UnixMs(u64::try_from(value.as_i64()?).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_expires_at_the_midnight_that_follows_its_end() {
        let day = |days: u64, hours: u64| UnixMs((days * 24 + hours) * 3600 * MS_PER_S);
        // Written on day 10 at 05:00 with one day to live: due on day 11 at 05:00, gone at day 12 00:00.
        assert_eq!(day(11, 23).expiry_horizon(1), Some(day(10, 0)));
        assert!(day(11, 23).expiry_horizon(1) < Some(day(10, 5)), "still there on day 11");
        assert!(day(12, 0).expiry_horizon(1) > Some(day(10, 5)), "gone on day 12");
        assert_eq!(day(1, 0).expiry_horizon(2), None, "nothing is older than the epoch");
    }
}
