//! A picture of what is around a node: SVG that any browser shows, light or dark as its reader likes.

mod layout;

use std::collections::BTreeMap;
use std::fmt::Write;

use stele_model::Node;

use self::layout::{Layout, Spot, layout};
use crate::describe::Described;
use crate::error::GraphError;
use crate::export::text::Xml;
use crate::reader::Reader;
use crate::walk::Neighborhood;

/// Letters of a label; the rest shows when one points at it.
const LABEL_LETTERS_MAX: usize = 30;

/// Pixels that labels have beyond the outermost node.
const MARGIN: f64 = 230.0;

/// Pixels above and below the outermost node, where labels are level.
const LEVEL_MARGIN: f64 = 48.0;

/// Up to so many nodes at the outer ends, labels are level; beyond, they would cover one another and
/// point outwards instead.
const LEVEL_LEAVES_MAX: usize = 14;

/// Pixels of a line of the legend.
const LEGEND_LINE: f64 = 18.0;

/// Colours of kinds, each with enough contrast to white and to black. Kinds that are alike share one.
const COLOURS: [(&str, &[&str]); 8] = [
    ("#3b6fb6", &["document", "article"]),
    ("#6b7a8f", &["section", "record", "conversation", "ticket"]),
    ("#c0562b", &["command"]),
    ("#a8780f", &["parameter", "configuration", "field"]),
    ("#2f8a4e", &["procedure", "step"]),
    ("#c23b4b", &["error"]),
    ("#8557b8", &["concept", "component", "event"]),
    ("#1f8a99", &["version", "game", "player", "contact", "agent"]),
];

const STYLE: &str = "\
.back{fill:#fff}text{font:12px system-ui,sans-serif;fill:#1b1f24;stroke:#fff;stroke-width:3px;\
paint-order:stroke;stroke-linejoin:round}.middle{font-weight:700;font-size:14px}.small{font-size:11px}\
.edge{fill:none;stroke:#8a94a0;stroke-width:1.2}.across{stroke-dasharray:4 3;opacity:.6}\
.node{stroke:#fff;stroke-width:1.5}\
@media (prefers-color-scheme:dark){.back{fill:#15181c}text{fill:#e6e9ec;stroke:#15181c}\
.edge{stroke:#7c8792}.node{stroke:#15181c}}";

impl Reader {
    /// Draws what is around a node. The picture names every node and edge in full where one points at
    /// it, and itself in `title` and `desc` for whoever cannot see it.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn picture(&self, around: &Neighborhood) -> Result<String, GraphError> {
        let nodes: Vec<Node> = around.nodes.iter().map(|reached| reached.node).collect();
        let described = self.describe(&nodes)?;
        let mut svg = String::new();
        // Writing to a text cannot fail.
        let _ = draw(&mut svg, around, &nodes, &described);
        Ok(svg)
    }
}

fn draw(
    svg: &mut String,
    around: &Neighborhood,
    nodes: &[Node],
    described: &[Described],
) -> std::fmt::Result {
    let layout = layout(around);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    described.iter().for_each(|node| *kinds.entry(node.kind).or_default() += 1);
    let level = layout.leaves <= LEVEL_LEAVES_MAX;
    let (left, top, width, depth) = frame(&layout, if level { LEVEL_MARGIN } else { MARGIN });
    let height = depth + LEGEND_LINE * (kinds.len() as f64 + 1.0);
    let middle = described.first().map_or("", |node| node.label.as_str());
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left:.0} {top:.0} {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-labelledby=\"title desc\">"
    )?;
    writeln!(svg, "<title id=\"title\">Around {}</title>", Xml(middle))?;
    let cut = around.limit_reason.map_or("", |_| " There is more than is shown.");
    let (some, edges) = (nodes.len(), around.edges.len());
    writeln!(svg, "<desc id=\"desc\">{some} nodes and {edges} edges.{cut}</desc>")?;
    writeln!(svg, "<style>{STYLE}</style>")?;
    writeln!(
        svg,
        "<rect class=\"back\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\"/>"
    )?;
    writeln!(
        svg,
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"15\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#8a94a0\"/></marker></defs>"
    )?;
    draw_edges(svg, around, nodes, described, &layout)?;
    for (index, (node, spot)) in described.iter().zip(&layout.spots).enumerate() {
        draw_node(svg, index, node, spot, level)?;
    }
    draw_legend(svg, &kinds, left + 16.0, top + depth)?;
    writeln!(svg, "</svg>")
}

/// Left, top, width and height of what nodes and labels need, with so many pixels above and below.
fn frame(layout: &Layout, margin: f64) -> (f64, f64, f64, f64) {
    let ends = |of: fn(&Spot) -> f64| {
        layout.spots.iter().map(of).fold((0.0_f64, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)))
    };
    let ((left, right), (top, bottom)) = (ends(|spot| spot.x), ends(|spot| spot.y));
    (left - MARGIN, top - margin, right - left + 2.0 * MARGIN, bottom - top + 2.0 * margin)
}

fn draw_edges(
    svg: &mut String,
    around: &Neighborhood,
    nodes: &[Node],
    described: &[Described],
    layout: &Layout,
) -> std::fmt::Result {
    let place = |node: &Node| nodes.iter().position(|there| there == node);
    for followed in &around.edges {
        let edge = &followed.edge.what;
        let (Some(from), Some(to)) = (place(&edge.from), place(&edge.to)) else { continue };
        let (one, two) = (&layout.spots[from], &layout.spots[to]);
        let tree = layout.parents[to] == Some(from) || layout.parents[from] == Some(to);
        let class = if tree { "edge" } else { "edge across" };
        // What does not lead outwards bends towards the middle, away from labels.
        let (bend_x, bend_y) = ((one.x + two.x) * 0.35, (one.y + two.y) * 0.35);
        let path = match tree {
            true => format!("M{:.1} {:.1}L{:.1} {:.1}", one.x, one.y, two.x, two.y),
            false => format!("M{:.1} {:.1}Q{bend_x:.1} {bend_y:.1} {:.1} {:.1}", one.x, one.y, two.x, two.y),
        };
        let (from, to) = (&described[from].label, &described[to].label);
        write!(svg, "<path class=\"{class}\" marker-end=\"url(#tip)\" d=\"{path}\"><title>")?;
        let (kind, sure) = (edge.kind.name(), edge.provenance.confidence);
        writeln!(svg, "{} {kind} {} ({sure:.2})</title></path>", Xml(from), Xml(to))?;
    }
    Ok(())
}

fn draw_node(svg: &mut String, index: usize, node: &Described, spot: &Spot, level: bool) -> std::fmt::Result {
    let Spot { x, y, angle, depth } = *spot;
    let (colour, size) = (colour(node.kind), if depth == 0 { 10.0 } else { 6.0 });
    write!(svg, "<g><title>{} {}", node.kind, Xml(&node.label))?;
    if !node.place.is_empty() && node.place != node.label {
        write!(svg, " ({})", Xml(&node.place))?;
    }
    if let Some(description) = &node.description {
        write!(svg, ": {}", Xml(description))?;
    }
    write!(
        svg,
        "</title><circle class=\"node\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" fill=\"{colour}\"/>"
    )?;
    let label = short(&node.label);
    let label = Xml(&label);
    if index == 0 {
        write!(svg, "<text class=\"middle\" x=\"0\" y=\"-18\" text-anchor=\"middle\">{label}</text>")?;
    } else {
        let left = angle.cos() < -1e-9;
        let (anchor, away) = if left { ("end", -11.0) } else { ("start", 11.0) };
        let turned = if left { angle.to_degrees() - 180.0 } else { angle.to_degrees() };
        let turned = if level { 0.0 } else { turned };
        write!(
            svg,
            "<text x=\"{away}\" y=\"4\" text-anchor=\"{anchor}\" \
             transform=\"translate({x:.1} {y:.1}) rotate({turned:.1})\">{label}</text>"
        )?;
    }
    writeln!(svg, "</g>")
}

fn draw_legend(svg: &mut String, kinds: &BTreeMap<&str, usize>, x: f64, top: f64) -> std::fmt::Result {
    let mut y = top;
    for (kind, count) in kinds {
        y += LEGEND_LINE;
        let (dot, text, colour) = (y - 4.0, x + 12.0, colour(kind));
        write!(svg, "<circle cx=\"{x:.0}\" cy=\"{dot:.0}\" r=\"5\" fill=\"{colour}\"/>")?;
        writeln!(svg, "<text class=\"small\" x=\"{text:.0}\" y=\"{y:.0}\">{kind} ({count})</text>")?;
    }
    Ok(())
}

fn colour(kind: &str) -> &'static str {
    COLOURS.iter().find(|(_, kinds)| kinds.contains(&kind)).map_or("#6b7a8f", |(colour, _)| colour)
}

/// A label on one line, cut between letters.
fn short(label: &str) -> String {
    let mut letters = label.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = letters.char_indices().nth(LABEL_LETTERS_MAX) {
        letters.truncate(end);
        letters.push('…');
    }
    letters
}
