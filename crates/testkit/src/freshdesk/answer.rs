//! An answer on its way out.

/// Status, headers and body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: u16, body: String) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.into_bytes() }
    }

    pub(super) fn html(status: u16) -> Self {
        let body = format!("<html><body><h1>{status}</h1>Something stands in between.</body></html>");
        Self { status, headers: vec![("content-type", "text/html".to_owned())], body: body.into_bytes() }
    }

    pub(super) fn bytes(content_type: &str, body: Vec<u8>) -> Self {
        Self { status: 200, headers: vec![("content-type", content_type.to_owned())], body }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }
}
