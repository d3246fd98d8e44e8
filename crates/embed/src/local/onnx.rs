//! Writes an ONNX file: the few protobuf messages that a graph of weights needs, field by field.
//! Not a protobuf library: it writes only, and knows only what [`super::graph`] uses.
//!
//! Field numbers are those of `onnx.proto`, version 9 of the format (opset 18).

/// Element types, as `onnx.proto` numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32 = 1,
    I8 = 3,
    I32 = 6,
    I64 = 7,
}

/// An attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attribute {
    Int(i64),
    Float(f32),
}

/// A graph that grows node by node, written as it grows.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    body: Vec<u8>,
    values: usize,
}

/// The domain of the operators that ONNX Runtime adds to the standard ones.
const FUSED: &str = "com.microsoft";

impl Graph {
    /// A constant of the standard kind, named so that a failure can name it.
    pub(crate) fn constant(&mut self, name: &str, element: Element, shape: &[usize], bytes: &[u8]) -> String {
        let mut tensor = Vec::with_capacity(bytes.len() + name.len() + 64);
        for size in shape {
            number(&mut tensor, 1, *size as u64);
        }
        number(&mut tensor, 2, element as u64);
        text(&mut tensor, 8, name);
        message(&mut tensor, 9, bytes);
        message(&mut self.body, 5, &tensor);
        name.to_owned()
    }

    /// A constant of f32.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::F32, shape, &bytes)
    }

    /// A constant of whole numbers in a row, such as axes.
    pub(crate) fn ints(&mut self, name: &str, values: &[i64]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, Element::I64, &[values.len()], &bytes)
    }

    /// A constant of int8.
    pub(crate) fn bytes(&mut self, name: &str, shape: &[usize], values: &[i8]) -> String {
        let bytes: Vec<u8> = values.iter().map(|value| *value as u8).collect();
        self.constant(name, Element::I8, shape, &bytes)
    }

    /// A standard operator with one result.
    pub(crate) fn op(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let result = self.fresh();
        self.node("", op, inputs, &[&result], attributes);
        result
    }

    /// One of ONNX Runtime's own operators with one result.
    pub(crate) fn fused(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let result = self.fresh();
        self.node(FUSED, op, inputs, &[&result], attributes);
        result
    }

    /// A standard operator with three results.
    pub(crate) fn op3(&mut self, op: &str, inputs: &[&str]) -> [String; 3] {
        let results = [self.fresh(), self.fresh(), self.fresh()];
        self.node("", op, inputs, &[&results[0], &results[1], &results[2]], &[]);
        results
    }

    /// A standard operator whose result has a name.
    pub(crate) fn op_named(&mut self, op: &str, inputs: &[&str], result: &str) {
        self.node("", op, inputs, &[result], &[]);
    }

    fn fresh(&mut self) -> String {
        self.values += 1;
        format!("v{}", self.values)
    }

    fn node(
        &mut self,
        domain: &str,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) {
        let mut node = Vec::new();
        for input in inputs {
            text(&mut node, 1, input);
        }
        for output in outputs {
            text(&mut node, 2, output);
        }
        text(&mut node, 4, op);
        for (name, value) in attributes {
            let mut attribute = Vec::new();
            text(&mut attribute, 1, name);
            match value {
                Attribute::Float(value) => {
                    key(&mut attribute, 2, 5);
                    attribute.extend_from_slice(&value.to_le_bytes());
                    number(&mut attribute, 20, 1);
                }
                Attribute::Int(value) => {
                    number(&mut attribute, 3, *value as u64);
                    number(&mut attribute, 20, 2);
                }
            }
            message(&mut node, 5, &attribute);
        }
        text(&mut node, 7, domain);
        message(&mut self.body, 1, &node);
    }

    /// An input or output. A size that is not known beforehand has a name.
    fn value_info(&mut self, field: u64, name: &str, element: Element, shape: &[Size<'_>]) {
        let mut sizes = Vec::new();
        for size in shape {
            let mut dim = Vec::new();
            match size {
                Size::Is(value) => number(&mut dim, 1, *value as u64),
                Size::Named(name) => text(&mut dim, 2, name),
            }
            message(&mut sizes, 1, &dim);
        }
        let mut tensor = Vec::new();
        number(&mut tensor, 1, element as u64);
        message(&mut tensor, 2, &sizes);
        let mut kind = Vec::new();
        message(&mut kind, 1, &tensor);
        let mut info = Vec::new();
        text(&mut info, 1, name);
        message(&mut info, 2, &kind);
        message(&mut self.body, field, &info);
    }

    /// Declares an input.
    pub(crate) fn input(&mut self, name: &str, element: Element, shape: &[Size<'_>]) {
        self.value_info(11, name, element, shape);
    }

    /// Declares an output.
    pub(crate) fn output(&mut self, name: &str, element: Element, shape: &[Size<'_>]) {
        self.value_info(12, name, element, shape);
    }

    /// The whole file.
    pub(crate) fn finish(mut self, name: &str) -> Vec<u8> {
        text(&mut self.body, 2, name);
        let mut model = Vec::with_capacity(self.body.len() + 128);
        number(&mut model, 1, 9);
        text(&mut model, 2, "stele");
        message(&mut model, 7, &self.body);
        for (domain, version) in [("", 18), (FUSED, 1)] {
            let mut opset = Vec::new();
            text(&mut opset, 1, domain);
            number(&mut opset, 2, version);
            message(&mut model, 8, &opset);
        }
        model
    }
}

/// One dimension of an input or output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Size<'a> {
    Is(usize),
    Named(&'a str),
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `kind` 0: varint, 2: length and bytes, 5: four bytes.
fn key(out: &mut Vec<u8>, field: u64, kind: u64) {
    varint(out, field << 3 | kind);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    key(out, field, 0);
    varint(out, value);
}

fn message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    key(out, field, 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn text(out: &mut Vec<u8>, field: u64, value: &str) {
    message(out, field, value.as_bytes());
}
