//! A key that tokens are verified with, and the one algorithm that it is good for.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::AlgorithmParameters::{EllipticCurve as Ec, OctetKeyPair, RSA};
use jsonwebtoken::jwk::{EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation};

use super::Refusal;
use super::claims::Claims;

/// The labels of public keys in PEM.
const PUBLIC: [&str; 2] = ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"];

/// Bytes of an RSA modulus: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key, and what it verifies.
pub(super) struct Key {
    id: Option<String>,
    decoding: DecodingKey,
    validation: Validation,
}

/// Why a key can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is not one public key in PEM")]
    NotPem,
    #[error("it is a key of another kind than RSA, EC on P-256 and Ed25519")]
    Kind,
    #[error("its RSA modulus does not have 2048 to 8192 bits")]
    Size,
    #[error("it is for another use than to verify signatures of RS256, ES256 or EdDSA")]
    Use,
}

impl Key {
    /// The shared secret: HS256.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        Self::new(None, DecodingKey::from_secret(secret), Algorithm::HS256)
    }

    /// A public key: RS256, ES256 or EdDSA, as its kind demands. A private key is refused: it has no business here.
    pub(super) fn of_pem(pem: &str) -> Result<Self, Unusable> {
        let one = pem.matches("-----BEGIN ").count() == 1;
        if !one || !PUBLIC.iter().any(|label| pem.contains(label)) {
            return Err(Unusable::NotPem);
        }
        let pem = pem.as_bytes();
        let decoding = DecodingKey::from_ed_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_rsa_pem(pem))
            .map_err(|_| Unusable::Kind)?;
        Self::of_jwk(&Jwk::from_decoding_key(&decoding, None).map_err(|_| Unusable::Kind)?)
    }

    /// A key of a set. A symmetric one is refused: what is published is no secret.
    pub(super) fn of_jwk(jwk: &Jwk) -> Result<Self, Unusable> {
        let algorithm = match &jwk.algorithm {
            RSA(_) => Algorithm::RS256,
            Ec(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return Err(Unusable::Kind),
        };
        let common = &jwk.common;
        let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify))
            && common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
        if !verifies {
            return Err(Unusable::Use);
        }
        let decoding = DecodingKey::from_jwk(jwk).map_err(|_| Unusable::Kind)?;
        match decoding.kind() {
            DecodingKeyKind::RsaModulusExponent { n, .. } if !MODULUS.contains(&n.len()) => {
                Err(Unusable::Size)
            }
            _ => Ok(Self::new(common.key_id.clone(), decoding, algorithm)),
        }
    }

    fn new(id: Option<String>, decoding: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { id, decoding, validation }
    }

    /// What the set that it came from calls it.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What a token claims that this key has signed.
    pub(super) fn claims(&self, token: &str) -> Result<Claims, Refusal> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let claims = decoded.map(|decoded| decoded.claims);
        claims.map_err(|error| {
            Refusal::Invalid(match error.kind() {
                ErrorKind::InvalidAlgorithm => "of another algorithm than its key",
                ErrorKind::InvalidSignature => "not signed by its key",
                ErrorKind::Json(_) => "without the claims that are needed, or with one of another type",
                _ => "malformed",
            })
        })
    }
}
