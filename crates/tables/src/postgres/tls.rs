//! Encryption of a connection, with as much trust as the address asks for.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};

use super::address::{Address, Tls};
use crate::TablesError;
use crate::address::wrong_address;

pub(crate) type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// Encrypts a connection whose server has agreed to that. The handshake comes with the first byte.
pub(crate) fn encrypt(stream: TcpStream, address: &Address) -> Result<Encrypted, TablesError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let refuse = |error: Error| wrong_address(&format!("TLS cannot be set up: {error}"));
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(refuse)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trust::new(address, provider)?))
        .with_no_client_auth();
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| wrong_address("its host is no name that a certificate could have"))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(refuse)?;
    Ok(StreamOwned::new(connection, stream))
}

/// What a server has to show.
#[derive(Debug)]
struct Trust {
    /// None if it may show anything.
    roots: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    fn new(address: &Address, provider: Arc<CryptoProvider>) -> Result<Self, TablesError> {
        let any_name = address.tls != Tls::VerifyFull;
        let roots = match address.tls {
            Tls::VerifyCa | Tls::VerifyFull => Some(
                WebPkiServerVerifier::builder_with_provider(
                    Arc::new(roots(address.roots.as_deref())?),
                    provider.clone(),
                )
                .build()
                .map_err(|error| wrong_address(&format!("sslrootcert cannot be used: {error}")))?,
            ),
            _ => None,
        };
        Ok(Trust { roots, any_name, provider })
    }
}

/// Those of the file, or those that browsers trust.
fn roots(file: Option<&Path>) -> Result<RootCertStore, TablesError> {
    let mut store = RootCertStore::empty();
    let Some(file) = file else {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(store);
    };
    let refuse = |why: String| wrong_address(&format!("sslrootcert {}: {why}", file.display()));
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| refuse(error.to_string()))? {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        store.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    match store.is_empty() {
        true => Err(refuse("there is no certificate in it".to_owned())),
        false => Ok(store),
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        match roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            said => said,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
