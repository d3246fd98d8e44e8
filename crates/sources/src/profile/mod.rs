//! Formats as data: what tells one apart and which members of a record mean what.
//!
//! A profile is a TOML file. `profiles/base.toml` holds the rules that every format shares, each
//! other file only what differs, and a user's file is laid over them in the same way. No profile
//! changes what is catalogued: event types follow one rule for all of them, so that a surprise
//! in detection costs a typed column and never a path.

mod config;
mod plan;

use std::path::Path;
use std::sync::Arc;

pub use config::{Detect, DirectionRule, DocTypeRule, EventMembers, FoldRules, Members, Profile, TimeMember};
pub(crate) use plan::{Look, Plan, Scope, Slots};

use jiff::tz::TimeZone;

use crate::SourceError;
use crate::format::Format;

/// How content is cut into records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Every line is a record.
    Lines,
    /// Every line is an Engine.IO frame.
    Frames,
    /// The records are somewhere inside JSON values that span lines.
    Document(Vec<Step>),
    /// There are no records: the content is kept as a whole, and this is what it is called.
    Whole(&'static str),
}

/// One step to the records of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element,
}

const BASE: &str = include_str!("../../profiles/base.toml");

/// The formats that are built in. Where two explain a head equally well, the earlier one wins:
/// the more special ones come first.
const BUILT_IN: [&str; 19] = [
    include_str!("../../profiles/har.toml"),
    include_str!("../../profiles/capture.toml"),
    include_str!("../../profiles/f13.toml"),
    include_str!("../../profiles/f14.toml"),
    include_str!("../../profiles/f12.toml"),
    include_str!("../../profiles/f10.toml"),
    include_str!("../../profiles/f2.toml"),
    include_str!("../../profiles/f9.toml"),
    include_str!("../../profiles/f11.toml"),
    include_str!("../../profiles/f3.toml"),
    include_str!("../../profiles/f1.toml"),
    include_str!("../../profiles/f4.toml"),
    include_str!("../../profiles/f5.toml"),
    include_str!("../../profiles/f7.toml"),
    include_str!("../../profiles/f8.toml"),
    include_str!("../../profiles/f6.toml"),
    include_str!("../../profiles/f15.toml"),
    include_str!("../../profiles/frames.toml"),
    include_str!("../../profiles/collected.toml"),
];

/// The profile of documents that no other profile explains.
pub(crate) const DOCUMENTS: &str = "F15";

/// The profile of files whose lines are frames.
pub(crate) const FRAMES: &str = "frames";

/// Every format that can be recognised.
#[derive(Debug, Clone)]
pub struct Profiles {
    plans: Vec<Arc<Plan>>,
    base: Arc<Plan>,
}

impl Profiles {
    /// The formats that come with the program.
    ///
    /// # Panics
    ///
    /// Never in a released program: the texts are part of it, and a test reads each of them.
    pub fn builtin() -> Self {
        match Self::load() {
            Ok(profiles) => profiles,
            Err(reason) => panic!("a built-in profile is malformed: {reason}"),
        }
    }

    fn load() -> Result<Self, String> {
        let base = plan::table(BASE)?;
        let load = |text| plan::load(&base, text).map(Arc::new);
        Ok(Self { plans: BUILT_IN.into_iter().map(load).collect::<Result<_, _>>()?, base: load("")? })
    }

    /// Adds the profile in the file at `path`, before all others; one of the same name is
    /// replaced.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no profile; an unknown key is named.
    pub fn with_file(self, path: &Path) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => self.with_text(&name, &text),
            Err(error) => Err(SourceError::Profile { path: name, reason: error.to_string() }),
        }
    }

    /// Adds the profile in `text`, as [`Profiles::with_file`]; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// If `text` is no profile.
    pub fn with_text(mut self, path: &str, text: &str) -> Result<Self, SourceError> {
        let plan = plan::table(BASE)
            .and_then(|base| plan::load(&base, text))
            .map_err(|reason| SourceError::Profile { path: path.to_owned(), reason })?;
        self.plans.retain(|other| other.profile.name != plan.profile.name);
        if plan.profile.name == self.base.profile.name {
            self.base = Arc::new(plan);
        } else {
            self.plans.insert(0, Arc::new(plan));
        }
        Ok(self)
    }

    /// The names of all formats, in the order in which they are tried; the last one takes what
    /// no other does.
    pub fn names(&self) -> Vec<&str> {
        self.all().map(|plan| plan.profile.name.as_str()).collect()
    }

    /// Whether there is a format called `name`.
    ///
    /// # Errors
    ///
    /// [`SourceError::UnknownFormat`] with the names that there are.
    pub fn check_name(&self, name: Option<&str>) -> Result<(), SourceError> {
        name.map_or(Ok(()), |name| self.named(name).map(drop))
    }

    /// The profiles themselves, in the same order, for those who want to show them.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.all().map(|plan| &plan.profile)
    }

    /// The fold rules of all formats.
    pub fn fold_rules(&self) -> impl Iterator<Item = &FoldRules> {
        self.all().map(|plan| &plan.profile.fold)
    }

    /// The format called `name` for records that were read before, or the plain rules if there is
    /// none of that name any more.
    pub fn format(&self, name: &str, zone: Option<TimeZone>) -> Arc<Format> {
        let plan = self.named(name).unwrap_or(&self.base);
        let shape = if plan.profile.name == FRAMES { Shape::Frames } else { Shape::Lines };
        Arc::new(Format::new(plan.clone(), shape, zone))
    }

    /// The format of content that is kept as a whole.
    pub fn whole(&self, name: &'static str) -> Arc<Format> {
        Arc::new(Format::new(self.base.clone(), Shape::Whole(name), None))
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.plans.iter().chain([&self.base])
    }

    pub(crate) fn plans(&self) -> &[Arc<Plan>] {
        &self.plans
    }

    pub(crate) fn base(&self) -> &Arc<Plan> {
        &self.base
    }

    pub(crate) fn documents(&self) -> &Arc<Plan> {
        self.named(DOCUMENTS).unwrap_or(&self.base)
    }

    pub(crate) fn frames(&self) -> &Arc<Plan> {
        self.named(FRAMES).unwrap_or(&self.base)
    }

    pub(crate) fn named(&self, name: &str) -> Result<&Arc<Plan>, SourceError> {
        self.all().find(|plan| plan.profile.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            SourceError::UnknownFormat { name: name.to_owned(), known: self.names().join(", ") }
        })
    }
}
