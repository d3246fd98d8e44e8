//! As much of HTTP as a client needs: one thread a connection, which stays open.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::answer::Answer;

/// A request, as far as it matters: all of them read.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) path: String,
    headers: Vec<(String, String)>,
}

impl Asking {
    /// The header of this name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A port where requests come in.
pub(super) struct Listener(TcpListener);

impl Listener {
    pub(super) fn bind(address: &str) -> std::io::Result<Self> {
        Ok(Self(TcpListener::bind(address)?))
    }

    pub(super) fn url(&self) -> String {
        self.0.local_addr().map_or_else(|_| String::new(), |address| format!("http://{address}"))
    }

    /// Answers what comes; `None` closes the connection without a word.
    pub(super) fn serve(self, answer: impl Fn(&Asking) -> Option<Answer> + Send + Sync + 'static) {
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in self.0.incoming().flatten() {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    // Small answers go out at once; where that cannot be set, they are only slower.
                    let _ = stream.set_nodelay(true);
                    // A client that goes away has the right to.
                    let _ = converse(&stream, &*answer);
                });
            }
        });
    }
}

fn converse(stream: &TcpStream, answer: &dyn Fn(&Asking) -> Option<Answer>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(asking) = read(&mut reader)? {
        let Some(answer) = answer(&asking) else { return Ok(()) };
        let mut head =
            format!("HTTP/1.1 {} Said\r\ncontent-length: {}\r\n", answer.status, answer.body.len());
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&answer.body);
        (&mut &*stream).write_all(&whole)?;
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Asking>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(path) = line.split(' ').nth(1) else { return Ok(None) };
    let mut asking = Asking { path: path.to_owned(), headers: Vec::new() };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else { return Ok(Some(asking)) };
        asking.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// `Basic …` of a name and a password.
pub(super) fn basic(name: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for three in format!("{name}:{password}").as_bytes().chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            match place <= three.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::basic;

    #[test]
    fn keys_are_written_as_rfc_7617_says() {
        let check = |name: &str, password: &str, expect: &str| assert_eq!(basic(name, password), expect);
        check("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        check("geheim", "X", "Basic Z2VoZWltOlg=");
        check("ab", "", "Basic YWI6");
    }
}
