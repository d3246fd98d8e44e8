//! One resource for one parent, page by page.

use std::collections::BTreeMap;

use serde_json::Value;
use stele_collect::CollectError;
use stele_http::{Method, Secret};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::auth::set_param;
use crate::config::{Order, Verb};
use crate::cursor::{Fate, State, Track};
use crate::paginate::{Next, Page, Pager};
use crate::resource::{Context, Filler, Resource};
use crate::select::Record;
use crate::service::{Answered, Moment, Outgoing, Service, Terms};
use crate::template::{filled, filled_value, plain};

/// What is sent with every request of a source.
pub(crate) struct Common {
    pub(crate) base: Url,
    /// Hosts that a page may be at, with the port if it is not that of the scheme.
    pub(crate) hosts: Vec<String>,
    pub(crate) headers: BTreeMap<String, Secret>,
    pub(crate) params: BTreeMap<String, Value>,
}

/// How it ended.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Where the next run goes on; `None` if it reads everything.
    pub(crate) state: Option<State>,
    /// Why there is nothing, as the configuration has it.
    pub(crate) nothing: Option<String>,
    /// Why it is not given.
    pub(crate) forbidden: Option<String>,
    /// Records that were left out because they have no cursor.
    pub(crate) left: u64,
}

/// Takes the new records of a page, and where a run goes on that has them. Says whether more is wanted.
pub(crate) type Emit<'a> = &'a mut dyn FnMut(Vec<Record>, Option<State>) -> bool;

/// Reads every page.
///
/// # Errors
/// What ends it before its end. What was emitted before stays.
pub(crate) fn walk(
    service: &Service,
    common: &Common,
    resource: &Resource,
    context: &Context,
    state: &State,
    moment: &Moment<'_>,
    emit: Emit<'_>,
) -> Result<Walked, CollectError> {
    let config = &resource.config;
    let what = format!("source {}, {}", service.source_id, config.name);
    let refuse = |why: String| CollectError::Config { source_id: service.source_id.clone(), why };
    let mut track = config.incremental.as_ref().map(|incremental| Track::new(incremental, state));
    let mut pager = Pager::new(&config.paginate, config.pages_max).map_err(refuse)?;
    let first = request(common, resource, context, track.as_ref())
        .map_err(|why| refuse(format!("resource {}: {why}", config.name)))?;
    let terms = Terms {
        stream: &config.name,
        on_status: &config.on_status,
        tokens: &resource.tokens,
        fresh_is_enough: config.incremental.is_none(),
    };
    let mut next = Some(pager.first());
    let mut walked = Walked::default();
    while let Some(step) = next.take() {
        if (moment.cancelled)() {
            return Err(CollectError::Cancelled);
        }
        let outgoing = stepped(&first, step, common, &what)?;
        let (headers, body) = match service.ask(&outgoing, &terms, moment)? {
            Answered::Page(headers, body) => (headers, body),
            Answered::Nothing(why) => {
                walked.nothing = Some(why);
                break;
            }
            Answered::Forbidden(why) => {
                walked.forbidden = Some(why);
                return Ok(walked);
            }
        };
        let records = resource.select.records(&body, &what)?;
        let select = &resource.select;
        let page = Page { url: &outgoing.url, headers: &headers, body: &body, records: &records, select };
        // Asked before anything is taken out, and answered after what came is handed over: an error loses no page.
        let after = pager.next(&page, &what);
        let (came, mut known) = (records.len(), 0);
        let mut fresh = Vec::with_capacity(came);
        for record in records {
            let fate = match &mut track {
                None => Fate::New,
                // Its cursor cannot be read either; whoever takes it sets it aside.
                Some(_) if record.unread.is_some() => Fate::New,
                Some(track) => track
                    .meet(&record.value)
                    .map_err(|why| CollectError::Answer { what: what.clone(), why })?,
            };
            match fate {
                Fate::New => fresh.push(record),
                Fate::Known => known += 1,
                Fate::Later => {}
                Fate::Left => walked.left += 1,
            }
        }
        let order = config.incremental.as_ref().map_or(Order::None, |incremental| incremental.order);
        let reached = match (&mut track, order) {
            (Some(track), Order::Asc) => Some(track.reached()),
            _ => None,
        };
        if !emit(fresh, reached) {
            return Err(CollectError::Enough);
        }
        // Newest first: behind a page of what is known there is nothing new.
        let rest_is_known = order == Order::Desc && state.at.is_some() && came > 0 && known == came;
        next = after?.filter(|_| !rest_is_known);
    }
    walked.state = track.map(|mut track| track.reached());
    Ok(walked)
}

/// The first request, without what its page has.
pub(crate) fn request(
    common: &Common,
    resource: &Resource,
    context: &Context,
    track: Option<&Track<'_>>,
) -> Result<Outgoing, String> {
    let config = &resource.config;
    let incremental = config.incremental.as_ref();
    let fill = Filler {
        context,
        start: track.and_then(Track::start),
        end: incremental.and_then(|incremental| incremental.end.as_ref()),
    };
    let mut url = address(common, &filled(&config.path, &fill, true)?)?;
    for (name, value) in common.params.iter().chain(&config.params) {
        set_param(&mut url, name, &texts(&filled_value(value, &fill)?));
    }
    let ends = incremental.map(|i| [(&i.param, fill.start), (&i.end_param, fill.end)]);
    for (name, value) in ends.into_iter().flatten() {
        if let (Some(name), Some(value)) = (name, value) {
            set_param(&mut url, name, &[plain(value)]);
        }
    }
    let mut headers: BTreeMap<String, Secret> =
        [("accept".to_owned(), Secret::new("application/json"))].into();
    for (name, value) in common.headers.iter().chain(&config.headers) {
        headers.insert(name.to_ascii_lowercase(), value.clone());
    }
    let body = match &config.body {
        None => None,
        Some(body) => Some(filled_value(body, &fill)?),
    };
    if config.form {
        headers.insert("content-type".to_owned(), Secret::new("application/x-www-form-urlencoded"));
    }
    Ok(Outgoing {
        method: if config.method == Verb::Post { Method::Post } else { Method::Get },
        url,
        headers: headers.into_iter().collect(),
        body: body.map(|body| written(&body, config.form)).transpose()?,
        token: None,
    })
}

/// The same for another page.
fn stepped(first: &Outgoing, step: Next, common: &Common, what: &str) -> Result<Outgoing, CollectError> {
    let mut outgoing = first.clone();
    match step {
        Next::Params(params) => {
            for (name, value) in params {
                set_param(&mut outgoing.url, &name, &[value]);
            }
        }
        Next::InBody(name, value) => {
            let body = outgoing.body.take().unwrap_or_else(|| b"{}".to_vec());
            let refuse = || CollectError::Answer {
                what: what.to_owned(),
                why: "the cursor goes into the body, and the body is no object of JSON".to_owned(),
            };
            let mut body: Value = serde_json::from_slice(&body).map_err(|_| refuse())?;
            body.as_object_mut().ok_or_else(refuse)?.insert(name, value);
            outgoing.body = Some(serde_json::to_vec(&body).map_err(CollectError::Unwritable)?);
        }
        Next::Url(url) => {
            let elsewhere = |host: &str| CollectError::Answer {
                what: what.to_owned(),
                why: format!(
                    "its next page is at {host}, to which the key would be sent; add it to `hosts` if that is right"
                ),
            };
            let url = Url::parse(&url).map_err(|_| elsewhere("no address"))?;
            if !is_ours(common, &url) {
                return Err(elsewhere(&host_of(&url)));
            }
            outgoing.url = url;
        }
    }
    Ok(outgoing)
}

fn address(common: &Common, path: &str) -> Result<Url, String> {
    let base = common.base.as_str().trim_end_matches('/');
    let text = match path {
        "" => common.base.as_str().to_owned(),
        whole if whole.starts_with("http://") || whole.starts_with("https://") => whole.to_owned(),
        path if path.starts_with('?') => format!("{base}{path}"),
        path => format!("{base}/{}", path.trim_start_matches('/')),
    };
    let url = Url::parse(&text).map_err(|error| format!("its address is none: {error}"))?;
    match is_ours(common, &url) {
        true => Ok(url),
        false => Err(format!(
            "its address is at {}, which is neither that of `base_url` nor in `hosts`",
            host_of(&url)
        )),
    }
}

/// Whether the key may be sent there: the same host, not less safe, or one that was named.
fn is_ours(common: &Common, url: &Url) -> bool {
    let safe = url.scheme() == "https" || url.scheme() == common.base.scheme();
    safe && (host_of(url) == host_of(&common.base) || common.hosts.iter().any(|host| *host == host_of(url)))
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A parameter as it is sent; a list is sent as several.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::Null => Vec::new(),
        value => vec![plain(value)],
    }
}

fn written(body: &Value, form: bool) -> Result<Vec<u8>, String> {
    if !form {
        return serde_json::to_vec(body).map_err(|error| error.to_string());
    }
    let members = body.as_object().ok_or("a `form` has to be an object")?;
    let mut form = Serializer::new(String::new());
    for (name, value) in members {
        for text in texts(value) {
            form.append_pair(name, &text);
        }
    }
    Ok(form.finish().into_bytes())
}
