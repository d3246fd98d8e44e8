//! A tiny BERT of chance numbers as files, and the same model computed the naive way: loops over
//! numbers, one text at a time, with nothing in common with the product.

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::Chance;

const WORDS: [&str; 12] =
    ["tick", "price", "round", "seed", "curve", "crash", "player", "early", "rose", "fell", "##s", "##ing"];
const VOCABULARY: usize = 20;
const POSITIONS: usize = 48;
const HIDDEN: usize = 32;
const HEADS: usize = 4;
const INNER: usize = 80;
const LAYERS: usize = 2;

/// What a test can choose.
#[derive(Clone, Copy)]
pub struct Kind {
    pub seed: u64,
    pub prefix: &'static str,
    pub first_token: bool,
    pub bf16: bool,
}

pub const PLAIN: Kind = Kind { seed: 1, prefix: "", first_token: false, bf16: false };

pub struct TinyBert {
    kind: Kind,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl TinyBert {
    pub fn new(kind: Kind) -> Self {
        let mut bert = TinyBert { kind, tensors: HashMap::new() };
        let mut chance = Chance(kind.seed);
        let mut add = |name: &str, shape: &[usize], middle: f32, spread: f32| {
            let count = shape.iter().product();
            let mut values: Vec<f32> = (0..count).map(|_| middle + spread * chance.signed()).collect();
            if kind.bf16 {
                values.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits() & 0xffff_0000));
            }
            bert.tensors.insert(name.to_owned(), (shape.to_vec(), values));
        };
        add("embeddings.word_embeddings.weight", &[VOCABULARY, HIDDEN], 0.0, 1.0);
        add("embeddings.position_embeddings.weight", &[POSITIONS, HIDDEN], 0.0, 0.5);
        add("embeddings.token_type_embeddings.weight", &[2, HIDDEN], 0.0, 0.5);
        add("embeddings.LayerNorm.weight", &[HIDDEN], 1.0, 0.3);
        add("embeddings.LayerNorm.bias", &[HIDDEN], 0.0, 0.3);
        for layer in 0..LAYERS {
            let at = format!("encoder.layer.{layer}");
            for (name, out, input) in [
                ("attention.self.query", HIDDEN, HIDDEN),
                ("attention.self.key", HIDDEN, HIDDEN),
                ("attention.self.value", HIDDEN, HIDDEN),
                ("attention.output.dense", HIDDEN, HIDDEN),
                ("intermediate.dense", INNER, HIDDEN),
                ("output.dense", HIDDEN, INNER),
            ] {
                add(&format!("{at}.{name}.weight"), &[out, input], 0.0, 0.4);
                add(&format!("{at}.{name}.bias"), &[out], 0.0, 0.3);
            }
            for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
                add(&format!("{at}.{name}.weight"), &[HIDDEN], 1.0, 0.3);
                add(&format!("{at}.{name}.bias"), &[HIDDEN], 0.0, 0.3);
            }
        }
        bert
    }

    /// Writes the files that a sentence model has.
    pub fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir.join("1_Pooling")).unwrap();
        let bytes = |values: &[f32]| -> Vec<u8> {
            if self.kind.bf16 {
                values.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect()
            } else {
                values.iter().flat_map(|x| x.to_le_bytes()).collect()
            }
        };
        let data: Vec<(String, Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| {
                (format!("{}{name}", self.kind.prefix), shape.clone(), bytes(values))
            })
            .collect();
        let dtype = if self.kind.bf16 { Dtype::BF16 } else { Dtype::F32 };
        let views = data.iter().map(|(name, shape, bytes)| {
            (name.as_str(), TensorView::new(dtype, shape.clone(), bytes).unwrap())
        });
        let all = safetensors::serialize(views, None).unwrap();
        std::fs::write(dir.join("model.safetensors"), all).unwrap();

        let mut vocabulary: Vec<String> =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].into_iter().chain(WORDS).map(str::to_owned).collect();
        vocabulary.resize_with(VOCABULARY, || "".to_owned());
        let vocabulary: serde_json::Map<String, serde_json::Value> = vocabulary
            .iter()
            .enumerate()
            .filter(|(_, word)| !word.is_empty())
            .map(|(id, word)| (word.clone(), id.into()))
            .collect();
        let tokenizer = serde_json::json!({
            "version": "1.0",
            // As many models have it: it must not have a say.
            "truncation": { "max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right" },
            "padding": { "strategy": { "Fixed": 8 }, "direction": "Right", "pad_to_multiple_of": null,
                "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]" },
            "added_tokens": [],
            "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "post_processor": { "type": "TemplateProcessing",
                "single": [ { "SpecialToken": { "id": "[CLS]", "type_id": 0 } },
                    { "Sequence": { "id": "A", "type_id": 0 } },
                    { "SpecialToken": { "id": "[SEP]", "type_id": 0 } } ],
                "pair": [],
                "special_tokens": { "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                    "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] } } },
            "decoder": null,
            "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocabulary },
        });
        std::fs::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
        let config = serde_json::json!({ "model_type": "bert", "num_attention_heads": HEADS,
            "layer_norm_eps": 1e-12, "hidden_act": "gelu" });
        std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
        let first = self.kind.first_token;
        let pooling =
            serde_json::json!({ "pooling_mode_cls_token": first, "pooling_mode_mean_tokens": !first });
        std::fs::write(dir.join("1_Pooling/config.json"), pooling.to_string()).unwrap();
    }

    fn tensor(&self, name: &str) -> &[f32] {
        &self.tensors[name].1
    }

    /// x · Wᵀ + b for every row.
    fn dense(&self, name: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let weight = self.tensor(&format!("{name}.weight"));
        let bias = self.tensor(&format!("{name}.bias"));
        let one = |row: &Vec<f64>| {
            let width = row.len();
            let out = |o: usize| {
                let products = (0..width).map(|i| row[i] * f64::from(weight[o * width + i]));
                products.sum::<f64>() + f64::from(bias[o])
            };
            (0..bias.len()).map(out).collect()
        };
        rows.iter().map(one).collect()
    }

    fn norm(&self, name: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (gamma, beta) = (self.tensor(&format!("{name}.weight")), self.tensor(&format!("{name}.bias")));
        let one = |row: &Vec<f64>| {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
            let scale = 1.0 / (variance + 1e-12).sqrt();
            (0..row.len())
                .map(|i| (row[i] - mean) * scale * f64::from(gamma[i]) + f64::from(beta[i]))
                .collect()
        };
        rows.iter().map(one).collect()
    }

    /// The vector of a text that is given as token ids.
    pub fn vector(&self, ids: &[usize]) -> Vec<f32> {
        let word = self.tensor("embeddings.word_embeddings.weight");
        let position = self.tensor("embeddings.position_embeddings.weight");
        let kind = self.tensor("embeddings.token_type_embeddings.weight");
        let row = |(place, id): (usize, &usize)| -> Vec<f64> {
            (0..HIDDEN)
                .map(|i| {
                    f64::from(word[id * HIDDEN + i])
                        + f64::from(position[place * HIDDEN + i])
                        + f64::from(kind[i])
                })
                .collect()
        };
        let mut state: Vec<Vec<f64>> = ids.iter().enumerate().map(row).collect();
        state = self.norm("embeddings.LayerNorm", &state);
        for layer in 0..LAYERS {
            let at = format!("encoder.layer.{layer}");
            let [q, k, v] = ["query", "key", "value"]
                .map(|part| self.dense(&format!("{at}.attention.self.{part}"), &state));
            let mixed = attend(&q, &k, &v);
            let out = self.dense(&format!("{at}.attention.output.dense"), &mixed);
            state = self.norm(&format!("{at}.attention.output.LayerNorm"), &added(&out, &state));
            let mut inner = self.dense(&format!("{at}.intermediate.dense"), &state);
            inner.iter_mut().flatten().for_each(|x| *x *= 0.5 * (1.0 + erf(*x / 2f64.sqrt())));
            let out = self.dense(&format!("{at}.output.dense"), &inner);
            state = self.norm(&format!("{at}.output.LayerNorm"), &added(&out, &state));
        }
        let pooled: Vec<f64> = if self.kind.first_token {
            state[0].clone()
        } else {
            (0..HIDDEN).map(|i| state.iter().map(|row| row[i]).sum::<f64>() / state.len() as f64).collect()
        };
        let length = pooled.iter().map(|x| x * x).sum::<f64>().sqrt();
        pooled.iter().map(|x| (x / length) as f32).collect()
    }
}

fn added(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect()
}

fn attend(q: &[Vec<f64>], k: &[Vec<f64>], v: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let size = HIDDEN / HEADS;
    let mut out = vec![vec![0.0; HIDDEN]; q.len()];
    for head in 0..HEADS {
        let part = head * size..(head + 1) * size;
        for (row, q) in q.iter().enumerate() {
            let scores: Vec<f64> = k
                .iter()
                .map(|k| part.clone().map(|i| q[i] * k[i]).sum::<f64>() / (size as f64).sqrt())
                .collect();
            let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
            let total: f64 = weights.iter().sum();
            for i in part.clone() {
                out[row][i] = weights.iter().zip(v).map(|(weight, v)| weight / total * v[i]).sum();
            }
        }
    }
    out
}

/// The error function by its series, which is exact for the arguments that occur here.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    2.0 / std::f64::consts::PI.sqrt() * sum
}

/// A text of chance words and its token ids, start and end included.
pub fn text(chance: &mut Chance, words: usize) -> (String, Vec<usize>) {
    let (mut text, mut ids) = (String::new(), vec![2]);
    for _ in 0..words {
        let word = chance.below(10);
        text.push(' ');
        text.push_str(WORDS[word]);
        ids.push(4 + word);
        if chance.below(4) == 0 {
            let end = 10 + chance.below(2);
            text.push_str(&WORDS[end][2..]);
            ids.push(4 + end);
        }
    }
    ids.push(3);
    (text, ids)
}
