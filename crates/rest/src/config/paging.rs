//! How one comes to the next page, as people write it.

use serde::Deserialize;

/// How one comes to the next page.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Paginate {
    /// As the first answer shows: a `Link` header, a link or a cursor in the body, or one page. An answer that says that
    /// there is more and not where is an error.
    #[default]
    Auto,
    /// There is one page.
    Single,
    /// Pages are counted, until one is empty. One of which a condition of `select` leaves nothing is not empty.
    #[serde(alias = "page")]
    PageNumber {
        /// `page` if it is not set.
        #[serde(default = "page_param")]
        param: String,
        /// The first. 1 if it is not set.
        #[serde(default = "one")]
        start: u64,
        /// What says how many records a page has, and how many that are.
        #[serde(default)]
        size_param: Option<String>,
        /// See `size_param`.
        #[serde(default)]
        size: Option<u64>,
        /// Where the number of pages stands in an answer. It alone says then which is the last, and saves the request for
        /// the empty one. Ten empty pages in a row before it end the stream with an error.
        #[serde(default)]
        pages_path: Option<String>,
    },
    /// Records are counted, until a page is empty. What is counted is what came, wanted or not, so that a service that gives
    /// fewer than it is asked for loses nothing.
    Offset {
        /// `offset` if it is not set.
        #[serde(default = "offset_param")]
        param: String,
        /// `limit` if it is not set.
        #[serde(default = "limit_param")]
        limit_param: String,
        /// 100 if it is not set.
        #[serde(default = "limit")]
        limit: u64,
        /// Where the number of records stands in an answer. It alone says then where the end is, and saves the request for the
        /// empty page. Ten empty pages in a row before it end the stream with an error.
        #[serde(default)]
        total_path: Option<String>,
    },
    /// An answer holds what is sent for the next.
    Cursor {
        /// Where it stands in an answer, such as `$.meta.next_cursor`. Absent, `null`, empty or false is the end.
        path: String,
        /// Under which name it is sent.
        param: String,
        /// Whether it is sent in the body. Behind `?` if it is not set.
        #[serde(default)]
        in_body: bool,
        /// Where an answer says whether there is more, for services that give a cursor at the end, too.
        #[serde(default)]
        more_path: Option<String>,
    },
    /// A header of an answer holds what is sent for the next.
    HeaderCursor {
        /// The header.
        header: String,
        /// Under which name it is sent.
        param: String,
    },
    /// `Link: <…>; rel="next"`.
    LinkHeader {
        /// `next` if it is not set.
        #[serde(default = "next")]
        rel: String,
    },
    /// An answer holds the address of the next.
    #[serde(alias = "link_in_body")]
    JsonLink {
        /// Where it stands in an answer, such as `$.links.next`.
        path: String,
    },
}

fn page_param() -> String {
    "page".to_owned()
}
fn offset_param() -> String {
    "offset".to_owned()
}
fn limit_param() -> String {
    "limit".to_owned()
}
fn limit() -> u64 {
    100
}
fn one() -> u64 {
    1
}
fn next() -> String {
    "next".to_owned()
}
