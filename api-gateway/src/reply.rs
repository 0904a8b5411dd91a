//! What services answer, on its way to JSON. A reply without what the contract promises is a failure of ours.

use bytes::Bytes;
use prost_types::Timestamp as PbTimestamp;
use proto::{common, convert};
use serde::Serialize;
use types::{Address, Money, Timestamp};

use crate::problem::Problem;

pub(crate) fn money(field: &str, money: Option<common::Money>) -> Result<Money, Problem> {
    convert::money(field, money).map_err(broken)
}

pub(crate) fn moment(field: &str, moment: Option<PbTimestamp>) -> Result<Timestamp, Problem> {
    convert::moment(moment).ok_or_else(|| broken(format!("{field} is absent")))
}

pub(crate) fn address(field: &str, address: Option<common::Address>) -> Result<Option<Address>, Problem> {
    convert::address(field, address).map_err(broken)
}

/// The answer as it is sent.
pub(crate) fn encoded(answer: &impl Serialize) -> Result<Bytes, Problem> {
    serde_json::to_vec(answer).map(Bytes::from).map_err(Problem::internal)
}

/// The reply can't be understood.
pub(crate) fn broken(cause: impl ToString) -> Problem {
    Problem::internal(format!("broken reply: {}", cause.to_string()))
}
