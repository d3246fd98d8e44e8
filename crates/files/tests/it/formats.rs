//! Every format, plain and packed; what is damaged; what is no row.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
    Int64Array, IntervalYearMonthArray, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

use crate::rig::{Rig, bz2, gz, zip, zst};

/// Rows of a file under this name, plain, packed by gzip, bzip2 and zstd, and in an archive, are these.
fn check(settings: Value, name: &str, bytes: &[u8], rows: &[&str]) {
    let files = [
        ("", bytes.to_vec()),
        (".gz", gz(bytes)),
        (".bz2", bz2(bytes)),
        (".zst", zst(bytes)),
        (".zip", zip(&[(name, bytes)])),
    ];
    for (ending, bytes) in files {
        let mut rig = Rig::new(settings.clone());
        rig.write(&format!("{name}{ending}"), bytes);
        assert_eq!(rig.good(), rows, "{name}{ending}");
        assert_eq!(rig.good(), [""; 0], "{name}{ending} is read once");
    }
}

#[test]
fn sources_10_json_and_its_lines_are_kept_as_they_are_spelled() {
    let none = || json!({});
    check(none(), "a.json", b"{\"n\": 1.50, \"b\": 1e400}", &["{\"n\": 1.50, \"b\": 1e400}"]);
    check(
        none(),
        "a.json",
        b"\xef\xbb\xbf[ {\"a\":\"]\\\"}\"} , {\"b\":[1,[2]]},\n 3 ]\r\n",
        &["{\"a\":\"]\\\"}\"}", "{\"b\":[1,[2]]}", "3"],
    );
    check(none(), "a.json", b"{\n \"a\": 1\n}\n{\"a\":2}", &["{  \"a\": 1 }", "{\"a\":2}"]);
    check(none(), "a.json", b"[]", &[]);
    check(
        none(),
        "a.jsonl",
        b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  {\"a\":2}  \n{\"a\":18446744073709551616}",
        &["{\"a\":1}", "{\"a\":2}", "{\"a\":18446744073709551616}"],
    );
    // Told by what is in it.
    check(none(), "events", b"{\"a\":1}\n{\"a\":2}\n", &["{\"a\":1}", "{\"a\":2}"]);
    check(none(), "empty.jsonl", b"", &[]);
    check(none(), "empty.csv", b"", &[]);
    check(
        json!({"format": "text"}),
        "app.log",
        b"one\r\n\n\"two\n",
        &["{\"line\":\"one\"}", "{\"line\":\"\\\"two\"}"],
    );
}

#[test]
fn sources_10_separated_values() {
    let none = || json!({});
    check(
        none(),
        "a.csv",
        b"id,what\n1,tea\n2,\"a \"\"b\"\",\nc\"\n",
        &["{\"id\":\"1\",\"what\":\"tea\"}", "{\"id\":\"2\",\"what\":\"a \\\"b\\\",\\nc\"}"],
    );
    check(
        none(),
        "a.csv",
        "\u{feff}id;what\r\n1;é, or not\r\n".as_bytes(),
        &["{\"id\":\"1\",\"what\":\"é, or not\"}"],
    );
    check(none(), "a.tsv", b"id\twhat\n1\t\n", &["{\"id\":\"1\",\"what\":\"\"}"]);
    check(none(), "a.csv", b"id,,id\n1,2,3", &["{\"id\":\"1\",\"column_2\":\"2\",\"id_2\":\"3\"}"]);
    check(none(), "a.csv", b"only\none\n", &["{\"only\":\"one\"}"]);
    check(
        json!({"csv": {"header": false}}),
        "a.csv",
        b"1|x\n2|y\n",
        &["{\"column_1\":\"1\",\"column_2\":\"x\"}", "{\"column_1\":\"2\",\"column_2\":\"y\"}"],
    );
    let typed = json!({"csv": {
        "nulls": ["NA", ""], "types": {"n": "number", "ok": "boolean", "j": "json"}, "delimiter": ",", "quote": "'",
    }});
    check(
        typed,
        "a.csv",
        b"n,ok,j,t\n1.50,TRUE,[1 ],NA\n007,maybe,'{\"a\":\"x,y\"}',\n",
        &[
            "{\"n\":1.50,\"ok\":true,\"j\":[1 ],\"t\":null}",
            "{\"n\":\"007\",\"ok\":\"maybe\",\"j\":{\"a\":\"x,y\"},\"t\":null}",
        ],
    );
    let latin = json!({"encoding": "windows-1252"});
    check(latin, "a.csv", b"id,what\n1,\xe9t\xe9 \x80\n", &["{\"id\":\"1\",\"what\":\"été €\"}"]);
    let wide: Vec<u8> = "\u{feff}id,what\n1,é\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(none(), "a.csv", &wide, &["{\"id\":\"1\",\"what\":\"é\"}"]);
}

fn batch() -> RecordBatch {
    let nested = StructArray::from(vec![
        (
            Arc::new(Field::new("k", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("v"), None])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("n", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![Some(1), Some(-2)])) as ArrayRef,
        ),
    ]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let words: DictionaryArray<Int32Type> = ["red", "blue"].into_iter().collect();
    let money = Decimal128Array::from(vec![Some(150), Some(-7)]).with_precision_and_scale(38, 2).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(UInt64Array::from(vec![u64::MAX, 2]))),
        ("money", Arc::new(money)),
        ("x", Arc::new(Float64Array::from(vec![0.1, f64::NAN]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![19_782, -1]))),
        ("wall", Arc::new(TimestampMicrosecondArray::from(vec![1_709_208_000_500_000, 0]))),
        (
            "at",
            Arc::new(
                TimestampNanosecondArray::from(vec![1_709_208_000_000_000_007, -1]).with_timezone("UTC"),
            ),
        ),
        ("bytes", Arc::new(BinaryArray::from_vec(vec![b"\xff\x00", b""]))),
        ("colour", Arc::new(words)),
        ("list", Arc::new(list)),
        ("nested", Arc::new(nested)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

pub fn parquet(batches: &[RecordBatch], rows_a_group: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_a_group)).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    bytes
}

#[test]
fn sources_10_parquet() {
    let rows = [
        "{\"id\":18446744073709551615,\"money\":1.50,\"x\":0.1,\"ok\":true,\"day\":\"2024-02-29\",\
         \"wall\":\"2024-02-29T12:00:00.500000\",\"at\":\"2024-02-29T12:00:00.000000007Z\",\
         \"bytes\":{\"$bytes\":\"/wA=\"},\"colour\":\"red\",\"list\":[1,null],\"nested\":{\"k\":\"v\",\"n\":1}}",
        "{\"id\":2,\"money\":-0.07,\"x\":\"NaN\",\"ok\":null,\"day\":\"1969-12-31\",\"wall\":\"1970-01-01T00:00:00\",\
         \"at\":\"1969-12-31T23:59:59.999999999Z\",\"bytes\":{\"$bytes\":\"\"},\"colour\":\"blue\",\"list\":null,\
         \"nested\":{\"k\":null,\"n\":-2}}",
    ];
    let bytes = parquet(&[batch()], 1);
    // The encoding is that of the text beside it.
    for settings in [json!({}), json!({"encoding": "windows-1252"})] {
        check(settings, "a.parquet", &bytes, &rows);
    }
}

#[test]
fn sources_10_parquet_in_every_codec_but_one_that_is_named() {
    let ids = Arc::new(UInt64Array::from_iter_values(0..500)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let rows: Vec<String> = (0..500).map(|id| format!("{{\"id\":{id}}}")).collect();
    let read = |bytes: Vec<u8>| {
        let mut rig = Rig::new(json!({}));
        rig.write("a.parquet", bytes);
        (rig.run().unwrap(), rig.taken())
    };
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let mut bytes = Vec::new();
        let properties = WriterProperties::builder().set_compression(codec).build();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(read(bytes).1, rows, "{codec}");
    }
    // Its footer says of the column `id` that it is not packed; another codec is another digit.
    let mut bytes = parquet(&[batch], 500);
    let place = bytes.windows(6).rposition(|window| window == b"\x18\x02id\x15\x00").unwrap() + 5;
    bytes[place] = 6;
    let (told, taken) = read(bytes);
    let says = "its column id are packed by lzo, which is not read here; write it anew";
    assert!(told[0].0 == "a.parquet" && told[0].1.contains(says) && taken.is_empty(), "{told:?}");
    // Intervals lose their months when they are read.
    let months = Arc::new(IntervalYearMonthArray::from(vec![1, 14])) as ArrayRef;
    let (told, taken) = read(parquet(&[RecordBatch::try_from_iter([("age", months)]).unwrap()], 4));
    assert!(told[0].1.contains("its column age has intervals") && taken.is_empty(), "{told:?}");
}

#[test]
fn sources_10_parquet_goes_on_behind_the_last_batch() {
    let ids = |from: u64| {
        RecordBatch::try_from_iter([(
            "id",
            Arc::new(UInt64Array::from_iter_values(from..from + 5)) as ArrayRef,
        )])
        .unwrap()
    };
    for ending in ["", ".gz"] {
        let mut rig = Rig::new(json!({}));
        let bytes = parquet(&[ids(0), ids(5)], 4);
        rig.write(&format!("a.parquet{ending}"), if ending.is_empty() { bytes } else { gz(bytes) });
        (rig.kept.batch_records, rig.kept.fails_at) = (Some(3), Some(3));
        assert!(rig.run().is_err());
        rig.kept.fails_at = None;
        assert_eq!(rig.taken().len(), 6);
        let rest: Vec<String> = (6..10).map(|id| format!("{{\"id\":{id}}}")).collect();
        assert_eq!(rig.good(), rest, "{ending}");
    }
}

#[test]
fn sources_10_what_is_damaged_fails_alone_with_its_place() {
    let lines: String =
        (0..20_000).map(|id| format!("{{\"id\":{id},\"x\":\"{}\"}}\n", id * 7919 % 10_007)).collect();
    let packed = gz(&lines);
    let mut rig = Rig::new(json!({}));
    rig.write_at("1.jsonl.gz", &packed[..packed.len() / 2], 9);
    rig.write_at("2.csv", "a,b\n1,2\n", 8);
    rig.write_at("3.json", "[{\"a\":1},{\"a\":", 7);
    rig.write_at("4.json", "[{\"a\":1} {\"a\":2}]", 6);
    rig.write_at("5.parquet", &parquet(&[batch()], 10)[..200], 5);
    rig.write_at("6.txt", "hello\n", 4);
    rig.write_at("7.jsonl", "{\"a\":1}\n", 3);
    rig.write_at("8.zip", "PK\x03\x04", 2);
    let told = rig.run().unwrap();
    let expect = [
        ("orders", "ok"),
        ("1.jsonl.gz", "its gzip data cannot be unpacked after "),
        ("3.json", "byte 9: the file ends within value 2, which begins here; it is cut off"),
        ("4.json", "byte 9: there is no comma between two values of the list"),
        ("5.parquet", "the Parquet cannot be read: "),
        ("6.txt", "say in `format` what it is"),
        ("8.zip", "the archive cannot be read: it is damaged or cut off"),
    ];
    assert_eq!(told.len(), expect.len(), "{told:?}");
    for ((stream, why), (name, says)) in told.iter().zip(expect) {
        assert!(stream == name && why.contains(says), "{stream}: {why}");
    }
    assert!(told[1].1.contains("near byte"), "{}", told[1].1);
    let taken = rig.taken();
    assert!(
        taken.contains(&"{\"a\":\"1\",\"b\":\"2\"}".to_owned()) && taken.len() > 5_000,
        "{}",
        taken.len()
    );
    // What came before the damage is not handed over again; when it is whole, the rest is.
    let before = taken.iter().filter(|row| row.starts_with("{\"id\"")).count();
    rig.run().unwrap();
    assert_eq!(rig.taken(), [""; 0]);
    rig.write_at("1.jsonl.gz", &packed, 1);
    rig.run().unwrap();
    assert_eq!(before + rig.taken().len(), 20_000);
}

#[test]
fn sources_10_what_is_no_row_is_kept_aside_with_file_and_line() {
    let check = |name: &str, bytes: &[u8], rows: usize, rejected: &[&str]| {
        let mut rig = Rig::new(json!({}));
        rig.write(name, bytes);
        assert_eq!(rig.good().len(), rows, "{name}");
        assert_eq!(rig.kept.rejected, rejected);
        assert_eq!(rig.sifted.rejected, rejected.len() as u64);
    };
    check(
        "e.jsonl",
        b"{\"a\":1}\n\n{bad\n{\"a\":2}\nnull,\n",
        2,
        &[
            "e.jsonl:3: it is no JSON: key must be a string at line 1 column 2: {bad",
            "e.jsonl:5: it is no JSON: trailing characters at line 1 column 5: null,",
        ],
    );
    check(
        "e.csv",
        b"a,b\n1,2\n\"x\ny\",2,3\n4,\xff\n5,6\n",
        2,
        &[
            "e.csv:3: it has 3 values, and there are 2 columns: \"x\ny\",2,3",
            "e.csv:5: it is no UTF-8; say in `encoding` what it is: 4,\u{fffd}",
        ],
    );
    check(
        "e.json",
        b"[{\"a\":1},{\"a\":tru},{\"a\":2}]",
        2,
        &["e.json:2: element 2 of the list is no JSON: expected ident at line 1 column 9: {\"a\":tru}"],
    );
    check("e.csv", b"a,b\n1,2\n\"x,3\n", 1, &["e.csv:3: the file ends within quotes: \"x,3"]);
}

#[test]
fn sources_10_what_names_the_columns_of_no_row_is_kept_aside() {
    let header = "e.csv:1: it names columns, and no row follows that has them: a,b";
    let short = "e.csv:2: it has 1 values, and there are 2 columns: 1";
    // One that stays may get its rows later.
    for (after, text, rejected) in [
        ("delete", "a,b\n", &[header][..]),
        ("delete", "a,b\n1\n", &[short, header]),
        ("delete", "a,b\n1\n1,2\n", &[short]),
        ("nothing", "a,b\n", &[]),
    ] {
        let mut rig = Rig::new(json!({ "after_ingest": after }));
        rig.write("e.csv", text);
        rig.run().unwrap();
        assert_eq!(rig.kept.rejected, rejected, "{after}: {text}");
    }
}
