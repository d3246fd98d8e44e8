//! Charts as SVG inside the page. Bars stretch with the page and labels do not, so labels stand beside them as
//! text; every chart says its numbers in words as well, for whoever cannot see it.

use maud::{Markup, html};

use super::words;

/// Height of a column chart in its own units.
const HEIGHT: f64 = 100.0;

/// Width of one column and of the gap after it, in those units.
const COLUMN: (f64, f64) = (8.0, 2.0);

/// One column.
pub(super) struct Column {
    pub(super) label: String,
    pub(super) value: u64,
    /// As it is said.
    pub(super) said: String,
}

/// Columns side by side, such as hours.
pub(super) fn columns(title: &str, columns: &[Column], unit: &str) -> Markup {
    let most = columns.iter().map(|column| column.value).max().unwrap_or(0);
    let (width, gap) = COLUMN;
    let whole = columns.len() as f64 * (width + gap) - gap;
    let height = |value: u64| if most == 0 { 0.0 } else { HEIGHT * value as f64 / most as f64 };
    let labels = [columns.first(), columns.get(columns.len() / 2), columns.last()];
    let total: u64 = columns.iter().map(|column| column.value).sum();
    html! {
        figure.chart {
            figcaption { (title) span.muted { " most: " (words::count(most)) " " (unit) } }
            svg.columns viewBox=(format!("0 0 {whole} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label=(format!("{title}: {} {unit} in all, at most {} at once", words::count(total), words::count(most))) {
                @for line in [0.25, 0.5, 0.75] {
                    line.grid x1="0" x2=(whole) y1=(HEIGHT * line) y2=(HEIGHT * line) {}
                }
                line.base x1="0" x2=(whole) y1=(HEIGHT) y2=(HEIGHT) {}
                @for (number, column) in columns.iter().enumerate() {
                    // What is not nothing is seen.
                    @let tall = if column.value > 0 { height(column.value).max(1.5) } else { 0.0 };
                    @let x = number as f64 * (width + gap);
                    g {
                        title { (column.label) ": " (column.said) }
                        rect.reach x=(x) y="0" width=(width) height=(HEIGHT) {}
                        rect.bar x=(x) y=(format!("{:.2}", HEIGHT - tall)) width=(width) height=(format!("{tall:.2}")) {}
                    }
                }
            }
            div.axis aria-hidden="true" {
                @for label in labels.into_iter().flatten() { span { (label.label) } }
            }
        }
    }
}

/// A share of a whole as a bar in a table.
pub(super) fn share(part: u64, whole: u64) -> Markup {
    let share = if whole == 0 { 0.0 } else { (part as f64 / whole as f64).clamp(0.0, 1.0) };
    let width = if part > 0 { (share * 100.0).max(1.0) } else { 0.0 };
    html! {
        svg.share viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="8" {}
            rect.bar width=(format!("{width:.2}")) height="8" {}
        }
    }
}

/// One part of a whole.
pub(super) struct Slice {
    pub(super) name: String,
    pub(super) value: u64,
    pub(super) said: String,
    /// Which colour: `good`, `bad`, `warn`, or a number of the palette.
    pub(super) colour: &'static str,
}

/// Parts of a whole in one bar, with a legend.
pub(super) fn parts(title: &str, parts: &[Slice]) -> Markup {
    let whole: u64 = parts.iter().map(|part| part.value).sum();
    let mut x = 0.0;
    let drawn: Vec<(f64, f64, &Slice)> = parts
        .iter()
        .map(|part| {
            let share = if whole == 0 { 0.0 } else { 100.0 * part.value as f64 / whole as f64 };
            // What is not nothing is seen.
            let width = if part.value > 0 { share.max(0.4) } else { 0.0 };
            let from = x;
            x += width;
            (from, width, part)
        })
        .collect();
    html! {
        figure.chart {
            figcaption { (title) }
            svg.parts viewBox=(format!("0 0 {:.2} 10", x.max(1.0))) preserveAspectRatio="none" role="img"
                aria-label=(parts.iter().map(|part| format!("{} {}", part.name, part.said)).collect::<Vec<_>>().join(", ")) {
                rect.track width=(format!("{:.2}", x.max(1.0))) height="10" {}
                @for (from, width, part) in &drawn {
                    rect class=(part.colour) x=(format!("{from:.2}")) width=(format!("{width:.2}")) height="10" {
                        title { (part.name) ": " (part.said) }
                    }
                }
            }
            ul.legend {
                @for part in parts {
                    li { span.dot.(part.colour) {} (part.name) " " b { (part.said) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, columns, share};

    #[test]
    fn small_values_are_seen_and_nothing_is_not() {
        let column = |value| Column { label: "<l>".to_owned(), value, said: value.to_string() };
        let chart = columns("t", &[column(1), column(100_000), column(0)], "records").0;
        assert!(chart.contains("height=\"1.50\"") && chart.contains("height=\"0.00\""), "{chart}");
        assert!(!chart.contains("<l>"));
        assert!(columns("t", &[], "records").0.contains("svg"));
        assert!(share(1, 1_000_000).0.contains("width=\"1.00\""));
        assert!(share(0, 0).0.contains("width=\"0.00\""));
    }
}
