//! What buyers were told, kept so that an audit can hold it against the stores.

use std::sync::{Arc, Mutex};

use oxcart::audit::{Acknowledged, History, Status};
use reqwest::StatusCode;
use serde_json::Value;
use types::{Money, UserId};

use crate::client::Reply;

/// What the buyers of one shop were told so far. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<History>>);

impl Told {
    /// All of it.
    pub(crate) fn history(&self) -> History {
        self.0.lock().unwrap().clone()
    }

    /// Notes the answer to a purchase, if it is about a checkout of the buyer's key; how far that has come.
    pub(crate) fn note(&self, user: UserId, key: &str, reply: &Reply) -> Option<Status> {
        let body = &reply.body;
        let status = match reply.status {
            StatusCode::CREATED => Status::Completed,
            StatusCode::ACCEPTED => Status::Running,
            // It names the checkout of another key.
            _ if body["code"] == "checkout_in_progress" => return None,
            _ if body["checkout_id"].is_string() => Status::Failed,
            _ => return None,
        };
        let text = |field: &Value| field.as_str().map(ToOwned::to_owned);
        let total = text(&body["total"]["amount"]).zip(text(&body["total"]["currency"]));
        let total = total.map(|(amount, currency)| Money::parse(&amount, currency.parse().unwrap()).unwrap());
        self.0.lock().unwrap().acknowledged.push(Acknowledged {
            user,
            key: key.to_owned(),
            checkout_id: text(&body["checkout_id"]).unwrap().parse().unwrap(),
            status,
            total,
            order_id: text(&body["order_id"]).map(|id| id.parse().unwrap()),
        });
        Some(status)
    }
}
