//! DOCX in the plainest form that readers accept: an archive that packs nothing.

/// The part that holds the text.
const BODY: &str = "word/document.xml";

/// A document with these paragraphs. What means something to XML may not stand in them.
///
/// # Panics
/// If it becomes larger than an archive of this form.
pub fn written(paragraphs: &[&str]) -> Vec<u8> {
    let body: String =
        paragraphs.iter().map(|text| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")).collect();
    let document = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"w\" xmlns:r=\"r\"><w:body>{body}</w:body></w:document>"
    );
    archive(BODY, document.as_bytes())
}

/// An archive of one member.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).expect("less than 4 GiB").to_le_bytes();
    let short = |length: usize| u16::try_from(length).expect("less than 64 KiB").to_le_bytes();
    // Version, flags, method, time and date; checksum, sizes, lengths of the name and of more.
    let mut fields: Vec<u8> = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    fields.extend(crc32(content).to_le_bytes());
    fields.extend(number(content.len()));
    fields.extend(number(content.len()));
    fields.extend(short(name.len()));
    fields.extend([0, 0]);
    let mut out = b"PK\x03\x04".to_vec();
    out.extend(&fields);
    out.extend(name.as_bytes());
    out.extend(content);
    let start = out.len();
    out.extend(b"PK\x01\x02\x14\x00");
    out.extend(&fields);
    // No remark, on no other disk, nothing special, from the beginning.
    out.extend([0; 14]);
    out.extend(name.as_bytes());
    let length = out.len() - start;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(number(length));
    out.extend(number(start));
    out.extend([0, 0]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn checksums_are_those_of_archives() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
