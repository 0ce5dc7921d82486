//! Listings: keys in byte order, folded at a delimiter, a page at a time.
//!
//! A page is read by seeking: after an object to the next key, after a common prefix past all that
//! it stands for. So the cost is that of what is shown, not of what a prefix hides.

use super::blob::{bytes_of_hex, hex};
use super::bucket::versioning;
use super::checksum::Checksum;
use super::clock::UnixMs;
use super::error::StoreError;
use super::index::above_prefix;
use super::object::checksum_of;
use super::store::Store;
use rusqlite::{Row, Transaction, params};

/// The most entries a page has, whatever the client asks for.
pub(super) const PAGE_MAX: usize = 1000;

/// What to list.
#[derive(Debug, Clone, Default)]
pub(super) struct Query<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: &'a str,
    /// Empty for none.
    pub(super) delimiter: &'a str,
    /// List what follows this key, or this common prefix. Empty for all.
    pub(super) after: &'a str,
    /// With [`Show::Versions`]: continue within `after`, below this version.
    pub(super) after_version: Option<&'a str>,
    pub(super) max: usize,
}

/// Which rows a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// What a plain read finds.
    Objects,
    /// Every version and delete marker, the newest of a key first.
    Versions,
}

/// One entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Version(Listed),
    CommonPrefix(String),
}

/// A version as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) version_id: String,
    pub(super) latest: bool,
    pub(super) marker: bool,
    pub(super) modified: UnixMs,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
}

/// A page, and whether more follows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) truncated: bool,
}

impl Entry {
    /// Returns the name that continues the listing after this entry.
    pub(super) fn name(&self) -> &str {
        match self {
            Entry::Version(listed) => &listed.key,
            Entry::CommonPrefix(prefix) => prefix,
        }
    }
}

/// Where the listing continues: at this key, below this seq.
struct Seek {
    key: Vec<u8>,
    below_seq: i64,
}

impl Seek {
    fn past_key(key: &str) -> Seek {
        // No key lies between a key and the same with a zero byte behind it.
        Seek { key: [key.as_bytes(), &[0]].concat(), below_seq: i64::MAX }
    }

    fn past_prefix(prefix: &str) -> Seek {
        let key = above_prefix(prefix.as_bytes()).expect("UTF-8 has bytes below 255");
        Seek { key, below_seq: i64::MAX }
    }
}

impl Store {
    /// Returns a page. `max` 0 gives an empty page that is not truncated, as in S3.
    pub(super) fn list(&self, query: &Query<'_>, show: Show) -> Result<Page, StoreError> {
        self.index.read(|index| {
            versioning(index, query.bucket)?;
            let mut page = Page::default();
            let max = query.max.min(PAGE_MAX);
            if max == 0 {
                return Ok(page);
            }
            let mut seek = first(index, query)?;
            while let Some(next) = fill(index, query, show, &seek, max, &mut page)? {
                seek = next;
            }
            Ok(page)
        })
    }
}

/// Reads rows from `seek` on, up to the first common prefix. Returns where to go on, if anywhere.
fn fill(
    index: &Transaction<'_>,
    query: &Query<'_>,
    show: Show,
    seek: &Seek,
    max: usize,
    page: &mut Page,
) -> Result<Option<Seek>, StoreError> {
    let mut statement = index.prepare_cached(match show {
        Show::Objects => {
            "SELECT key, version_id, latest, marker, modified, size, etag, algorithm, checksum
             FROM version
             WHERE bucket = ?1 AND latest = 1 AND marker = 0 AND key >= ?2 AND (?3 IS NULL OR key < ?3)
                   AND ?4 = ?4
             ORDER BY key"
        }
        Show::Versions => {
            "SELECT key, version_id, latest, marker, modified, size, etag, algorithm, checksum
             FROM version
             WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) AND NOT (key = ?2 AND seq >= ?4)
             ORDER BY key, seq DESC"
        }
    })?;
    let end = above_prefix(query.prefix.as_bytes());
    let mut rows = statement.query(params![query.bucket, seek.key, end, seek.below_seq])?;
    while let Some(row) = rows.next()? {
        if page.entries.len() == max {
            page.truncated = true;
            return Ok(None);
        }
        let listed = listed_of(row)?;
        if let Some(prefix) = common_prefix(&listed.key, query) {
            let seek = Seek::past_prefix(&prefix);
            page.entries.push(Entry::CommonPrefix(prefix));
            return Ok(Some(seek));
        }
        page.entries.push(Entry::Version(listed));
    }
    Ok(None)
}

fn first(index: &Transaction<'_>, query: &Query<'_>) -> Result<Seek, StoreError> {
    let seek = if query.after.is_empty() {
        Seek { key: Vec::new(), below_seq: i64::MAX }
    } else if common_prefix(query.after, query).is_some_and(|prefix| prefix == query.after) {
        Seek::past_prefix(query.after)
    } else if let Some(version_id) = query.after_version {
        let mut select = index.prepare_cached(
            "SELECT seq FROM version WHERE bucket = ?1 AND key = ?2 AND version_id = ?3",
        )?;
        let found = select
            .query_row(params![query.bucket, query.after.as_bytes(), version_id], |row| row.get(0));
        match found {
            Ok(below_seq) => Seek { key: query.after.as_bytes().to_vec(), below_seq },
            // Deleted since the last page. The rest of this key's versions would be lost if it were
            // skipped, so it is listed again from its newest.
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                Seek { key: query.after.as_bytes().to_vec(), below_seq: i64::MAX }
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        Seek::past_key(query.after)
    };
    // `after` may lie before the prefix.
    if seek.key.as_slice() >= query.prefix.as_bytes() {
        return Ok(seek);
    }
    Ok(Seek { key: query.prefix.as_bytes().to_vec(), below_seq: i64::MAX })
}

fn common_prefix(key: &str, query: &Query<'_>) -> Option<String> {
    if query.delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(query.prefix)?;
    let end = rest.find(query.delimiter)? + query.delimiter.len();
    Some(key[..query.prefix.len() + end].to_owned())
}

fn listed_of(row: &Row<'_>) -> Result<Listed, StoreError> {
    Ok(Listed {
        key: key_of(row)?,
        version_id: row.get("version_id")?,
        latest: row.get("latest")?,
        marker: row.get("marker")?,
        modified: row.get("modified")?,
        size: row.get("size")?,
        etag: row.get("etag")?,
        checksum: checksum_of(row)?,
    })
}

/// Reads the column `key`.
pub(super) fn key_of(row: &Row<'_>) -> Result<String, StoreError> {
    String::from_utf8(row.get("key")?).map_err(|_| StoreError::Damaged("a key that is not UTF-8"))
}

/// Returns the continuation token for a name: opaque, and safe in XML and URLs whatever the key is.
pub(super) fn token(name: &str) -> String {
    hex(name.as_bytes())
}

/// Returns the name in a continuation token, or `None` if it is not one of ours.
pub(super) fn name_of_token(token: &str) -> Option<String> {
    String::from_utf8(bytes_of_hex(token)?).ok()
}
