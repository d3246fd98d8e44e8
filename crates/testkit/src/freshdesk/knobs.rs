//! What the help desk of the tests holds, and how it misbehaves: plain data, changed while it runs if need be.

use std::collections::BTreeMap;

/// Everything that can be set. The default is a quiet desk of a hundred tickets without limits.
#[derive(Debug, Clone)]
pub struct Knobs {
    /// What all made-up words come from.
    pub seed: u64,
    /// The key that is accepted; its password is `X`.
    pub key: String,
    /// Tickets, numbered from 1.
    pub tickets: u64,
    /// When ticket 1 was last changed, in seconds since 1970. 2012, so that most tickets are old.
    pub first_update_s: i64,
    /// Seconds between the last changes of two neighbours.
    pub step_s: i64,
    /// The first of some tickets that share one time, and how many they are.
    pub same_timestamp: Option<(u64, u64)>,
    /// Every so manieth ticket is spam; 0 is none.
    pub spam_every: u64,
    /// Every so manieth ticket is deleted; 0 is none.
    pub deleted_every: u64,
    /// Messages of each ticket.
    pub conversations: u64,
    /// Messages of single tickets.
    pub conversations_of: BTreeMap<u64, u64>,
    /// After so many lists of tickets, these are changed.
    pub drift: Option<(usize, Vec<u64>)>,
    /// Credits in a minute.
    pub limit_per_minute: Option<u32>,
    /// Lists of tickets in a minute, of which no header tells.
    pub list_limit_per_minute: Option<u32>,
    /// Percent of the limit that other programs use all the time.
    pub external_percent: u32,
    /// What a refusal for the limit says about the time.
    pub retry_after: RetryAfter,
    /// What goes wrong, the first that fits.
    pub faults: Vec<Fault>,
    /// Levels of folders below each category.
    pub folder_levels: u32,
    /// Folders in each folder, and in each category.
    pub folder_breadth: u64,
    /// Articles of each folder.
    pub articles: u64,
    /// The first of so many articles is a draft; 0 is none.
    pub draft_every: u64,
    /// Articles that are gone.
    pub articles_removed: Vec<u64>,
    /// Whether the plan knows folders in folders.
    pub subfolders: bool,
    /// Contacts, a minute between the last changes of two neighbours.
    pub contacts: u64,
    /// So many neighbours among them share one time; 1 is none.
    pub contacts_alike: u64,
    /// Whether those that changed last stand first.
    pub contacts_newest_first: bool,
    /// Entries of agents, companies and the other short lists.
    pub entries: u64,
    /// Files of each ticket, taken in turn from `files`.
    pub attachments: u64,
    /// Files of each message, taken in turn from `files`.
    pub conversation_attachments: u64,
    /// What the files are.
    pub files: Vec<File>,
    /// Whether each file is named twice.
    pub attachments_twice: bool,
    /// Whether the address of a file that is told first has expired.
    pub first_url_expired: bool,
    /// Whether the host of the files sends on to another path.
    pub files_redirect: bool,
    /// Whether the texts of tickets show a picture inline.
    pub inline_images: bool,
    /// Milliseconds for each answer.
    pub latency_ms: u64,
    /// Whether a next page is told in `Link`.
    pub link: bool,
    /// Whether times are written with the offset `+05:30`.
    pub offset: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            seed: 1,
            key: "mock-key-1".to_owned(),
            tickets: 100,
            first_update_s: 1_325_376_000,
            step_s: 600,
            same_timestamp: None,
            spam_every: 0,
            deleted_every: 0,
            conversations: 3,
            conversations_of: BTreeMap::new(),
            drift: None,
            limit_per_minute: None,
            list_limit_per_minute: None,
            external_percent: 0,
            retry_after: RetryAfter::Seconds(7),
            faults: Vec::new(),
            folder_levels: 1,
            folder_breadth: 1,
            articles: 3,
            draft_every: 0,
            articles_removed: Vec::new(),
            subfolders: true,
            contacts: 5,
            contacts_alike: 1,
            contacts_newest_first: false,
            entries: 3,
            attachments: 0,
            conversation_attachments: 0,
            files: File::some(),
            attachments_twice: false,
            first_url_expired: false,
            files_redirect: false,
            inline_images: false,
            latency_ms: 0,
            link: true,
            offset: false,
        }
    }
}

/// A file that hangs on a ticket or a message.
#[derive(Debug, Clone)]
pub struct File {
    /// As it is told, which need not be a name that anybody should use.
    pub name: String,
    /// As it is told.
    pub content_type: String,
    /// What is in it.
    pub body: Body,
}

/// What is in a file.
#[derive(Debug, Clone)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes that are 0.
    Zeros(u64),
}

impl Body {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(length) => *length,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl File {
    /// A file of these bytes.
    pub fn new(name: &str, content_type: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            body: Body::Bytes(bytes.to_vec()),
        }
    }

    /// One of each kind that matters.
    fn some() -> Vec<Self> {
        vec![
            Self::new("notes.txt", "text/plain", b"The pump stands still since Monday."),
            Self::new("orders.csv", "text/csv", b"order,state\n48213,late\n"),
        ]
    }
}

/// How long a client is told to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds.
    Seconds(u32),
    /// A date, so many seconds after the `Date` of the same answer.
    Date(u32),
    /// Nothing.
    Absent,
}

/// Something that goes wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Which requests: the beginning of the path behind `/api/v2`, with what stands behind `?` if it is given. Those to the
    /// host of the files begin with `/data`.
    pub path: String,
    /// How many of them go well before.
    pub after: usize,
    /// How many of them go wrong then; `usize::MAX` is for ever.
    pub times: usize,
    /// In which way.
    pub wrong: Wrong,
}

/// In which way a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// This status, and what the service says with it.
    Status(u16),
    /// This status with a page of HTML.
    Html(u16),
    /// The connection is closed without a word.
    Close,
    /// 200, and an object that has nothing in it.
    Nothing,
    /// 429, with this about the time, and as if much were left.
    Limited(RetryAfter),
    /// A normal answer that claims that nothing is left.
    NothingLeft,
}

impl Fault {
    /// Something that goes wrong each time.
    pub fn always(path: &str, wrong: Wrong) -> Self {
        Self { path: path.to_owned(), after: 0, times: usize::MAX, wrong }
    }

    /// Something that goes wrong so many times, from the beginning.
    pub fn times(path: &str, times: usize, wrong: Wrong) -> Self {
        Self { path: path.to_owned(), after: 0, times, wrong }
    }
}
