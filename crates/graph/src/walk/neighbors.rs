//! What is around a node: step by step outwards, surer edges first.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use stele_model::Node;

use super::{Adjacency, Follow, LimitReason, Reached, WORK_MAX};

/// What was found, with edges as numbers.
pub(super) struct Found {
    pub(super) nodes: Vec<Reached>,
    /// Depth and edge.
    pub(super) edges: Vec<(u32, u32)>,
    pub(super) limit_reason: Option<LimitReason>,
}

pub(super) fn find(adjacency: &Adjacency, node: Node, depth: u32, rows: usize, follow: &Follow) -> Found {
    let nodes = vec![Reached { node, depth: 0 }];
    let mut found = Found { nodes, edges: Vec::new(), limit_reason: None };
    let Some(start) = adjacency.number(node) else { return found };
    let mut known: HashSet<u32, RandomState> = HashSet::from_iter([start]);
    let mut used: HashSet<u32, RandomState> = HashSet::default();
    let mut frontier = vec![start];
    let mut work = 0;
    for depth in 1..=depth {
        let left = rows - found.edges.len();
        // Lists are in the order of rows, so one more of each than can be taken shows a cut.
        let mut next: Vec<(u32, u32)> = Vec::new();
        'frontier: for from in &frontier {
            let mut taken = 0;
            for edge in adjacency.edges(*from, follow.direction) {
                work += 1;
                if work > WORK_MAX {
                    found.limit_reason = Some(LimitReason::Work);
                    break 'frontier;
                }
                if follow.kind(adjacency.kind(edge)) && !used.contains(&edge) {
                    next.push((edge, *from));
                    taken += 1;
                    if taken > left {
                        break;
                    }
                }
            }
        }
        next.sort_unstable();
        next.dedup_by_key(|(edge, _)| *edge);
        if next.len() > left {
            next.truncate(left);
            found.limit_reason = found.limit_reason.or(Some(LimitReason::Rows));
        }
        frontier.clear();
        for (edge, from) in next {
            used.insert(edge);
            found.edges.push((depth, edge));
            let to = adjacency.across(edge, from);
            if known.insert(to) {
                frontier.push(to);
                found.nodes.push(Reached { node: adjacency.node(to), depth });
            }
        }
        if found.limit_reason.is_some() || frontier.is_empty() {
            break;
        }
    }
    found
}
