//! A BERT as a graph for ONNX Runtime, in f32 or with int8 weights. The arithmetic of the model is
//! written down here and nowhere else.
//!
//! The graph is made of ONNX Runtime's own joined operators (attention, residual with layer norm,
//! bias with GELU), so nothing is left for it to optimise when it is loaded.
//!
//! Inputs: `input_ids` and `attention_mask` (batch × tokens, int64; a text's tokens come first, then
//! the filling), `position_ids` (tokens, int64). Output: `vector` (batch × hidden, f32, length 1).

use super::bert::{Bert, Pooling, Weights};
use super::onnx::Attribute::{Float, Int};
use super::onnx::{Element, Graph, Size};
use super::quantise::{columns, rows};
use crate::EmbedError;
use crate::local::Precision;

/// Raise it when [`build`] makes something else of the same weights: files with another number are
/// made anew.
pub(crate) const GRAPH_VERSION: u32 = 1;

/// The result, in the graph.
pub(crate) const OUTPUT: &str = "vector";

/// The ONNX file of a model.
pub(crate) fn build(bert: &Bert, weights: &Weights<'_>, precision: Precision) -> Result<Vec<u8>, EmbedError> {
    let mut b = Builder { graph: Graph::default(), bert, weights, precision };
    let (batch, tokens) = (Size::Named("batch"), Size::Named("tokens"));
    b.graph.input("input_ids", Element::I64, &[batch, tokens]);
    b.graph.input("attention_mask", Element::I64, &[batch, tokens]);
    b.graph.input("position_ids", Element::I64, &[tokens]);
    b.graph.output(OUTPUT, Element::F32, &[batch, Size::Is(bert.hidden)]);

    let axis = b.graph.ints("axis_1", &[1]);
    let mask = b.graph.op("Cast", &["attention_mask"], &[("to", Int(Element::I32 as i64))]);
    let lengths = b.graph.op("ReduceSum", &[&mask, &axis], &[("keepdims", Int(0))]);

    let mut state = b.embeddings()?;
    for layer in 0..bert.layers {
        let at = format!("encoder.layer.{layer}");
        let attended = b.attention(&format!("{at}.attention.self"), &state, &lengths)?;
        state = b.dense_and_norm(&format!("{at}.attention.output"), &attended, &state)?;
        let inner = b.dense(&format!("{at}.intermediate.dense.weight"), bert.hidden, bert.inner, &state)?;
        let bias = b.vector(&format!("{at}.intermediate.dense.bias"))?;
        let inner = b.graph.fused("BiasGelu", &[&inner, &bias], &[]);
        state = b.dense_and_norm(&format!("{at}.output"), &inner, &state)?;
    }
    b.pool(&state, &axis);
    Ok(b.graph.finish("bert"))
}

struct Builder<'a> {
    graph: Graph,
    bert: &'a Bert,
    weights: &'a Weights<'a>,
    precision: Precision,
}

impl Builder<'_> {
    /// A vector of weights as a constant of the same name.
    fn vector(&mut self, name: &str) -> Result<String, EmbedError> {
        let values = self.weights.get(name)?;
        Ok(self.graph.floats(name, &[values.len()], &values))
    }

    /// Word + position + kind 0, normalised.
    fn embeddings(&mut self) -> Result<String, EmbedError> {
        let (vocabulary, positions, hidden) = (self.bert.vocabulary, self.bert.positions, self.bert.hidden);
        let word = self.weights.get("embeddings.word_embeddings.weight")?;
        let word = match self.precision {
            Precision::F32 => {
                let table = self.graph.floats("words", &[vocabulary, hidden], &word);
                self.graph.op("Gather", &[&table, "input_ids"], &[])
            }
            // Half of a small model is this table, and a row of it is read for each token only.
            Precision::Int8 => {
                let table = rows(&word, hidden);
                let values = self.graph.bytes("words", &[vocabulary, hidden], &table.values);
                let scales = self.graph.floats("words_scale", &[vocabulary, 1], &table.scales);
                let values = self.graph.op("Gather", &[&values, "input_ids"], &[]);
                let values = self.graph.op("Cast", &[&values], &[("to", Int(Element::F32 as i64))]);
                let scales = self.graph.op("Gather", &[&scales, "input_ids"], &[]);
                self.graph.op("Mul", &[&values, &scales], &[])
            }
        };
        // Every token of a single text is of kind 0: its vector is added to each position once.
        let kind = self.weights.get("embeddings.token_type_embeddings.weight")?;
        let mut position = self.weights.get("embeddings.position_embeddings.weight")?;
        for row in position.chunks_exact_mut(hidden) {
            row.iter_mut().zip(&kind).for_each(|(x, kind)| *x += kind);
        }
        let table = self.graph.floats("positions", &[positions, hidden], &position);
        let position = self.graph.op("Gather", &[&table, "position_ids"], &[]);
        let gamma = self.vector("embeddings.LayerNorm.weight")?;
        let beta = self.vector("embeddings.LayerNorm.bias")?;
        Ok(self.norm(&[&word, &position, &gamma, &beta]))
    }

    /// Inputs: two that are added, scale, shift and, where there is one, a bias that is added first.
    fn norm(&mut self, inputs: &[&str]) -> String {
        let epsilon = self.bert.epsilon;
        self.graph.fused("SkipLayerNormalization", inputs, &[("epsilon", Float(epsilon))])
    }

    /// Query, key and value in one multiplication, then the heads, up to the length of each text.
    fn attention(&mut self, at: &str, state: &str, lengths: &str) -> Result<String, EmbedError> {
        let hidden = self.bert.hidden;
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for part in ["query", "key", "value"] {
            weight.extend(self.weights.get(&format!("{at}.{part}.weight"))?);
            bias.extend(self.weights.get(&format!("{at}.{part}.bias"))?);
        }
        let heads = [("num_heads", Int(self.bert.heads as i64))];
        let (name, out) = (format!("{at}.weight"), 3 * hidden);
        let bias = self.graph.floats(&format!("{at}.bias"), &[out], &bias);
        Ok(match self.precision {
            Precision::F32 => {
                let weight = self.graph.floats(&name, &[hidden, out], &transposed(&weight, hidden));
                self.graph.fused("Attention", &[state, &weight, &bias, lengths], &heads)
            }
            Precision::Int8 => {
                let weight = columns(&weight, hidden);
                let scales = self.graph.floats(&format!("{name}_scale"), &[out], &weight.scales);
                let zeros = self.graph.bytes(&format!("{name}_zero"), &[out], &vec![0; out]);
                let weight = self.graph.bytes(&name, &[hidden, out], &weight.values);
                let [state, scale, zero] = self.graph.op3("DynamicQuantizeLinear", &[state]);
                let inputs = [&*state, &weight, &bias, &scale, &scales, lengths, &zero, &zeros];
                self.graph.fused("QAttention", &inputs, &heads)
            }
        })
    }

    /// A multiplication without its bias, which the next operator adds.
    fn dense(&mut self, name: &str, input: usize, out: usize, state: &str) -> Result<String, EmbedError> {
        let weight = self.weights.get(name)?;
        Ok(match self.precision {
            Precision::F32 => {
                let weight = self.graph.floats(name, &[input, out], &transposed(&weight, input));
                self.graph.op("MatMul", &[state, &weight], &[])
            }
            Precision::Int8 => {
                let weight = columns(&weight, input);
                let scales = self.graph.floats(&format!("{name}_scale"), &[out], &weight.scales);
                let weight = self.graph.bytes(name, &[input, out], &weight.values);
                self.graph.fused("DynamicQuantizeMatMul", &[state, &weight, &scales], &[])
            }
        })
    }

    /// `{at}.dense`, its bias, the residual and `{at}.LayerNorm`.
    fn dense_and_norm(&mut self, at: &str, input: &str, residual: &str) -> Result<String, EmbedError> {
        let hidden = self.bert.hidden;
        let bias = self.vector(&format!("{at}.dense.bias"))?;
        let width = self.weights.get(&format!("{at}.dense.weight"))?.len() / hidden;
        let out = self.dense(&format!("{at}.dense.weight"), width, hidden, input)?;
        let gamma = self.vector(&format!("{at}.LayerNorm.weight"))?;
        let beta = self.vector(&format!("{at}.LayerNorm.bias"))?;
        Ok(self.norm(&[&out, residual, &gamma, &beta, &bias]))
    }

    /// One vector a text, of length 1.
    fn pool(&mut self, state: &str, axis: &str) {
        let pooled = match self.bert.pooling {
            // The sum over the mask: dividing by its length would be undone by what follows.
            Pooling::Mean => {
                let to = [("to", Int(Element::F32 as i64))];
                let mask = self.graph.op("Cast", &["attention_mask"], &to);
                let mask = self.graph.op("Unsqueeze", &[&mask, axis], &[]);
                let sum = self.graph.op("MatMul", &[&mask, state], &[]);
                self.graph.op("Squeeze", &[&sum, axis], &[])
            }
            Pooling::First => {
                let first = self.graph.constant("first", Element::I64, &[], &0i64.to_le_bytes());
                self.graph.op("Gather", &[state, &first], &[("axis", Int(1))])
            }
        };
        let unit = self.graph.op("LpNormalization", &[&pooled], &[("axis", Int(-1)), ("p", Int(2))]);
        self.graph.op_named("Identity", &[&unit], OUTPUT);
    }
}

/// Rows of `width` numbers become columns: weights are stored for `x · Wᵀ`.
fn transposed(matrix: &[f32], width: usize) -> Vec<f32> {
    let height = matrix.len() / width.max(1);
    let mut out = Vec::with_capacity(matrix.len());
    for column in 0..width {
        out.extend((0..height).map(|row| matrix[row * width + column]));
    }
    out
}
