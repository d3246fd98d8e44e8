//! How one proves to a PostgreSQL server who one is: MD5 and SCRAM-SHA-256 (RFC 5802, RFC 7677). Channel binding is
//! not done.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use stele_model::id::to_hex;

/// The mechanism, as servers call it.
pub(super) const SCRAM: &str = "SCRAM-SHA-256";

/// Rounds that a server may ask for, at most: a second of work. Servers ask for 4,096.
const ROUNDS_MAX: u32 = 1_000_000;

/// `md5` and the hexadecimal digest of the digest of password and user, and the salt.
pub(super) fn md5(user: &str, password: &str, salt: [u8; 4]) -> String {
    let inner = to_hex(&Md5::new().chain_update(password).chain_update(user).finalize());
    format!("md5{}", to_hex(&Md5::new().chain_update(inner).chain_update(salt).finalize()))
}

/// A proof on its way. Errors are what is wrong with what the server said.
pub(super) struct Scram {
    /// Empty: the server knows the user already.
    user: &'static str,
    nonce: String,
    server_signature: Option<Vec<u8>>,
}

impl Scram {
    pub(super) fn new() -> Result<Self, String> {
        let mut random = [0; 18];
        rand::fill(&mut random).map_err(|_| "the system gives no random numbers".to_owned())?;
        Ok(Scram { user: "", nonce: STANDARD.encode(random), server_signature: None })
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// The answer to the server's first message.
    pub(super) fn last(&mut self, server_first: &str, password: &str) -> Result<String, String> {
        let mut parts = server_first.split(',');
        let mut part = |name: &str| {
            parts.next().and_then(|part| part.strip_prefix(name)).ok_or("its first message is no SCRAM")
        };
        let (nonce, salt, rounds) = (part("r=")?, part("s=")?, part("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("it answers to somebody else".to_owned());
        }
        let salt = STANDARD.decode(salt).map_err(|_| "its salt is no base64")?;
        let rounds: u32 = rounds.parse().map_err(|_| "its rounds are no number")?;
        let rounds = NonZeroU32::new(rounds)
            .filter(|rounds| rounds.get() <= ROUNDS_MAX)
            .ok_or("it asks for more rounds than are done")?;
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
        let keyed = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = keyed(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        // "biws" is "n,," in base64.
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.first_bare());
        let signature = keyed(stored_key.as_ref(), message.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
        let server_key = keyed(&salted, b"Server Key");
        self.server_signature = Some(keyed(server_key.as_ref(), message.as_bytes()).as_ref().to_vec());
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server knows the password, too.
    pub(super) fn check(&self, server_last: &str) -> Result<(), String> {
        let said = server_last.strip_prefix("v=").and_then(|said| STANDARD.decode(said).ok());
        match said.is_some() && said == self.server_signature {
            true => Ok(()),
            false => Err("it does not know the password itself".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677() {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let mut scram = Scram { user: "user", nonce, server_signature: None };
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = scram.last(first, "pencil").unwrap();
        assert!(last.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{last}");
        scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert!(scram.check("v=AAAA").is_err());
        assert!(scram.last("r=somebody,s=AAAA,i=4096", "pencil").is_err());
        assert!(scram.last(&first.replace("4096", "400000000"), "pencil").is_err());
    }

    #[test]
    fn md5_of_a_password() {
        // As `SELECT 'md5' || md5(md5('secretuser') || 'salt')` says.
        assert_eq!(md5("user", "secret", *b"salt"), "md5440c573f34f2e2f3ff4b6dbdd8a2686b");
    }
}
