//! A BERT in a directory: its shape, read from the tensors and the small JSON files beside them,
//! and its weights as f32. Nothing is computed here.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::EmbedError;
use crate::error::At;

/// The weights.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// How texts become tokens.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// Longest header of a weights file that is believed: a large BERT's has 50 KB, and the length is
/// read from the file itself.
const HEADER_BYTES_MAX: u64 = 16 << 20;

/// What a head sees in BERT models, unless `config.json` gives their number.
const HEAD_SIZE: usize = 64;

/// MiniLM models of this width have heads half as wide as the others.
const MINILM_HIDDEN: usize = 384;

/// What the authors of BERT add to a variance, unless `config.json` says otherwise.
const EPSILON: f32 = 1e-12;

/// How a vector is made from those of the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    First,
}

/// The sizes of a model, and the little that tensors do not tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bert {
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// In front of each tensor name: empty, or `bert.`.
    pub(crate) prefix: String,
    pub(crate) vocabulary: usize,
    /// Longest text that the position table has room for.
    pub(crate) positions: usize,
    pub(crate) hidden: usize,
    pub(crate) inner: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) epsilon: f32,
    pub(crate) pooling: Pooling,
    /// Longest text that the model was trained for, in tokens.
    pub(crate) window: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigJson {
    model_type: Option<String>,
    num_attention_heads: Option<usize>,
    layer_norm_eps: Option<f32>,
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SentenceJson {
    max_seq_length: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PoolingJson {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
}

#[derive(Debug, Deserialize)]
struct ModuleJson {
    #[serde(rename = "type")]
    kind: String,
}

impl Bert {
    /// Reads the header of the weights and the JSON files; quick, whatever the size of the model.
    pub(crate) fn open(dir: &Path) -> Result<Bert, EmbedError> {
        let path = dir.join(WEIGHTS);
        let unfit = |reason: String| EmbedError::Unsupported { path: path.display().to_string(), reason };
        let shapes = Shapes::read(&path)?;
        let word = "embeddings.word_embeddings.weight";
        let prefix = shapes
            .names()
            .find_map(|name| name.strip_suffix(word).map(str::to_owned))
            .ok_or_else(|| unfit(format!("it has no tensor {word}, so it is no BERT")))?;
        let matrix = |name: &str| shapes.matrix(&format!("{prefix}{name}")).map_err(&unfit);
        let [vocabulary, hidden] = matrix(word)?;
        let [positions, _] = matrix("embeddings.position_embeddings.weight")?;
        let layers = (0..)
            .take_while(|layer| shapes.has(&format!("{prefix}encoder.layer.{layer}.output.dense.weight")))
            .count();
        if layers == 0 {
            return Err(unfit("it has no tensor encoder.layer.0.output.dense.weight".to_owned()));
        }
        let [inner, _] = matrix("encoder.layer.0.intermediate.dense.weight")?;

        let config: ConfigJson = small_json(&dir.join("config.json"))?.unwrap_or_default();
        for (what, value, fit) in [
            ("model_type", &config.model_type, "bert"),
            ("hidden_act", &config.hidden_act, "gelu"),
            ("position_embedding_type", &config.position_embedding_type, "absolute"),
        ] {
            if let Some(value) = value.as_deref().filter(|value| *value != fit) {
                return Err(unfit(format!("its {what} is {value}; only {fit} can be run")));
            }
        }
        let heads = config.num_attention_heads.unwrap_or(if hidden == MINILM_HIDDEN {
            2 * hidden / HEAD_SIZE
        } else {
            hidden / HEAD_SIZE
        });
        if heads == 0 || hidden % heads != 0 {
            return Err(unfit(format!("{heads} heads cannot share {hidden} numbers; see its config.json")));
        }
        let sentence: SentenceJson = small_json(&dir.join("sentence_bert_config.json"))?.unwrap_or_default();
        let bert = Bert {
            pooling: pooling(dir, &unfit)?,
            window: sentence.max_seq_length.unwrap_or(positions).min(positions),
            epsilon: config.layer_norm_eps.unwrap_or(EPSILON),
            dir: dir.to_owned(),
            prefix,
            vocabulary,
            positions,
            hidden,
            inner,
            layers,
            heads,
        };
        bert.check(&shapes).map_err(&unfit)?;
        Ok(bert)
    }

    /// Every tensor that the graph will ask for is there and has the shape that fits the others.
    fn check(&self, shapes: &Shapes) -> Result<(), String> {
        let (hidden, inner) = (self.hidden, self.inner);
        let matrix = |name: &str, shape: [usize; 2]| {
            let found = shapes.matrix(&format!("{}{name}", self.prefix))?;
            (found == shape).then_some(()).ok_or(format!("its tensor {name} is {found:?}, not {shape:?}"))
        };
        let vector = |name: &str, length: usize| {
            let found = shapes.of(&format!("{}{name}", self.prefix))?;
            (found == [length]).then_some(()).ok_or(format!("its tensor {name} is {found:?}, not [{length}]"))
        };
        let dense = |name: &str, out: usize, input: usize| {
            matrix(&format!("{name}.weight"), [out, input])?;
            vector(&format!("{name}.bias"), out)
        };
        let norm = |name: &str| {
            vector(&format!("{name}.weight"), hidden)?;
            vector(&format!("{name}.bias"), hidden)
        };
        matrix("embeddings.position_embeddings.weight", [self.positions, hidden])?;
        let [kinds, _] = shapes.matrix(&format!("{}embeddings.token_type_embeddings.weight", self.prefix))?;
        matrix("embeddings.token_type_embeddings.weight", [kinds.max(1), hidden])?;
        norm("embeddings.LayerNorm")?;
        for layer in 0..self.layers {
            let at = format!("encoder.layer.{layer}");
            for part in ["query", "key", "value"] {
                dense(&format!("{at}.attention.self.{part}"), hidden, hidden)?;
            }
            dense(&format!("{at}.attention.output.dense"), hidden, hidden)?;
            norm(&format!("{at}.attention.output.LayerNorm"))?;
            dense(&format!("{at}.intermediate.dense"), inner, hidden)?;
            dense(&format!("{at}.output.dense"), hidden, inner)?;
            norm(&format!("{at}.output.LayerNorm"))?;
        }
        Ok(())
    }
}

/// The pooling that `modules.json` and the file of its pooling module ask for.
fn pooling(dir: &Path, unfit: &dyn Fn(String) -> EmbedError) -> Result<Pooling, EmbedError> {
    let modules: Vec<ModuleJson> = small_json(&dir.join("modules.json"))?.unwrap_or_default();
    for module in modules {
        let kind = module.kind.rsplit('.').next().unwrap_or_default();
        if !["Transformer", "Pooling", "Normalize"].contains(&kind) {
            return Err(unfit(format!("its modules.json asks for a {kind} layer, which cannot be run")));
        }
    }
    match small_json::<PoolingJson>(&dir.join("1_Pooling/config.json"))? {
        None => Ok(Pooling::Mean),
        Some(PoolingJson { pooling_mode_mean_tokens: true, pooling_mode_cls_token: false }) => {
            Ok(Pooling::Mean)
        }
        Some(PoolingJson { pooling_mode_mean_tokens: false, pooling_mode_cls_token: true }) => {
            Ok(Pooling::First)
        }
        Some(_) => Err(unfit(
            "its 1_Pooling/config.json asks for something other than the mean or the first token".to_owned(),
        )),
    }
}

/// A JSON file that need not be there.
pub(super) fn small_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, EmbedError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).at("read", path),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| EmbedError::damaged(path, error.to_string()))
}

/// Names and shapes of the tensors in a file.
struct Shapes(Metadata);

impl Shapes {
    fn read(path: &Path) -> Result<Shapes, EmbedError> {
        let damaged = |reason: String| EmbedError::damaged(path, reason);
        let mut file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(EmbedError::Missing { path: path.display().to_string() });
            }
            file => file.at("read", path)?,
        };
        let size = file.metadata().at("read", path)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| damaged(format!("it has only {size} bytes")))?;
        let header = u64::from_le_bytes(length);
        if header > HEADER_BYTES_MAX || header + 8 > size {
            return Err(damaged("its first bytes are not those of a safetensors file".to_owned()));
        }
        let mut json = Vec::new();
        file.take(header).read_to_end(&mut json).at("read", path)?;
        let metadata: Metadata = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        let expected = 8 + header + metadata.data_len() as u64;
        if expected != size {
            return Err(damaged(format!("it has {size} bytes instead of {expected}")));
        }
        Ok(Shapes(metadata))
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.0.offset_keys().into_iter()
    }

    fn has(&self, name: &str) -> bool {
        self.0.info(name).is_some()
    }

    fn of(&self, name: &str) -> Result<&[usize], String> {
        self.0.info(name).map(|info| &*info.shape).ok_or_else(|| format!("it has no tensor {name}"))
    }

    fn matrix(&self, name: &str) -> Result<[usize; 2], String> {
        let shape = self.of(name)?;
        shape.try_into().map_err(|_| format!("its tensor {name} has {} dimensions, not 2", shape.len()))
    }
}

/// The weights of a model, in memory.
pub(crate) struct Weights<'a> {
    tensors: SafeTensors<'a>,
    prefix: &'a str,
    path: PathBuf,
}

impl<'a> Weights<'a> {
    /// `bytes` is the whole content of the weights file.
    pub(crate) fn parse(bert: &'a Bert, bytes: &'a [u8]) -> Result<Self, EmbedError> {
        let path = bert.dir.join(WEIGHTS);
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| EmbedError::damaged(&path, error.to_string()))?;
        Ok(Weights { tensors, prefix: &bert.prefix, path })
    }

    /// All numbers of a tensor, row by row.
    pub(crate) fn get(&self, name: &str) -> Result<Vec<f32>, EmbedError> {
        let unfit = |reason| EmbedError::Unsupported { path: self.path.display().to_string(), reason };
        let tensor = self
            .tensors
            .tensor(&format!("{}{name}", self.prefix))
            .map_err(|error| unfit(format!("{name}: {error}")))?;
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => {
                Ok(data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
            }
            Dtype::BF16 => Ok(data.chunks_exact(2).map(|b| f32::from_le_bytes([0, 0, b[0], b[1]])).collect()),
            Dtype::F16 => Ok(data.chunks_exact(2).map(|b| half(u16::from_le_bytes([b[0], b[1]]))).collect()),
            other => {
                Err(unfit(format!("the numbers of {name} are {other:?}; F32, F16 and BF16 can be read")))
            }
        }
    }
}

/// A half-precision number. Infinite and undefined ones become so in f32.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    };
    if sign == 1 { -size } else { size }
}
