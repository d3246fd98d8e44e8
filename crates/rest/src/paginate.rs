//! From one page to the next, and when it is over. No I/O: a [`Pager`] is shown an answer and says what to ask next.
//!
//! Each run over a resource, and each parent of it, has a pager of its own: one that is shared would begin the second where
//! the first ended.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::JsonPath;
use stele_collect::{CollectError, ContentId, content_id};

use crate::config::Paginate;
use crate::select::{Record, Select, json_path};
use crate::template::plain;

/// Members that hold the address of the next page, as services call them, or a cursor with the name under which it is sent.
const NEXT_LINKS: [&str; 9] = [
    "$.next",
    "$.links.next",
    "$._links.next.href",
    "$._links.next",
    "$.paging.next",
    "$.pagination.next",
    "$.meta.next",
    "$.next_page_url",
    "$['@odata.nextLink']",
];
const NEXT_CURSORS: [(&str, &str); 7] = [
    ("$.next_cursor", "cursor"),
    ("$.meta.next_cursor", "cursor"),
    ("$.pagination.next_cursor", "cursor"),
    ("$.response_metadata.next_cursor", "cursor"),
    ("$.nextCursor", "cursor"),
    ("$.next_page_token", "page_token"),
    ("$.nextPageToken", "pageToken"),
];

/// Members that say that there is more.
const MORE: [&str; 4] = ["$.has_more", "$.hasMore", "$.meta.has_more", "$.pagination.has_more"];

/// Empty pages in a row after which a service that says that there is more is not believed any more. Gaps of what one may
/// not see are short; a service that gives nothing beyond a place of its own would be asked up to `pages_max`.
const EMPTY_MAX: u64 = 10;

/// What is asked next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next {
    /// The same with these behind `?`.
    Params(Vec<(String, String)>),
    /// The same with this in its body.
    InBody(String, Value),
    /// This address.
    Url(String),
}

/// An answer, as far as pages are concerned.
pub(crate) struct Page<'a> {
    pub(crate) url: &'a url::Url,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
    pub(crate) records: &'a [Record],
    pub(crate) select: &'a Select,
}

impl Page<'_> {
    /// How many records the service gave, whether they are wanted or not, if that can be told.
    fn listed(&self) -> Option<u64> {
        self.select.listed(self.body, self.records.len())
    }
}

/// Goes from page to page.
#[derive(Debug)]
pub(crate) struct Pager {
    how: How,
    pages: u64,
    pages_max: u64,
    /// Records that came so far, and where one asks now.
    offset: u64,
    number: u64,
    /// Hashes of what was asked for: what is asked again never ends.
    asked: HashSet<ContentId>,
    last_page: Option<ContentId>,
    /// Empty pages in a row, and where the first of them is.
    empty: Option<(u64, u64)>,
}

/// How, with its paths understood.
#[derive(Debug, Clone)]
enum How {
    Auto,
    Single,
    PageNumber { param: String, size: Option<(String, u64)>, pages: Option<JsonPath>, start: u64 },
    Offset { param: String, limit_param: String, limit: u64, total: Option<JsonPath> },
    Cursor { path: JsonPath, param: String, in_body: bool, more: Option<JsonPath> },
    HeaderCursor { header: String, param: String },
    LinkHeader { rel: String },
    JsonLink { path: JsonPath },
}

impl Pager {
    /// At the first page.
    ///
    /// # Errors
    /// If a path of the configuration is none.
    pub(crate) fn new(paginate: &Paginate, pages_max: u64) -> Result<Self, String> {
        let path = |text: &Option<String>| text.as_deref().map(json_path).transpose();
        let how = match paginate {
            Paginate::Auto => How::Auto,
            Paginate::Single => How::Single,
            Paginate::PageNumber { param, start, size_param, size, pages_path } => How::PageNumber {
                param: param.clone(),
                size: match (size_param, size) {
                    (Some(param), Some(size)) => Some((param.clone(), *size)),
                    (None, None) => None,
                    _ => return Err("`size_param` and `size` belong together".to_owned()),
                },
                pages: path(pages_path)?,
                start: *start,
            },
            Paginate::Offset { limit: 0, .. } => {
                return Err("`limit` is 0; it has to be 1 at least".to_owned());
            }
            Paginate::Offset { param, limit_param, limit, total_path } => How::Offset {
                param: param.clone(),
                limit_param: limit_param.clone(),
                limit: *limit,
                total: path(total_path)?,
            },
            Paginate::Cursor { path: cursor, param, in_body, more_path } => How::Cursor {
                path: json_path(cursor)?,
                param: param.clone(),
                in_body: *in_body,
                more: path(more_path)?,
            },
            Paginate::HeaderCursor { header, param } => {
                How::HeaderCursor { header: header.to_ascii_lowercase(), param: param.clone() }
            }
            Paginate::LinkHeader { rel } => How::LinkHeader { rel: rel.clone() },
            Paginate::JsonLink { path } => How::JsonLink { path: json_path(path)? },
        };
        let number = if let How::PageNumber { start, .. } = &how { *start } else { 0 };
        Ok(Self {
            how,
            pages: 0,
            pages_max: pages_max.max(1),
            offset: 0,
            number,
            asked: HashSet::new(),
            last_page: None,
            empty: None,
        })
    }

    /// What the first request has beside its own.
    pub(crate) fn first(&self) -> Next {
        match &self.how {
            How::PageNumber { param, size, .. } => self.page_number(param, size.as_ref()),
            How::Offset { param, limit_param, limit, .. } => self.offset(param, limit_param, *limit),
            _ => Next::Params(Vec::new()),
        }
    }

    /// What is asked after this page; `None` if it was the last.
    ///
    /// # Errors
    /// If it would never end, or an answer says that there is more and not where.
    pub(crate) fn next(&mut self, page: &Page<'_>, what: &str) -> Result<Option<Next>, CollectError> {
        self.pages += 1;
        let Some(next) = self.find(page, what)? else { return Ok(None) };
        let asked = match &next {
            Next::Url(url) => format!("url {url}"),
            Next::Params(params) => format!("params {params:?}"),
            Next::InBody(name, value) => format!("body {name} {value}"),
        };
        let stopped = |code: &'static str, why: String| Err(CollectError::Stopped { code, why });
        if !self.asked.insert(content_id(&Value::String(asked))) {
            return stopped(
                "pagination_loop",
                format!(
                    "{what}: page {} leads to a page that was read before, which would never end; what was read is kept; correct `paginate`",
                    self.pages
                ),
            );
        }
        // A service that knows no pages answers every number with the same.
        let counted = matches!(self.how, How::PageNumber { .. } | How::Offset { .. });
        let content = match (page.records, counted) {
            (_, false) => None,
            // None of them is wanted.
            ([], true) => page.listed().filter(|listed| *listed > 0).map(|_| understood(page.body)),
            (records, true) => Some(records.iter().map(|record| record.value.clone()).collect()),
        };
        if let Some(content) = content.as_ref().map(content_id)
            && self.last_page.replace(content) == Some(content)
        {
            return stopped(
                "pagination_loop",
                format!(
                    "{what}: pages {} and {} are the same, so the service does not know the names that `paginate` uses; what was read is kept; correct them, or write {{\"type\": \"single\"}}",
                    self.pages - 1,
                    self.pages
                ),
            );
        }
        if self.pages >= self.pages_max {
            return stopped(
                "pages_max",
                format!(
                    "{what}: {} pages were read and there are more; what was read is kept; raise `pages_max`, or read less at a time by `incremental`",
                    self.pages
                ),
            );
        }
        Ok(Some(next))
    }

    fn find(&mut self, page: &Page<'_>, what: &str) -> Result<Option<Next>, CollectError> {
        let how = self.how.clone();
        Ok(match &how {
            How::Single => None,
            How::PageNumber { param, size, pages, .. } => {
                let asked = self.number;
                self.number += 1;
                let all = pages.as_ref().and_then(|path| number(path, page.body));
                let over = match (all, page.listed()) {
                    (Some(all), _) => self.pages >= all,
                    (None, Some(listed)) => listed == 0,
                    (None, None) => return Err(uncounted(what)),
                };
                if !over {
                    self.believe(page, all, ("pages", "page", asked), what)?;
                }
                (!over).then(|| self.page_number(param, size.as_ref()))
            }
            How::Offset { param, limit_param, limit, total } => {
                let listed = page.listed().ok_or_else(|| uncounted(what))?;
                let all = total.as_ref().and_then(|path| number(path, page.body));
                let asked = self.offset;
                // Where nothing came, nothing is passed over by the whole of what was asked for.
                self.offset = self.offset.saturating_add(if listed == 0 { *limit } else { listed });
                let over = all.map_or(listed == 0, |all| self.offset >= all);
                if !over {
                    self.believe(page, all, ("records", "offset", asked), what)?;
                }
                (!over).then(|| self.offset(param, limit_param, *limit))
            }
            How::Cursor { path, param, in_body, more } => {
                let body = understood(page.body);
                let ended = more.as_ref().is_some_and(|path| !says_yes(first(path, &body)));
                let cursor = first(path, &body).filter(|cursor| says_yes(Some(cursor)) && !ended);
                cursor.map(|cursor| match in_body {
                    true => Next::InBody(param.clone(), cursor.clone()),
                    false => Next::Params(vec![(param.clone(), plain(cursor))]),
                })
            }
            How::HeaderCursor { header, param } => header_of(page.headers, header)
                .filter(|cursor| !cursor.is_empty())
                .map(|cursor| Next::Params(vec![(param.clone(), cursor.to_owned())])),
            How::LinkHeader { rel } => {
                link_of(page.headers, rel).map(|link| absolute(page.url, &link, what)).transpose()?
            }
            How::JsonLink { path } => {
                let body = understood(page.body);
                let link = first(path, &body).and_then(Value::as_str).filter(|link| !link.is_empty());
                link.map(|link| absolute(page.url, link, what)).transpose()?
            }
            How::Auto => {
                self.how = self.recognised(page, what)?;
                self.find(page, what)?
            }
        })
    }

    /// Takes the word of a service that there is more, unless nothing came of it for too long. `all` is how many there are by
    /// its word; with it, what is counted, and where this page is.
    ///
    /// # Errors
    /// If it is not believed any more.
    fn believe(
        &mut self,
        page: &Page<'_>,
        all: Option<u64>,
        (counted, place, asked): (&str, &str, u64),
        what: &str,
    ) -> Result<(), CollectError> {
        let Some(all) = all.filter(|_| page.listed() == Some(0)) else {
            self.empty = None;
            return Ok(());
        };
        let (empty, from) = self.empty.map_or((1, asked), |(empty, from)| (empty + 1, from));
        self.empty = Some((empty, from));
        if empty < EMPTY_MAX {
            return Ok(());
        }
        Err(CollectError::Stopped {
            code: "pagination_empty",
            why: format!(
                "{what}: it says that there are {all} {counted}, and gives nothing from {place} {from} on: {empty} pages in a row are empty; what was read is kept; read less at a time by `incremental`, or correct `paginate` if the number is another"
            ),
        })
    }

    /// How the first answer shows it.
    fn recognised(&self, page: &Page<'_>, what: &str) -> Result<How, CollectError> {
        if link_of(page.headers, "next").is_some() {
            return Ok(How::LinkHeader { rel: "next".to_owned() });
        }
        let body = understood(page.body);
        let known = |text: &str| json_path(text).ok();
        for path in NEXT_LINKS.into_iter().filter_map(known) {
            let link = first(&path, &body).and_then(Value::as_str);
            if link.is_some_and(|link| link.starts_with("http") || link.starts_with(['/', '?'])) {
                return Ok(How::JsonLink { path });
            }
        }
        for (text, param) in NEXT_CURSORS {
            let Some(path) = known(text) else { continue };
            if first(&path, &body).is_some_and(|cursor| says_yes(Some(cursor))) {
                return Ok(How::Cursor { path, param: param.to_owned(), in_body: false, more: None });
            }
        }
        let more =
            MORE.into_iter().filter_map(known).any(|path| first(&path, &body) == Some(&Value::Bool(true)));
        if more {
            return Err(CollectError::Answer {
                what: what.to_owned(),
                why: "it says that there is more, and not in a way that is known where; say it by `paginate`"
                    .to_owned(),
            });
        }
        Ok(How::Single)
    }

    fn page_number(&self, param: &str, size: Option<&(String, u64)>) -> Next {
        let size = size.map(|(param, size)| (param.clone(), size.to_string()));
        Next::Params([(param.to_owned(), self.number.to_string())].into_iter().chain(size).collect())
    }

    fn offset(&self, param: &str, limit_param: &str, limit: u64) -> Next {
        let offset = (param.to_owned(), self.offset.to_string());
        Next::Params(vec![offset, (limit_param.to_owned(), limit.to_string())])
    }
}

/// Whether pages can be counted by what is selected of them.
///
/// # Errors
/// If not; the text says what would do.
pub(crate) fn counts_by(paginate: &Paginate, select: &Select) -> Result<(), String> {
    let (by, or) = match paginate {
        Paginate::PageNumber { pages_path: None, .. } => {
            ("page_number", ", or say by `pages_path` where the number of pages stands")
        }
        Paginate::Offset { .. } => ("offset", ""),
        _ => return Ok(()),
    };
    match select.is_countable() {
        true => Ok(()),
        false => Err(format!(
            "`select` has a condition by which nobody can tell how many records a page of `{by}` had; let the condition be the last of the path, behind the list itself, such as `$.data[?@.open]`{or}"
        )),
    }
}

fn uncounted(what: &str) -> CollectError {
    CollectError::Answer {
        what: what.to_owned(),
        why: "the number of pages is not where `pages_path` says, and by `select` nobody can tell whether a page was the last; correct one of them".to_owned(),
    }
}

/// The first header of this name in lower case.
pub(crate) fn header_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The address of `Link: <address>; rel="next"`. There may be several headers, and several links in each.
fn link_of(headers: &[(String, String)], rel: &str) -> Option<String> {
    let values = headers.iter().filter(|(name, _)| name == "link").map(|(_, value)| value.as_str());
    for mut rest in values {
        while let Some(start) = rest.find('<') {
            let end = start + rest[start..].find('>')?;
            let (link, after) = (&rest[start + 1..end], &rest[end + 1..]);
            let params = &after[..after.find('<').unwrap_or(after.len())];
            let is_rel = params.split([';', ',']).filter_map(|param| param.trim().split_once('=')).any(
                |(name, value)| {
                    name.trim().eq_ignore_ascii_case("rel")
                        && value.trim().trim_matches('"').split(' ').any(|word| word == rel)
                },
            );
            if is_rel {
                return Some(link.to_owned());
            }
            rest = after;
        }
    }
    None
}

fn absolute(from: &url::Url, link: &str, what: &str) -> Result<Next, CollectError> {
    // The link is not repeated: some services put a key into it.
    from.join(link).map(|url| Next::Url(url.into())).map_err(|error| CollectError::Answer {
        what: what.to_owned(),
        why: format!("its link to the next page is no address: {error}"),
    })
}

/// Of a body with a member that cannot be understood, the others: a record that is too deep hides no next page.
fn understood(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
        let of = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap_or_default();
        match members.is_empty() {
            true => Value::Null,
            false => members.into_iter().map(|(name, raw)| (name, of(raw))).collect(),
        }
    })
}

fn first<'a>(path: &JsonPath, body: &'a Value) -> Option<&'a Value> {
    path.query(body).first().filter(|value| !value.is_null())
}

fn number(path: &JsonPath, body: &[u8]) -> Option<u64> {
    let body = understood(body);
    let value = first(path, &body)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Whether a value says that there is more: not if it is absent, `null`, `false` or an empty text.
fn says_yes(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}
