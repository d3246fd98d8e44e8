//! Whether everything of a tenant on a platform may be removed.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use stele_model::Clock;

use crate::HelpdeskError;

/// The words that a person has to give: `DELETE_acme_freshdesk_20310308`, with the day in UTC.
pub fn confirmation(tenant: &str, platform: &str, clock: &dyn Clock) -> String {
    let now = Timestamp::from_microsecond(clock.now()).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("DELETE_{tenant}_{platform}_{}", now.to_zoned(TimeZone::UTC).strftime("%Y%m%d"))
}

/// Compares what a person gave with what it has to be, in a time that does not tell how much of it is right.
///
/// # Errors
/// [`HelpdeskError::NotConfirmed`], which does not say what would have been right.
pub fn check(given: &str, tenant: &str, platform: &str, clock: &dyn Clock) -> Result<(), HelpdeskError> {
    // Hashes have one length, and where they differ tells nothing.
    let hash = |text: &str| blake3::hash(text.trim().as_bytes());
    match hash(given) == hash(&confirmation(tenant, platform, clock)) {
        true => Ok(()),
        false => Err(HelpdeskError::NotConfirmed),
    }
}
