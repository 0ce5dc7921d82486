//! The day of a figure.
//!
//! A figure without a day has none: `Option<Date>`, never a made-up one. Days are compared and shown;
//! nothing here knows which day it is.

use std::fmt;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(u32);

impl Date {
    /// Reads `2026-08-20`; `None` for anything else, also for the 30th of February.
    pub fn parse(text: &str) -> Option<Date> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
        let plain =
            bytes.iter().enumerate().all(|(at, b)| at == 4 || at == 7 || b.is_ascii_digit());
        if !shaped || !plain {
            return None;
        }
        let number = |from: usize, to: usize| text[from..to].parse::<u32>().ok();
        Date::new(number(0, 4)?, number(5, 7)?, number(8, 10)?)
    }

    /// Reads the day of a moment such as `2026-08-20T20:59:55Z`; `None` for anything else.
    pub fn of_moment(text: &str) -> Option<Date> {
        let (day, time) = text.split_once('T')?;
        if time.is_empty() { None } else { Date::parse(day) }
    }

    fn new(year: u32, month: u32, day: u32) -> Option<Date> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let there = (1..=days).contains(&day) && (1..=9999).contains(&year);
        there.then_some(Date(year * 10_000 + month * 100 + day))
    }

    /// The number that stands in a file; zero is no date.
    pub(crate) fn number(date: Option<Date>) -> u32 {
        date.map_or(0, |date| date.0)
    }

    /// Reads the number of a file; zero is no date, and so is what is not on the calendar.
    pub(crate) fn of_number(number: u32) -> Option<Date> {
        Date::new(number / 10_000, number / 100 % 100, number % 100)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_and_shown_alike() {
        let there = ["2026-08-20", "2024-02-29", "0001-01-01"];
        for text in there {
            let date = Date::parse(text).expect("a day");
            assert_eq!(date.to_string(), text);
            assert_eq!(Date::of_number(Date::number(Some(date))), Some(date));
        }
        let wrong =
            ["2026-02-29", "2026-13-01", "2026-00-01", "2026-8-20", "20260820", "", "0000-01-01"];
        for text in wrong {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert_eq!(Date::of_number(0), None);
    }
}
