//! Which records, in which order.

use stele_model::{FileId, Micros};

use crate::sql::{Param, Params};

/// The order of an export. Both are total: no two records share an input and an offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// By input and by place in it.
    #[default]
    Place,
    /// By UTC time, then by input and place; records whose UTC time is not known come last.
    Time,
}

/// Which records: those that match every list that is not empty, in any of its values.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Doc types.
    pub doc_types: Vec<String>,
    /// Event types.
    pub events: Vec<String>,
    /// Games.
    pub games: Vec<String>,
    /// Players.
    pub players: Vec<String>,
    /// Sessions.
    pub sessions: Vec<String>,
    /// Inputs, by their content and how many bytes of it are theirs: an older name of an input that
    /// has grown since means its beginning.
    pub inputs: Vec<(FileId, u64)>,
    /// No record before this instant. A record whose UTC time is not known is left out.
    pub from: Option<Micros>,
    /// No record at or after this instant. A record whose UTC time is not known is left out.
    pub to: Option<Micros>,
    /// The order.
    pub order: Order,
    /// At most so many records.
    pub limit: Option<u64>,
}

impl Selection {
    /// The query, with every value as a parameter.
    pub(super) fn query(&self, columns: &str) -> (String, Params) {
        let mut values: Vec<Param> = Vec::new();
        let mut conditions = Vec::new();
        for (column, wanted) in [
            ("doc_type", &self.doc_types),
            ("event_type", &self.events),
            ("game_id", &self.games),
            ("player_id", &self.players),
            ("session_id", &self.sessions),
        ] {
            if wanted.is_empty() {
                continue;
            }
            let places: Vec<String> =
                wanted.iter().map(|value| place(&mut values, value.as_str().into())).collect();
            conditions.push(format!("{column} IN ({})", places.join(", ")));
        }
        conditions.extend(of_inputs(&self.inputs, &mut values));
        for (comparison, instant) in [(">=", self.from), ("<", self.to)] {
            if let Some(micros) = instant {
                conditions.push(format!(
                    "ts {comparison} make_timestamptz({}::BIGINT)",
                    place(&mut values, micros.into())
                ));
            }
        }
        let mut text = format!("SELECT {columns} FROM events");
        if !conditions.is_empty() {
            text.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        text.push_str(match self.order {
            Order::Place => " ORDER BY file_id, byte_offset",
            Order::Time => " ORDER BY ts NULLS LAST, file_id, byte_offset",
        });
        if let Some(limit) = self.limit {
            text.push_str(&format!(" LIMIT {limit}"));
        }
        (text, Params::positional(values))
    }
}

/// The condition that a row belongs to one of these inputs; `None` for any input.
pub(super) fn of_inputs(inputs: &[(FileId, u64)], values: &mut Vec<Param>) -> Option<String> {
    let of_one = |(id, bytes): &(FileId, u64)| {
        let id = place(values, id.to_string().as_str().into());
        format!("file_id = {id} AND byte_offset < {bytes}")
    };
    let ranges: Vec<String> = inputs.iter().map(of_one).collect();
    (!ranges.is_empty()).then(|| format!("({})", ranges.join(" OR ")))
}

fn place(values: &mut Vec<Param>, value: Param) -> String {
    values.push(value);
    format!("${}", values.len())
}

#[cfg(test)]
mod tests {
    use stele_model::FileId;

    use super::{Order, Selection};

    #[test]
    fn values_are_parameters() {
        let selection = Selection {
            doc_types: vec!["ws_event".into(), "row".into()],
            games: vec!["'; DROP".into()],
            inputs: vec![(FileId([1; 16]), 7), (FileId([2; 16]), 9)],
            from: Some(5),
            order: Order::Time,
            limit: Some(3),
            ..Selection::default()
        };
        assert_eq!(
            selection.query("raw").0,
            "SELECT raw FROM events WHERE doc_type IN ($1, $2) AND game_id IN ($3) \
             AND (file_id = $4 AND byte_offset < 7 OR file_id = $5 AND byte_offset < 9) \
             AND ts >= make_timestamptz($6::BIGINT) ORDER BY ts NULLS LAST, file_id, byte_offset LIMIT 3"
        );
        assert_eq!(Selection::default().query("*").0, "SELECT * FROM events ORDER BY file_id, byte_offset");
    }
}
