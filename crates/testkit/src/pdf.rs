//! PDF in the plainest form that readers accept: with text, and as a scanner makes it.

use std::process::Command;

/// A PDF with these lines on each page, in the plainest form that readers accept.
pub fn written(pages: &[&[&str]]) -> Vec<u8> {
    let contents: Vec<String> = pages.iter().map(|lines| drawing(lines)).collect();
    let streams: Vec<(String, Vec<u8>)> =
        contents.into_iter().map(|text| (String::new(), text.into_bytes())).collect();
    drawn(&streams, "/Font << /F1 3 0 R >>")
}

fn drawing(lines: &[&str]) -> String {
    let mut text = String::from("BT /F1 12 Tf 72 720 Td 14 TL ");
    for line in lines {
        text.push_str(&format!("({line}) Tj T* "));
    }
    text.push_str("ET");
    text
}

/// A PDF with one stream of drawing a page and these resources.
pub fn drawn(streams: &[(String, Vec<u8>)], resources: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |out: &mut Vec<u8>, body: &[u8]| {
        offsets.push(out.len());
        let head = format!("{} 0 obj\n", offsets.len());
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body);
        out.extend_from_slice(b"\nendobj\n");
    };
    let first = 4;
    let kids: String = (0..streams.len()).map(|n| format!("{} 0 R ", first + 2 * n)).collect();
    object(&mut out, b"<< /Type /Catalog /Pages 2 0 R >>");
    object(&mut out, format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", streams.len()).as_bytes());
    object(&mut out, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    for (n, (extra, stream)) in streams.iter().enumerate() {
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << {resources} >> /Contents {} 0 R >>",
            first + 2 * n + 1
        );
        object(&mut out, page.as_bytes());
        let mut body = format!("<< /Length {} {extra} >>\nstream\n", stream.len()).into_bytes();
        body.extend_from_slice(stream);
        body.extend_from_slice(b"\nendstream");
        object(&mut out, &body);
    }
    let start = out.len();
    out.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1).as_bytes());
    for offset in &offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let trailer =
        format!("trailer << /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", offsets.len() + 1);
    out.extend_from_slice(trailer.as_bytes());
    out
}

/// A PDF that holds nothing but the picture of the first page of another, as a scanner makes it.
///
/// # Panics
/// If `pdftoppm` is not there.
pub fn scanned(bytes: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a directory");
    let (from, to) = (dir.path().join("page.pdf"), dir.path().join("page"));
    std::fs::write(&from, bytes).expect("a file");
    let mut draw = Command::new("pdftoppm");
    let made = draw.args(["-r", "150", "-gray", "-singlefile"]).arg(&from).arg(&to).status();
    assert!(made.is_ok_and(|status| status.success()), "pdftoppm draws pages");
    let pgm = std::fs::read(to.with_extension("pgm")).expect("a picture");
    // `P5`, width and height, the largest value, then a byte a pixel.
    let mut lines = pgm.splitn(4, |byte| *byte == b'\n');
    let size = String::from_utf8_lossy(lines.nth(1).unwrap_or_default()).into_owned();
    let pixels = lines.nth(1).unwrap_or_default();
    let (width, height) = size.split_once(' ').expect("width and height");
    let mut drawing =
        format!("q 612 0 0 792 0 0 cm BI /W {width} /H {height} /CS /G /BPC 8 ID ").into_bytes();
    drawing.extend_from_slice(pixels);
    drawing.extend_from_slice(b" EI Q");
    drawn(&[(String::new(), drawing)], "")
}
