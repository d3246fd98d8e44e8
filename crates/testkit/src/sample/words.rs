//! Invented names, none of which belongs to anybody.

use crate::rng::split_mix;

pub(super) const FISH: [&str; 6] = ["cod", "hake", "turbot", "sprat", "dab", "monkfish"];

pub(super) const BOATS: &[&str] =
    &["Grey Heron", "Salt & Sons", "Three Bells", "Marie-Ève", "Old \"Bosun\"", "Nordstjärna"];

pub(super) const NOTICES: &[&str] = &["Fog", "Ice is short", "Gate 4 | closed", "Night\nsale"];

pub(super) const CHATTER: &[&str] = &[
    "who took lot 9?",
    "fair | square",
    "two lines\nof talk",
    "🐟 fresh!",
    "price: 1.5 \\ crate",
    "日本の魚",
    "\"quoted\" words",
    "tab\there",
    "<b>not markup</b>",
    "",
];

const FIRST: [&str; 10] =
    ["amber", "brisk", "calm", "dusky", "eager", "foggy", "gilded", "hushed", "inky", "jolly"];
const LAST: [&str; 10] =
    ["auk", "bittern", "coot", "dipper", "egret", "fulmar", "gannet", "hoopoe", "ibis", "jay"];

/// Id and name of person `n`; every ninth goes without a name.
pub(super) fn person(n: u64) -> (String, Option<String>) {
    let mut state = n ^ 0x5eaf_00d5;
    let id = format!("did:harbour:{:016x}", split_mix(&mut state));
    let name = format!("{}_{}{}", FIRST[n as usize % 10], LAST[n as usize / 10 % 10], n / 100);
    (id, (n % 9 != 8).then_some(name))
}
