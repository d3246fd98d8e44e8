//! What a service answers when a bucket is listed, looked at before the library reads it.
//!
//! The library takes any XML for a list of nothing: the page of a gateway that wants a login would be a bucket in which
//! everything is gone.

use std::io;

use async_trait::async_trait;
use futures::StreamExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService, ReqwestConnector,
};

/// Longest page of a list, in bytes: a thousand keys of the greatest length, written in escapes.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// How a page of a list ends, whatever stands before.
const END: &[u8] = b"</ListBucketResult>";

/// Makes connections whose answers are looked at.
#[derive(Debug, Default)]
pub(crate) struct Checked(ReqwestConnector);

impl HttpConnector for Checked {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Lists(self.0.connect(options)?)))
    }
}

/// Asks for lists.
#[derive(Debug)]
struct Lists(HttpClient);

#[async_trait]
impl HttpService for Lists {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.execute(request).await?;
        let good = response.status().is_success();
        let (parts, body) = response.into_parts();
        let mut page = Vec::new();
        let mut stream = body.bytes_stream();
        while let Some(bytes) = stream.next().await {
            page.extend_from_slice(&bytes?);
            if page.len() > PAGE_BYTES_MAX {
                return Err(bad(format!("the answer has more than {PAGE_BYTES_MAX} bytes")));
            }
        }
        let empty = page.trim_ascii_end().ends_with(b"/>") && contains(&page, b"<ListBucketResult");
        if good && !empty && !page.trim_ascii_end().ends_with(END) {
            return Err(bad("the answer is not a list of objects; is it an S3 service?".to_owned()));
        }
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(page)))
    }
}

fn contains(page: &[u8], what: &[u8]) -> bool {
    page.windows(what.len()).any(|window| window == what)
}

/// Something that will be no better the next time.
fn bad(reason: String) -> HttpError {
    HttpError::new(HttpErrorKind::Decode, io::Error::other(reason))
}
