//! An exported archive: pages in folders, in Markdown or HTML, and databases in CSV. Large ones hold
//! further archives, one deep.

use stele_model::DocumentFormat;

use crate::error::DocumentError;
use crate::office::Archive;
use crate::parse::{Parsed, Request, read};
use crate::tools::Tools;

/// Every page of an archive. What cannot be read is said, and the others are read all the same.
pub(crate) fn parse(request: &Request, bytes: &[u8], tools: &Tools) -> Result<Parsed, DocumentError> {
    let mut parsed = Parsed::default();
    archive(request, &request.source_uri, bytes, tools, true, &mut parsed)?;
    Ok(parsed)
}

fn archive(
    request: &Request,
    uri: &str,
    bytes: &[u8],
    tools: &Tools,
    outermost: bool,
    parsed: &mut Parsed,
) -> Result<(), DocumentError> {
    let mut archive_of = Archive::open(uri, bytes)?;
    for name in archive_of.names().to_vec() {
        let member = format!("{uri}!/{name}");
        let ending = name.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_lowercase());
        let format = match ending.as_str() {
            "md" | "markdown" => DocumentFormat::Markdown,
            "html" | "htm" => DocumentFormat::Html,
            "csv" => DocumentFormat::Csv,
            "zip" if outermost => {
                let inner = archive_of.bytes(&name).map_err(|error| error.about(&member));
                let read = inner.and_then(|inner| archive(request, &member, &inner, tools, false, parsed));
                parsed.failed.extend(read.err());
                continue;
            }
            _ => {
                parsed.ignored.push(member);
                continue;
            }
        };
        let request = Request { source_uri: member, format: Some(format), tenant: request.tenant.clone() };
        match archive_of.bytes(&name).and_then(|bytes| read(&request, &bytes, tools)) {
            Ok(page) => parsed.documents.extend(page.documents.into_iter().map(named)),
            // Whoever keeps what the page said before has to know which one it is.
            Err(error) => parsed.failed.push(error.about(&request.source_uri)),
        }
    }
    Ok(())
}

/// Without the id that Notion puts behind the name of a page, where the name had to do for a title.
fn named(mut document: stele_model::Document) -> stele_model::Document {
    /// Hexadecimal digits of such an id.
    const ID_DIGITS: usize = 32;
    if let Some((title, id)) = document.title.rsplit_once(' ')
        && id.len() == ID_DIGITS
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        document.title = title.to_owned();
    }
    document
}
