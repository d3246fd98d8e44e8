//! The columns of a table, and chunks to and from them. Nothing here touches a file.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryBuilder, FixedSizeListArray, Float32Array, Int64Array,
    RecordBatch, StringArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema, SchemaRef, UInt64Type};
use arrow::error::ArrowError;
use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata};

use crate::digest::{ChunkHash, Identified, ROW_HASH_BYTES, RowHash, row_hash};
use crate::terms::terms_of;

pub(crate) const ID: &str = "id";
/// Where a row lies: the library makes it up, and no row holds it.
pub(crate) const ROW: &str = "_rowid";
pub(crate) const TEXT: &str = "text";
pub(crate) const TERMS: &str = "terms";
pub(crate) const ROW_HASH: &str = "row_hash";
pub(crate) const TEXT_HASH: &str = "text_hash";
pub(crate) const VECTOR_HASH: &str = "vector_hash";
pub(crate) const VECTOR: &str = "vector";
pub(crate) const KIND: &str = "kind";
pub(crate) const SOURCE: &str = "source";
pub(crate) const DOC_TYPE: &str = "doc_type";
pub(crate) const TENANT: &str = "tenant";
const TITLE: &str = "title";
pub(crate) const EVENT_TYPE: &str = "event_type";
const PATH: &str = "path";
pub(crate) const GAME_ID: &str = "game_id";
pub(crate) const TS: &str = "ts";
const LINE: &str = "line";
const BYTE_OFFSET: &str = "byte_offset";
const PLACE: &str = "place";
const SECTION: &str = "section";
const PART: &str = "part";
pub(crate) const TAGS: &str = "tags";

/// Stands around each tag in its column, so that a tag is found by itself and not within another.
pub(crate) const TAG_MARK: &str = "\u{1f}";

/// What a chunk is made of again, in the order of [`chunks_of`].
pub(crate) const CHUNK_COLUMNS: [&str; 17] = [
    ID,
    TEXT,
    KIND,
    SOURCE,
    DOC_TYPE,
    TENANT,
    TITLE,
    EVENT_TYPE,
    PATH,
    GAME_ID,
    TS,
    LINE,
    BYTE_OFFSET,
    PLACE,
    SECTION,
    PART,
    TAGS,
];

/// BLAKE3 of a text, cut to 128 bits. Equal texts have equal vectors, whatever chunk they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextHash(pub [u8; 16]);

impl TextHash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
        Self(hash)
    }

    pub(crate) fn hex(self) -> String {
        stele_model::id::to_hex(&self.0)
    }
}

/// A chunk with its vector and what follows from both.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) chunk: Chunk,
    pub(crate) vector: Option<Vec<f32>>,
    pub(crate) row_hash: RowHash,
    pub(crate) vector_hash: Option<u64>,
}

impl Row {
    pub(crate) fn new(chunk: Chunk, vector: Option<Vec<f32>>) -> Self {
        Self { row_hash: row_hash(&chunk), vector_hash: vector.as_deref().map(vector_hash), chunk, vector }
    }
}

/// Tells vectors apart bit by bit.
pub(crate) fn vector_hash(vector: &[f32]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for number in vector {
        hasher.update(&number.to_le_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The columns of a table of vectors of that dimension, or of texts alone.
pub(crate) fn schema(dimension: Option<u32>) -> SchemaRef {
    let word = |name: &str| Field::new(name, DataType::Utf8, false);
    let maybe = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![
        word(ID),
        word(TEXT),
        word(TERMS),
        Field::new(ROW_HASH, DataType::FixedSizeBinary(ROW_HASH_BYTES as i32), false),
        word(TEXT_HASH),
        Field::new(VECTOR_HASH, DataType::UInt64, true),
        word(KIND),
        word(SOURCE),
        word(DOC_TYPE),
        word(TENANT),
        word(TITLE),
        maybe(EVENT_TYPE),
        maybe(PATH),
        maybe(GAME_ID),
        Field::new(TS, DataType::Int64, true),
        Field::new(LINE, DataType::UInt64, true),
        Field::new(BYTE_OFFSET, DataType::UInt64, true),
        maybe(PLACE),
        maybe(SECTION),
        Field::new(PART, DataType::UInt64, true),
        maybe(TAGS),
    ];
    if let Some(dimension) = dimension {
        fields.push(Field::new(VECTOR, vector_type(dimension), true));
    }
    Arc::new(Schema::new(fields))
}

fn vector_type(dimension: u32) -> DataType {
    DataType::FixedSizeList(vector_item(), length(dimension))
}

fn vector_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, true))
}

/// A dimension was checked against [`crate::DIMENSION_MAX`] before it comes here.
fn length(dimension: u32) -> i32 {
    i32::try_from(dimension).unwrap_or(i32::MAX)
}

/// Rows as columns.
pub(crate) fn batch_of(rows: &[Row], dimension: Option<u32>) -> Result<RecordBatch, ArrowError> {
    let words = |of: &dyn Fn(&Row) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let plain = |of: fn(&ChunkMetadata) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| of(&row.chunk.metadata))))
    };
    let maybe = |of: fn(&ChunkMetadata) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|row| of(&row.chunk.metadata))))
    };
    let number = |of: fn(&ChunkMetadata) -> Option<u64>| -> ArrayRef {
        Arc::new(UInt64Array::from_iter(rows.iter().map(|row| of(&row.chunk.metadata))))
    };
    let mut hashes = FixedSizeBinaryBuilder::with_capacity(rows.len(), ROW_HASH_BYTES as i32);
    for row in rows {
        hashes.append_value(row.row_hash)?;
    }
    let mut columns: Vec<ArrayRef> = vec![
        words(&|row| row.chunk.id.to_string()),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.chunk.text))),
        words(&|row| terms_of(&row.chunk)),
        Arc::new(hashes.finish()),
        words(&|row| TextHash::of(&row.chunk.text).hex()),
        Arc::new(UInt64Array::from_iter(rows.iter().map(|row| row.vector_hash))),
        plain(|metadata| metadata.kind.name()),
        plain(|metadata| &metadata.source),
        plain(|metadata| &metadata.doc_type),
        plain(|metadata| &metadata.tenant),
        plain(|metadata| &metadata.title),
        maybe(|metadata| metadata.event_type.as_deref()),
        maybe(|metadata| metadata.path.as_deref()),
        maybe(|metadata| metadata.game_id.as_deref()),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.chunk.metadata.ts))),
        number(|metadata| metadata.line),
        number(|metadata| metadata.byte_offset),
        maybe(|metadata| metadata.place.as_deref()),
        maybe(|metadata| metadata.section.as_deref()),
        number(|metadata| metadata.part),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| marked(&row.chunk.metadata.tags)))),
    ];
    if let Some(dimension) = dimension {
        let mut numbers = Vec::with_capacity(rows.len() * dimension as usize);
        for row in rows {
            numbers.extend_from_slice(row.vector.as_deref().unwrap_or_default());
        }
        let numbers: ArrayRef = Arc::new(Float32Array::from(numbers));
        columns.push(Arc::new(FixedSizeListArray::try_new(vector_item(), length(dimension), numbers, None)?));
    }
    RecordBatch::try_new(schema(dimension), columns)
}

/// Tags as their column has them.
fn marked(tags: &[String]) -> Option<String> {
    let marked = || tags.iter().fold(TAG_MARK.to_owned(), |all, tag| format!("{all}{tag}{TAG_MARK}"));
    (!tags.is_empty()).then(marked)
}

/// What the columns should have been and are not.
pub(crate) type Wrong = String;

/// A column of a batch by name.
fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Wrong> {
    batch.column_by_name(name).ok_or_else(|| format!("it has no column {name}"))
}

/// A column of texts.
pub(crate) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, Wrong> {
    column(batch, name)?.as_string_opt::<i32>().ok_or_else(|| format!("its column {name} is not text"))
}

/// A column of scores or distances.
pub(crate) fn floats<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Float32Array, Wrong> {
    column(batch, name)?
        .as_primitive_opt::<Float32Type>()
        .ok_or_else(|| format!("its column {name} has no numbers"))
}

/// A column of whole numbers.
pub(crate) fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a UInt64Array, Wrong> {
    column(batch, name)?
        .as_primitive_opt::<UInt64Type>()
        .ok_or_else(|| format!("its column {name} has no numbers"))
}

/// The ids of a batch.
pub(crate) fn ids(batch: &RecordBatch) -> Result<Vec<ChunkId>, Wrong> {
    texts(batch, ID)?
        .iter()
        .map(|id| {
            let id = id.unwrap_or_default();
            ChunkId::from_hex(id).ok_or_else(|| format!("{id:?} is no chunk id"))
        })
        .collect()
}

/// The hashes of the texts of a batch; those that cannot be read are `None`.
pub(crate) fn text_hashes(batch: &RecordBatch) -> Result<Vec<Option<TextHash>>, Wrong> {
    let read = |hash: Option<&str>| hash.and_then(stele_model::id::from_hex).map(TextHash);
    Ok(texts(batch, TEXT_HASH)?.iter().map(read).collect())
}

/// The row hashes of a batch.
pub(crate) fn row_hashes(batch: &RecordBatch) -> Result<Vec<RowHash>, Wrong> {
    let column = column(batch, ROW_HASH)?
        .as_fixed_size_binary_opt()
        .filter(|column| column.value_length() == ROW_HASH_BYTES as i32)
        .ok_or_else(|| "its column row_hash has no hashes".to_owned())?;
    let mut hashes = Vec::with_capacity(column.len());
    for at in 0..column.len() {
        let mut hash = [0; ROW_HASH_BYTES];
        hash.copy_from_slice(column.value(at));
        hashes.push(hash);
    }
    Ok(hashes)
}

/// The ids of a batch with the hashes of their chunks.
pub(crate) fn chunk_hashes(batch: &RecordBatch) -> Result<Vec<Identified>, Wrong> {
    let hashes = row_hashes(batch)?;
    Ok(ids(batch)?.into_iter().zip(hashes.iter().map(ChunkHash::of_row)).collect())
}

/// The vectors of a batch; those that are missing are `None`.
pub(crate) fn vectors(batch: &RecordBatch) -> Result<Vec<Option<Vec<f32>>>, Wrong> {
    let wrong = || "its column vector has no vectors".to_owned();
    let column = column(batch, VECTOR)?.as_fixed_size_list_opt().ok_or_else(wrong)?;
    let mut vectors = Vec::with_capacity(column.len());
    for at in 0..column.len() {
        if column.is_null(at) {
            vectors.push(None);
            continue;
        }
        let numbers = column.value(at);
        let numbers = numbers.as_primitive_opt::<Float32Type>().ok_or_else(wrong)?;
        vectors.push(Some(numbers.values().to_vec()));
    }
    Ok(vectors)
}

fn tags_of(marked: Option<&str>) -> Vec<String> {
    let tags = marked.unwrap_or_default().split(TAG_MARK).filter(|tag| !tag.is_empty());
    tags.map(str::to_owned).collect()
}

/// The chunks of a batch that has [`CHUNK_COLUMNS`].
pub(crate) fn chunks_of(batch: &RecordBatch) -> Result<Vec<Chunk>, Wrong> {
    let ids = ids(batch)?;
    let (text, kind, source) = (texts(batch, TEXT)?, texts(batch, KIND)?, texts(batch, SOURCE)?);
    let (doc_type, tenant, title) = (texts(batch, DOC_TYPE)?, texts(batch, TENANT)?, texts(batch, TITLE)?);
    let (event_type, path) = (texts(batch, EVENT_TYPE)?, texts(batch, PATH)?);
    let (game_id, place) = (texts(batch, GAME_ID)?, texts(batch, PLACE)?);
    // An index of an earlier version has no documents.
    let later = |name| batch.column_by_name(name).is_some().then(|| texts(batch, name)).transpose();
    let (section, tags) = (later(SECTION)?, later(TAGS)?);
    let part = batch.column_by_name(PART).is_some().then(|| numbers(batch, PART)).transpose()?;
    let ts = column(batch, TS)?
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| "its column ts has no numbers".to_owned())?;
    let (line, byte_offset) = (numbers(batch, LINE)?, numbers(batch, BYTE_OFFSET)?);
    let word = |column: &StringArray, at: usize| column.value(at).to_owned();
    let maybe = |column: &StringArray, at: usize| column.is_valid(at).then(|| word(column, at));
    let number = |column: &UInt64Array, at: usize| column.is_valid(at).then(|| column.value(at));
    let mut chunks = Vec::with_capacity(ids.len());
    for (at, id) in ids.into_iter().enumerate() {
        let name = kind.value(at);
        let kind = ChunkKind::from_name(name).ok_or_else(|| format!("{name:?} is no kind of chunk"))?;
        let metadata = ChunkMetadata {
            kind,
            source: word(source, at),
            doc_type: word(doc_type, at),
            tenant: word(tenant, at),
            title: word(title, at),
            event_type: maybe(event_type, at),
            path: maybe(path, at),
            game_id: maybe(game_id, at),
            ts: ts.is_valid(at).then(|| ts.value(at)),
            line: number(line, at),
            byte_offset: number(byte_offset, at),
            place: maybe(place, at),
            section: section.and_then(|section| maybe(section, at)),
            part: part.and_then(|part| number(part, at)),
            tags: tags_of(tags.and_then(|tags| maybe(tags, at)).as_deref()),
        };
        chunks.push(Chunk { id, text: word(text, at), metadata });
    }
    Ok(chunks)
}
