//! Where nodes go: the one in the middle, and rings around it, one a step.
//!
//! Each node gets a share of the circle by the number of leaves beyond it, within the share of the node
//! over which it was reached. No chance and no iterations: the same nodes are in the same places.

use std::collections::HashMap;
use std::f64::consts::TAU;

use foldhash::fast::RandomState;
use stele_model::Node;

use crate::walk::Neighborhood;

/// Pixels from one ring to the next: a label of the usual length fits between them.
const RING: f64 = 200.0;

/// Pixels along a ring from one node to the next, so that labels do not touch.
const BESIDE: f64 = 17.0;

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Radians, from the right clockwise.
    pub(super) angle: f64,
    pub(super) depth: u32,
}

/// All places, in the order of the nodes.
pub(super) struct Layout {
    pub(super) spots: Vec<Spot>,
    /// For each node the one over which it was reached, by index.
    pub(super) parents: Vec<Option<usize>>,
    /// Nodes at the outer ends.
    pub(super) leaves: usize,
}

pub(super) fn layout(around: &Neighborhood) -> Layout {
    let parents = parents(around);
    let count = around.nodes.len();
    let mut leaves = vec![0_usize; count];
    // Children come after their parents.
    for index in (0..count).rev() {
        leaves[index] = leaves[index].max(1);
        if let Some(parent) = parents[index] {
            leaves[parent] += leaves[index];
        }
    }
    let mut shares = vec![(0.0, TAU); count];
    let mut next = vec![0.0; count];
    for index in 1..count {
        let Some(parent) = parents[index] else { continue };
        let (from, width) = shares[parent];
        let inside = (leaves[parent] as f64).max(1.0);
        let mine = width * leaves[index] as f64 / inside;
        shares[index] = (from + next[parent], mine);
        next[parent] += mine;
    }
    let angles: Vec<f64> = shares.iter().map(|(from, width)| from + width / 2.0).collect();
    let radii = radii(around, &angles);
    let spot = |(index, reached): (usize, &crate::walk::Reached)| {
        let (angle, radius) = (angles[index], radii[reached.depth as usize]);
        Spot { x: radius * angle.cos(), y: radius * angle.sin(), angle, depth: reached.depth }
    };
    let spots = around.nodes.iter().enumerate().map(spot).collect();
    Layout { spots, parents, leaves: leaves.first().copied().unwrap_or(0) }
}

/// The first edge that leads one step outwards to a node is the one over which it was reached.
fn parents(around: &Neighborhood) -> Vec<Option<usize>> {
    let places: HashMap<Node, usize, RandomState> =
        around.nodes.iter().enumerate().map(|(index, reached)| (reached.node, index)).collect();
    let mut parents = vec![None; around.nodes.len()];
    for followed in &around.edges {
        let edge = &followed.edge.what;
        let (Some(from), Some(to)) = (places.get(&edge.from), places.get(&edge.to)) else { continue };
        for (near, far) in [(*from, *to), (*to, *from)] {
            let outwards = around.nodes[near].depth + 1 == around.nodes[far].depth;
            if outwards && near < far && parents[far].is_none() {
                parents[far] = Some(near);
            }
        }
    }
    parents
}

/// The radius of each ring: behind the one before it, and long enough for its nodes.
fn radii(around: &Neighborhood, angles: &[f64]) -> Vec<f64> {
    let deepest = around.nodes.iter().map(|reached| reached.depth).max().unwrap_or(0);
    let mut radii = vec![0.0];
    let mut radius = 0.0_f64;
    for depth in 1..=deepest {
        let on_ring = around.nodes.iter().zip(angles).filter(|(reached, _)| reached.depth == depth);
        let mut ring: Vec<f64> = on_ring.map(|(_, angle)| *angle).collect();
        ring.sort_by(f64::total_cmp);
        let around_the_end = ring.first().zip(ring.last()).map(|(first, last)| first + TAU - last);
        let gaps = ring.windows(2).map(|pair| pair[1] - pair[0]).chain(around_the_end);
        let narrowest = gaps.fold(TAU, f64::min);
        radius = (radius + RING).max(BESIDE / narrowest);
        radii.push(radius);
    }
    radii
}
