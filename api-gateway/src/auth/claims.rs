//! What a token claims, and what of it we believe.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{Timestamp, UserId};

use super::{Identity, Refusal, Role};

/// How far clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// The claims that we read, and make.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    pub(super) exp: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<Audience>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<i64>,
    #[serde(default)]
    pub(super) role: Role,
}

/// Whole seconds since 1970, none of them negative or beyond the year 9999.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Moment(i64);

/// Whom a token is for.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What tokens must claim, where it is set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
}

/// What a verified token says, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    identity: Identity,
    from: Option<Moment>,
    until: Moment,
}

impl Claims {
    /// What they come to, if they are meant for us; at what time is left open.
    pub(super) fn verified(&self, expected: &Expected) -> Result<Verified, Refusal> {
        if expected.issuer.is_some() && self.iss != expected.issuer {
            return Err(Refusal::Invalid("of another issuer"));
        }
        if expected.audience.as_ref().is_some_and(|audience| !self.is_meant_for(audience)) {
            return Err(Refusal::Invalid("for another audience"));
        }
        let identity = Identity { user_id: self.user_id()?, role: self.role };
        let from = [self.nbf, self.iat].into_iter().flatten().max_by_key(|moment| moment.0);
        Ok(Verified { identity, from, until: self.exp })
    }

    fn is_meant_for(&self, audience: &str) -> bool {
        match &self.aud {
            None => false,
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Many(many)) => many.iter().any(|one| one == audience),
        }
    }

    /// The claim `user_id`, else a numeric `sub`.
    fn user_id(&self) -> Result<UserId, Refusal> {
        let of_subject = || {
            let digits = self.sub.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| self.sub.parse().ok()).flatten()
        };
        let number = self.user_id.or_else(of_subject);
        number
            .and_then(|number| UserId::try_from(number).ok())
            .ok_or(Refusal::Invalid("neither user_id nor sub is the number of a user"))
    }
}

impl Verified {
    /// Who the token speaks for at this moment.
    pub(super) fn at(&self, now: Timestamp) -> Result<Identity, Refusal> {
        if self.from.is_some_and(|from| from.timestamp() > now.after(LEEWAY)) {
            return Err(Refusal::Invalid("not valid yet"));
        }
        if now >= self.until.timestamp().after(LEEWAY) {
            return Err(Refusal::Expired);
        }
        Ok(self.identity)
    }
}

impl Moment {
    /// The second that a moment is in.
    pub(super) fn of(moment: Timestamp) -> Self {
        Self(moment.micros().div_euclid(1_000_000))
    }

    pub(super) fn timestamp(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_mul(1_000_000))
    }
}

impl TryFrom<i64> for Moment {
    type Error = &'static str;

    fn try_from(seconds: i64) -> Result<Self, Self::Error> {
        if !(0..=LAST_SECOND).contains(&seconds) {
            return Err("not a moment");
        }
        Ok(Self(seconds))
    }
}
