//! How two nodes hang together: the shortest ways first.
//!
//! From the far end, how far every node around it is; then from the near end, only where the far end
//! can still be reached.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;
use stele_model::Node;

use super::{Adjacency, Direction, Follow, LimitReason, WORK_MAX};

/// What was found: for each path its edges, each with the node that it leads to.
pub(super) struct Found {
    pub(super) paths: Vec<Vec<(u32, u32)>>,
    pub(super) limit_reason: Option<LimitReason>,
}

pub(super) fn find(
    adjacency: &Adjacency,
    from: Node,
    to: Node,
    depth: u32,
    limit: usize,
    follow: &Follow,
) -> Found {
    let mut found = Found { paths: Vec::new(), limit_reason: None };
    let (Some(from), Some(to)) = (adjacency.number(from), adjacency.number(to)) else { return found };
    if from == to {
        return found;
    }
    let mut search = Search {
        adjacency,
        follow,
        to,
        limit,
        far: HashMap::default(),
        work: 0,
        steps: Vec::new(),
        on_path: HashSet::from_iter([from]),
        found: &mut found,
    };
    search.measure(from, depth);
    let Some(shortest) = search.far.get(&from).copied() else { return found };
    for length in shortest..=depth {
        if !search.walk(from, length) {
            break;
        }
    }
    found
}

struct Search<'a> {
    adjacency: &'a Adjacency,
    follow: &'a Follow,
    to: u32,
    limit: usize,
    /// Steps from a node to the end, as far as they were measured.
    far: HashMap<u32, u32, RandomState>,
    work: usize,
    steps: Vec<(u32, u32)>,
    on_path: HashSet<u32, RandomState>,
    found: &'a mut Found,
}

impl Search<'_> {
    /// How far the nodes around the end are from it, against the way in which edges are followed. The
    /// beginning needs no nodes beyond it to be known.
    fn measure(&mut self, from: u32, depth: u32) {
        let backwards = match self.follow.direction {
            Direction::Out => Direction::In,
            Direction::In => Direction::Out,
            Direction::Both => Direction::Both,
        };
        self.far.insert(self.to, 0);
        let mut next = VecDeque::from([self.to]);
        while let Some(node) = next.pop_front() {
            let far = self.far.get(&node).copied().unwrap_or(0);
            if far == depth || node == from {
                continue;
            }
            for edge in self.adjacency.edges(node, backwards) {
                if !self.works() {
                    return;
                }
                let other = self.adjacency.across(edge, node);
                if self.follow.kind(self.adjacency.kind(edge)) && !self.far.contains_key(&other) {
                    self.far.insert(other, far + 1);
                    next.push_back(other);
                }
            }
        }
    }

    /// Counts an edge that is looked at; false when there were too many.
    fn works(&mut self) -> bool {
        self.work += 1;
        if self.work > WORK_MAX {
            self.found.limit_reason = Some(LimitReason::Work);
        }
        self.work <= WORK_MAX
    }

    /// Every path of exactly `left` more steps from a node; false to stop altogether. It calls itself
    /// at most as often as a path has steps.
    fn walk(&mut self, node: u32, left: u32) -> bool {
        let mut tried: HashSet<u32, RandomState> = HashSet::default();
        for edge in self.adjacency.edges(node, self.follow.direction) {
            if !self.works() {
                return false;
            }
            let other = self.adjacency.across(edge, node);
            let reaches = self.far.get(&other).is_some_and(|far| *far < left);
            if !reaches || !self.follow.kind(self.adjacency.kind(edge)) || self.on_path.contains(&other) {
                continue;
            }
            // A path ends where it arrives, and takes the surest of several edges to one node.
            if (other == self.to) != (left == 1) || !tried.insert(other) {
                continue;
            }
            if left == 1 {
                if self.found.paths.len() == self.limit {
                    self.found.limit_reason = Some(LimitReason::Rows);
                    return false;
                }
                let mut path = self.steps.clone();
                path.push((edge, other));
                self.found.paths.push(path);
                continue;
            }
            self.steps.push((edge, other));
            self.on_path.insert(other);
            let on = self.walk(other, left - 1);
            self.on_path.remove(&other);
            self.steps.pop();
            if !on {
                return false;
            }
        }
        true
    }
}
