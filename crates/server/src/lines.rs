//! Messages as lines, for clients on the other side of a pipe.

use std::io;
use std::sync::Arc;

use rmcp::model::JsonRpcMessage;
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::limits::BODY_BYTES_MAX;
use crate::message::{Sent, read, too_long};

/// A message a line, either way.
pub(crate) struct Lines<R, W> {
    input: BufReader<R>,
    output: Arc<Mutex<W>>,
    /// What is there of a line. A wait for the rest may be given up at any time and begun again.
    line: Vec<u8>,
    /// Whether the line is too long, so that the rest of it is passed over.
    is_too_long: bool,
    /// Whether a client has asked for something, before which it has nothing to answer or to tell.
    is_begun: bool,
    /// The answer to a line that was no message. The next line waits for it, so that a client which reads
    /// nothing is not answered without end.
    answering: Option<JoinHandle<io::Result<()>>>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin + Send + 'static> Lines<R, W> {
    pub(crate) fn new(input: R, output: W) -> Self {
        Self {
            input: BufReader::new(input),
            output: Arc::new(Mutex::new(output)),
            line: Vec::new(),
            is_too_long: false,
            is_begun: false,
            answering: None,
        }
    }

    /// Reads to the end of a line, which is the end of the input, too. Whether there was one.
    async fn read_line(&mut self) -> io::Result<bool> {
        loop {
            let there = self.input.fill_buf().await?;
            if there.is_empty() {
                return Ok(self.is_too_long || !self.line.is_empty());
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let part = &there[..end.unwrap_or(there.len())];
            self.is_too_long |= self.line.len() + part.len() > BODY_BYTES_MAX;
            if self.is_too_long {
                self.line.clear();
            } else {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// What a line says.
    fn take_line(&mut self) -> Sent {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) {
            return Sent::Wrong(too_long(BODY_BYTES_MAX));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            return Sent::Nothing;
        }
        read(&line)
    }
}

async fn write<W: AsyncWrite + Unpin>(output: Arc<Mutex<W>>, mut message: Vec<u8>) -> io::Result<()> {
    message.push(b'\n');
    let mut output = output.lock().await;
    output.write_all(&message).await?;
    output.flush().await
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = Arc::clone(&self.output);
        async move { write(output, serde_json::to_vec(&message)?).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(answering) = &mut self.answering {
                let written = answering.await;
                self.answering = None;
                if !matches!(written, Ok(Ok(()))) {
                    return None;
                }
            }
            match self.read_line().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    tracing::error!(%error, "standard input cannot be read");
                    return None;
                }
            }
            match self.take_line() {
                Sent::Message(message) => {
                    self.is_begun |= matches!(*message, JsonRpcMessage::Request(_));
                    if self.is_begun {
                        return Some(*message);
                    }
                }
                Sent::Nothing => {}
                Sent::Wrong(answer) => {
                    let output = Arc::clone(&self.output);
                    self.answering = Some(tokio::spawn(write(output, answer.to_string().into_bytes())));
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.lock().await.flush().await
    }
}
