//! How much one caller may have, and why that much.

use std::time::Duration;

/// Bytes of structured content in one result: some ten thousand tokens, which leaves an agent room
/// for several of them. The same text goes out once more for clients that read text alone.
pub const RESULT_BYTES_MAX: usize = 48 << 10;

/// Bytes of one retrieved text, of one value of a row: a result holds a dozen of them at least.
pub const TEXT_BYTES_MAX: usize = 4 << 10;

/// Bytes of a short fact beside a text: a sample value, a reason, a name in an error.
pub(crate) const FACT_BYTES_MAX: usize = 300;

/// Entries of a page unless told otherwise: what is read at a glance.
pub(crate) const PAGE_DEFAULT: u64 = 20;

/// Entries of a page at most: more never fits [`RESULT_BYTES_MAX`] anyway.
pub const PAGE_MAX: u64 = 100;

/// Results that one search comes to over all its pages, always all of them behind the scenes: the
/// order of the best depends on how many are asked for, so pages of different questions would
/// overlap.
pub const SEARCH_RESULTS_MAX: usize = 100;

/// Rows of a query unless told otherwise.
pub(crate) const SQL_ROWS_DEFAULT: u64 = 100;

/// Rows of a query at most: beyond it an export is the right tool.
pub const SQL_ROWS_MAX: u64 = 1000;

/// Lines before and after the one that is asked for, each.
pub(crate) const EXCERPT_LINES_MAX: u64 = 50;

/// Memory that an SQL engine counts: enough to sort and join a lake of some gigabytes. What does not
/// fit is spilled.
pub(crate) const SQL_MEMORY_BYTES: u64 = 512 << 20;

/// Address space of a process that answers a query of a caller: the engine's memory, the program and its
/// threads, and half a gigabyte for what the engine does not count, such as the values that functions make.
pub(crate) const SQL_PROCESS_BYTES: u64 = 2 << 30;

/// Such processes at once: their memory is what the smallest machine has to spare.
pub(crate) const SQL_PROCESSES_MAX: usize = 2;

/// Threads of the engine in such a process: each takes address space, whether it works or not.
pub(crate) const SQL_THREADS_MAX: usize = 4;

/// Bytes of one file that such a process spills to.
pub(crate) const SQL_SPILL_BYTES: u64 = 4 << 30;

/// Bytes of one answer of such a process: [`RESULT_BYTES_MAX`] several times over.
pub(crate) const SQL_ANSWER_BYTES: u64 = 1 << 20;

/// Bytes of one text argument: a long query, and no upload.
pub(crate) const ARGUMENT_BYTES_MAX: usize = 16 << 10;

/// Values of one list argument: each is a condition of the filter.
pub(crate) const ARGUMENT_VALUES_MAX: usize = 50;

/// How far into a result a cursor may point: beyond it every page costs a scan of all before it.
pub(crate) const POSITION_MAX: u64 = 1_000_000;

/// Time of one call, from its arrival: clients give up after half a minute or a minute.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(25);

/// Time that a call has to end with what it has, once it was told to stop.
pub(crate) const CALL_GRACE: Duration = Duration::from_secs(2);

/// Calls that run at once: each may hold a core and some hundred megabytes.
pub(crate) const CALLS_MAX: usize = 4;

/// Status pages and lists of jobs at once: each waits for the queue or the disk, and takes next to nothing.
pub(crate) const STATUS_MAX: usize = 4;

/// Those that run or wait: a page asks several at once, and so do those who have it open; half of [`CONNECTIONS_MAX`].
pub(crate) const STATUS_WAITING_MAX: usize = 256;

/// Jobs that are submitted or steered at once: each may read some gigabytes for the checksums of its inputs.
pub(crate) const ORDERS_MAX: usize = 2;

/// Those that run or wait.
pub(crate) const ORDERS_WAITING_MAX: usize = 32;

/// Probes and scrapes at once: one of each, and one that comes while the one before has not ended.
pub(crate) const PROBES_MAX: usize = 3;

/// Those that run or wait: who asks more often is told to come back, which says enough.
pub(crate) const PROBES_WAITING_MAX: usize = 16;

/// Time that a queue has to answer whoever looks at it: more than a commit takes on a slow disk, and less than probes
/// and scrapers wait.
pub(crate) const QUEUE_TIME_MAX: Duration = Duration::from_secs(3);

/// Time after which a queue that did not answer in time is asked again: those who look meanwhile are told at once.
pub(crate) const QUEUE_SILENT: Duration = Duration::from_secs(5);

/// Calls that run or wait; the next is told to come back. An agent that fans out asks for a dozen.
pub(crate) const CALLS_WAITING_MAX: usize = 32;

/// Bytes of a message, a line or an HTTP request: [`ARGUMENT_BYTES_MAX`] many times over, and no burden to hold.
pub(crate) const BODY_BYTES_MAX: usize = 256 << 10;

/// Time of a whole HTTP request: a call with its grace, and a slow network.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(40);

/// Time for the head of an HTTP request, idle time between two included, so that nobody holds a
/// connection by saying nothing.
pub(crate) const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// HTTP connections at once: half of the descriptors that a process commonly has. Where there are more, those
/// that do nothing make room.
pub(crate) const CONNECTIONS_MAX: usize = 512;

/// Descriptors that a service asks for: those connections, and several for each part of a lake that is read.
pub(crate) const DESCRIPTORS: u64 = 8192;

/// Time in which a client has to take a part of an answer: a slow network, and no stalled one.
pub(crate) const WRITE_TIME_MAX: Duration = Duration::from_secs(30);

/// Requests of the service that run or wait. Most take a millisecond; a page asks several at once.
pub(crate) const REQUESTS_WAITING_MAX: usize = 256;

/// Bytes of the query in an address: as long as common servers take.
pub(crate) const QUERY_BYTES_MAX: usize = 16 << 10;

/// Bytes of one schema: what a program still reads at once. `stele schema export` writes larger ones.
pub(crate) const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// Time for which what was found is believed: that it is ready, the numbers of queue and lake, a status where lake, index
/// and graph are the same. Ages and counters are as old as that; of a crowd that looks, one is worked for a second.
pub(crate) const RECENT: Duration = Duration::from_secs(1);

/// The same for an answer that depends on lake, index and graph alone, such as the result of a search: as long as what
/// else has a say, like the configuration, may be heeded late.
pub(crate) const ANSWER_KEPT: Duration = Duration::from_secs(10);

/// Bytes of an answer that is kept; with [`ANSWERS_KEPT_MAX`] of them, 32 MiB at the very most.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Answers that are kept: more different questions within [`ANSWER_KEPT`] are not asked by a crowd.
pub(crate) const ANSWERS_KEPT_MAX: usize = 512;

/// Share of the disk below which it is nearly full: the next ingest may not fit.
pub(crate) const DISK_FREE_SHARE_MIN: f64 = 0.03;

/// Bytes below which it is nearly full whatever its size, and above which it is not.
pub(crate) const DISK_FREE_BYTES: (u64, u64) = (256 << 20, 20 << 30);

/// Time for calls to end when the server is told to stop.
pub(crate) const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// How far the threads of HTTP stand behind others, as `nice` counts it: of a processor that both want they get a quarter.
/// Answers are short and many; a job is one chain that everything makes longer which comes between its links. Ten would leave
/// them too little beside a model that takes both processors.
pub(crate) const NICENESS: i32 = 5;
