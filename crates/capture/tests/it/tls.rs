//! `wss://`: whoever shows a certificate that is trusted is listened to, and nobody else.

use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use stele_capture::{CaptureConfig, CaptureError};
use tungstenite::Message;

use crate::rig::{config, lines, start, wait_until};

/// Made for these tests, good for a hundred years.
const CA: &str = include_str!("tls/ca.pem");
const CERTIFICATE: &str = include_str!("tls/server.pem");
const KEY: &str = include_str!("tls/server.key");

fn serve(host: &str) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind((host, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let Ok(mut socket) = tungstenite::accept(StreamOwned::new(connection, stream.unwrap())) else {
                continue;
            };
            let _ = socket.send(Message::text("x".repeat(1 << 20)));
            while socket.read().is_ok() {}
        }
    });
    port
}

#[test]
fn trust_is_asked_for() {
    let port = serve("127.0.0.1");
    let dir = tempfile::tempdir().unwrap();
    let ca_pem = Some(CA.to_owned());
    let running = start(
        dir.path(),
        CaptureConfig { ca_pem: ca_pem.clone(), ..config(&format!("wss://localhost:{port}")) },
    );
    wait_until("it hears", || running.received() == 1);
    running.stop();
    assert!(
        lines(dir.path()).iter().any(|line| line["text"].as_str().is_some_and(|text| text.len() == 1 << 20))
    );
    // Nobody said that it is trusted; and a name that the certificate does not have.
    for (url, ca_pem) in [
        (format!("wss://localhost:{port}"), None),
        (format!("wss://127.0.0.2:{}", serve("127.0.0.2")), ca_pem),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let refused = start(dir.path(), CaptureConfig { ca_pem, ..config(&url) }).end();
        let Err(error @ CaptureError::Refused { .. }) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}
