//! Which change is how bad.

/// How bad a change is for a program that was written for the old shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It cannot notice.
    Safe,
    /// It may stumble, or a person should look.
    Warning,
    /// It relies on something that no longer holds.
    Breaking,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Severity; 3] = [Severity::Safe, Severity::Warning, Severity::Breaking];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Safe => "SAFE",
            Severity::Warning => "WARNING",
            Severity::Breaking => "BREAKING",
        }
    }
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// New in the new shape.
    Added,
    /// In the old shape only.
    NotSeen,
    /// A type that was not there before.
    Widened,
    /// Other types altogether.
    Replaced,
    /// A type that is no longer there.
    Narrowed,
    /// A value that an enumeration did not have.
    NewValue,
    /// Other ends of a range.
    Range,
    /// More or less often there.
    Presence,
}

impl ChangeKind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::NotSeen => "not seen",
            ChangeKind::Widened => "widened",
            ChangeKind::Replaced => "replaced",
            ChangeKind::Narrowed => "narrowed",
            ChangeKind::NewValue => "new value",
            ChangeKind::Range => "range",
            ChangeKind::Presence => "presence",
        }
    }
}

/// A rule: what must be the case, and how bad that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A new event.
    EventAdded,
    /// An event is not seen.
    EventNotSeen,
    /// An event is not seen that one would not expect in so few records.
    EventNotSeenRare,
    /// A new path.
    PathAdded,
    /// A member is not seen that every object had, though there are such objects.
    AlwaysNotSeen,
    /// A path is not seen that one would expect.
    PathNotSeen,
    /// A path is not seen that one would not expect in so few records.
    PathNotSeenRare,
    /// A path is not seen, because nothing is there that could hold it.
    HolderNotSeen,
    /// All types are others.
    Replaced,
    /// A type was added that needs other code.
    WidenedByType,
    /// Null was added.
    WidenedByNull,
    /// Numbers were added to integers.
    WidenedByNumber,
    /// Integers were added to numbers.
    WidenedByInteger,
    /// What was always null has a type now.
    WidenedFromNull,
    /// A type is not seen any more.
    Narrowed,
    /// An enumeration has a new value.
    NewValue,
    /// Other ends of a range.
    Range,
    /// What was always there is missing sometimes.
    AlwaysToSometimes,
    /// What was missing sometimes is always there.
    SometimesToAlways,
    /// Much more or less often there.
    PresenceShift,
}

impl Rule {
    /// The table of rules.
    pub const ALL: [Rule; 20] = [
        Rule::Replaced,
        Rule::WidenedByType,
        Rule::AlwaysToSometimes,
        Rule::AlwaysNotSeen,
        Rule::WidenedByNull,
        Rule::WidenedByNumber,
        Rule::WidenedFromNull,
        Rule::NewValue,
        Rule::EventNotSeen,
        Rule::PathNotSeen,
        Rule::EventNotSeenRare,
        Rule::PathNotSeenRare,
        Rule::HolderNotSeen,
        Rule::EventAdded,
        Rule::PathAdded,
        Rule::WidenedByInteger,
        Rule::Narrowed,
        Rule::Range,
        Rule::SometimesToAlways,
        Rule::PresenceShift,
    ];

    /// The kind of change.
    pub const fn kind(self) -> ChangeKind {
        match self {
            Rule::EventAdded | Rule::PathAdded => ChangeKind::Added,
            Rule::EventNotSeen
            | Rule::EventNotSeenRare
            | Rule::AlwaysNotSeen
            | Rule::PathNotSeen
            | Rule::PathNotSeenRare
            | Rule::HolderNotSeen => ChangeKind::NotSeen,
            Rule::Replaced => ChangeKind::Replaced,
            Rule::WidenedByType
            | Rule::WidenedByNull
            | Rule::WidenedByNumber
            | Rule::WidenedByInteger
            | Rule::WidenedFromNull => ChangeKind::Widened,
            Rule::Narrowed => ChangeKind::Narrowed,
            Rule::NewValue => ChangeKind::NewValue,
            Rule::Range => ChangeKind::Range,
            Rule::AlwaysToSometimes | Rule::SometimesToAlways | Rule::PresenceShift => ChangeKind::Presence,
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Rule::Replaced | Rule::WidenedByType | Rule::AlwaysToSometimes | Rule::AlwaysNotSeen => {
                Severity::Breaking
            }
            Rule::WidenedByNull
            | Rule::WidenedByNumber
            | Rule::WidenedFromNull
            | Rule::NewValue
            | Rule::EventNotSeen
            | Rule::PathNotSeen => Severity::Warning,
            Rule::EventNotSeenRare
            | Rule::PathNotSeenRare
            | Rule::HolderNotSeen
            | Rule::EventAdded
            | Rule::PathAdded
            | Rule::WidenedByInteger
            | Rule::Narrowed
            | Rule::Range
            | Rule::SometimesToAlways
            | Rule::PresenceShift => Severity::Safe,
        }
    }

    /// The rule in words.
    pub const fn text(self) -> &'static str {
        match self {
            Rule::EventAdded => "a new event",
            Rule::EventNotSeen => "an event is not seen",
            Rule::EventNotSeenRare => "an event is not seen, but one would expect few in so many records",
            Rule::PathAdded => "a new path",
            Rule::AlwaysNotSeen => {
                "a member that every object had is not seen in any, and there are such objects"
            }
            Rule::PathNotSeen => "a path is not seen",
            Rule::PathNotSeenRare => "a path is not seen, but one would expect few in so many objects",
            Rule::HolderNotSeen => "a path is not seen, because nothing is there that could hold it",
            Rule::Replaced => "none of the old types is left",
            Rule::WidenedByType => "a type beside the old ones",
            Rule::WidenedByNull => "null where there was none",
            Rule::WidenedByNumber => "numbers with a decimal point where there were integers",
            Rule::WidenedByInteger => "integers where there were numbers with a decimal point",
            Rule::WidenedFromNull => "a type where there was only null",
            Rule::Narrowed => "a type is not seen any more",
            Rule::NewValue => "a value that the enumeration did not have",
            Rule::Range => "other ends of a range of numbers, lengths or elements",
            Rule::AlwaysToSometimes => "a member that every object had is missing in some",
            Rule::SometimesToAlways => "a member that was missing in some objects is in all of them",
            Rule::PresenceShift => "a member is in a much larger or smaller share of the objects",
        }
    }
}
