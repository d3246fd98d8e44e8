//! Resources as they are worked on: paths understood, parents found, in an order in which each comes after its parent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use crate::config::ResourceConfig;
use crate::paginate::{Pager, counts_by};
use crate::select::{Select, json_path, member};
use crate::template::{Fill, Place, places, places_of};

/// A resource whose configuration makes sense.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) config: ResourceConfig,
    pub(crate) select: Select,
    /// Where an answer says how many tokens it took.
    pub(crate) tokens: Vec<JsonPath>,
    /// Which one it is asked for each record of.
    pub(crate) parent: Option<usize>,
    /// Whether another is asked for each of its records.
    pub(crate) has_children: bool,
    /// Members of its records that those below it need.
    needed: Vec<String>,
}

/// What one is asked for: the values of the records above it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Context {
    /// By resource and member.
    values: BTreeMap<(String, String), Value>,
    /// What tells it from others of its resource. Empty for one without a parent.
    pub(crate) key: String,
}

/// What fills the places of one run.
pub(crate) struct Filler<'a> {
    pub(crate) context: &'a Context,
    pub(crate) start: Option<&'a Value>,
    pub(crate) end: Option<&'a Value>,
}

impl Fill for Filler<'_> {
    fn value(&self, place: &Place) -> Option<Value> {
        match place {
            Place::Start => self.start.cloned(),
            Place::End => self.end.cloned(),
            Place::Parent { resource, member } => {
                self.context.values.get(&(resource.clone(), member.clone())).cloned()
            }
        }
    }
}

impl Resource {
    /// The context of the children of a record; what is missing if there is none.
    pub(crate) fn below(&self, context: &Context, record: &Value) -> Result<Context, String> {
        let mut values = context.values.clone();
        let mut key = Vec::new();
        for name in &self.needed {
            let value = member(record, name).filter(|value| !value.is_null() && !value.is_object());
            let Some(value) = value else {
                return Err(format!("a record of {} has no `{name}`", self.config.name));
            };
            key.push(value.to_string());
            values.insert((self.config.name.clone(), name.clone()), value.clone());
        }
        let key = key.join(",");
        let key = if context.key.is_empty() { key } else { format!("{}/{key}", context.key) };
        Ok(Context { values, key })
    }

    /// What is kept of the parent with each record.
    pub(crate) fn included(&self, parent: &str, context: &Context) -> Map<String, Value> {
        let of = |name: &String| {
            let value = context.values.get(&(parent.to_owned(), name.clone()))?;
            Some((name.clone(), value.clone()))
        };
        self.config.include_from_parent.iter().filter_map(of).collect()
    }
}

/// Resources in an order in which each comes after its parent.
///
/// # Errors
/// If one makes no sense; the text names it.
pub(crate) fn resources(configs: Vec<ResourceConfig>) -> Result<Vec<Resource>, String> {
    let mut waiting = Vec::new();
    let mut names = BTreeSet::new();
    for config in configs {
        let of = |why: String| format!("resource {}: {why}", config.name);
        if config.name.is_empty() {
            return Err("a resource has no `name`".to_owned());
        }
        if !names.insert(config.name.clone()) {
            return Err(of("another has the same name".to_owned()));
        }
        let above = above(&config).map_err(of)?;
        let incremental = config.incremental.is_some();
        if above.iter().any(|place| !matches!(place, Place::Parent { .. })) && !incremental {
            return Err(of("{incremental.…} stands in it and `incremental` is missing".to_owned()));
        }
        // Whether its paths can be used is asked here and not in the middle of a run.
        Pager::new(&config.paginate, config.pages_max).map_err(of)?;
        let select = Select::parse(config.select.as_deref()).map_err(of)?;
        counts_by(&config.paginate, &select).map_err(of)?;
        let tokens = config.tokens_path.iter().map(|path| json_path(path)).collect::<Result<_, _>>();
        let parts = (select, tokens.map_err(of)?);
        waiting.push((config, parts, above));
    }
    let mut done: Vec<Resource> = Vec::new();
    while !waiting.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, _, above)| {
            parents(above).iter().all(|(name, _)| done.iter().any(|resource| resource.config.name == *name))
        });
        if ready.is_empty() {
            let (config, _, above) = &later[0];
            let above = parents(above);
            let missing = above.iter().find(|(name, _)| !names.contains(*name));
            return Err(match missing {
                Some((name, _)) => {
                    let all: Vec<&str> = names.iter().map(String::as_str).collect();
                    format!(
                        "resource {}: there is no resource {name}; there are {}",
                        config.name,
                        all.join(", ")
                    )
                }
                None => format!("resource {}: it is below itself", config.name),
            });
        }
        for (config, parts, above) in ready {
            let resource = joined(config, parts, &above, &mut done)?;
            done.push(resource);
        }
        waiting = later;
    }
    Ok(done)
}

/// Finds the parent, and tells everybody above what is needed of them.
fn joined(
    config: ResourceConfig,
    (select, tokens): (Select, Vec<JsonPath>),
    above: &[Place],
    done: &mut [Resource],
) -> Result<Resource, String> {
    let of = |name: &str| done.iter().position(|resource| resource.config.name == name);
    let wanted = parents(above);
    let chain = |from: usize| {
        let mut chain = vec![from];
        while let Some(parent) = chain.last().and_then(|at| done[*at].parent) {
            chain.push(parent);
        }
        chain
    };
    let indices: BTreeSet<usize> = wanted.iter().filter_map(|(name, _)| of(name)).collect();
    let parent = indices.iter().copied().max_by_key(|at| chain(*at).len());
    if let Some(parent) = parent
        && let Some(stranger) = indices.iter().find(|at| !chain(parent).contains(at))
    {
        return Err(format!(
            "resource {}: it is below {} and below {}, neither of which is below the other",
            config.name, done[parent].config.name, done[*stranger].config.name
        ));
    }
    if parent.is_none() && !config.include_from_parent.is_empty() {
        return Err(format!("resource {}: it has `include_from_parent` and no parent", config.name));
    }
    let included = config.include_from_parent.iter().filter_map(|member| Some((parent?, member.clone())));
    let named: Vec<(usize, String)> = wanted
        .iter()
        .filter_map(|(name, member)| Some((of(name)?, (*member).to_owned())))
        .chain(included)
        .collect();
    for (at, member) in named {
        if !done[at].needed.contains(&member) {
            done[at].needed.push(member);
        }
    }
    if let Some(parent) = parent {
        done[parent].has_children = true;
    }
    Ok(Resource { config, select, tokens, parent, has_children: false, needed: Vec::new() })
}

/// Every place of a resource.
fn above(config: &ResourceConfig) -> Result<Vec<Place>, String> {
    let mut found = places(&config.path)?;
    for value in config.params.values().chain(&config.body) {
        places_of(value, &mut found)?;
    }
    Ok(found)
}

fn parents(above: &[Place]) -> Vec<(&str, &str)> {
    above
        .iter()
        .filter_map(|place| match place {
            Place::Parent { resource, member } => Some((resource.as_str(), member.as_str())),
            Place::Start | Place::End => None,
        })
        .collect()
}
