//! Spans as the tree that they are.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use testkit::Collected;

/// The trace and the span that a caller of the shop has begun already.
pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const PARENT: &str = "b7ad6b7169203331";

pub(super) struct Tree(HashMap<String, Collected>);

impl Tree {
    pub(super) fn of(spans: Vec<Collected>) -> Self {
        Self(spans.into_iter().map(|span| (span.span_id.clone(), span)).collect())
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = &Collected> {
        self.0.values()
    }

    pub(super) fn named(&self, name: &str) -> Vec<&Collected> {
        self.spans().filter(|span| span.name == name).collect()
    }

    pub(super) fn parent(&self, span: &Collected) -> Option<&Collected> {
        self.0.get(&span.parent_id)
    }

    /// Spans below one that is not there.
    pub(super) fn orphans(&self) -> Vec<&Collected> {
        let is_orphan = |span: &&Collected| span.parent_id != PARENT && self.parent(span).is_none();
        self.spans().filter(is_orphan).collect()
    }

    /// The way to a span from the root: service and name of each.
    fn way(&self, span: &Collected) -> String {
        let here = format!("{}: {}", span.service, span.name);
        match self.parent(span) {
            Some(parent) => format!("{} > {here}", self.way(parent)),
            None => here,
        }
    }

    /// Everybody has done his part of a purchase, below who has asked for it.
    pub(super) fn is_a_purchase(&self) {
        let ways: BTreeSet<String> = self.spans().map(|span| self.way(span)).collect();
        let gateway = "api-gateway: POST /api/v1/checkout";
        let begun = "api-gateway: checkout.CheckoutService/InitiateCheckout > checkout-service: checkout.CheckoutService/InitiateCheckout";
        let cart = "checkout-service: cart.CartService/GetCart > cart-service: cart.CartService/GetCart";
        let step = |state, service, method| {
            format!(
                "{gateway} > {begun} > checkout-service: checkout {state} > checkout-service: {method} > {service}: {method}"
            )
        };
        let reserved = step("RESERVING", "inventory-service", "inventory.InventoryService/Reserve");
        let sent = format!(
            "{gateway} > {begun} > checkout-service: checkout CAPTURING > checkout-service: send checkout-events"
        );
        for way in [
            gateway.to_owned(),
            format!("{gateway} > {begun} > checkout-service: INSERT checkouts"),
            format!(
                "{gateway} > {begun} > {cart} > cart-service: product.ProductService/BatchGetProducts > product-service: product.ProductService/BatchGetProducts"
            ),
            reserved.clone(),
            format!("{reserved} > inventory-service: UPDATE reservations"),
            step("AUTHORIZING", "payment-service", "payment.PaymentService/Authorize"),
            step("COMMITTING", "inventory-service", "inventory.InventoryService/Confirm"),
            step("CAPTURING", "payment-service", "payment.PaymentService/Capture"),
            format!(
                "{gateway} > {begun} > checkout-service: checkout CAPTURING > checkout-service: UPDATE checkouts"
            ),
            sent.clone(),
            format!("{sent} > orders-service: process checkout-events > orders-service: INSERT orders"),
            format!("{sent} > orders-service: process checkout-events > orders-service: send order-events"),
            format!("{sent} > cart-service: process checkout-events"),
        ] {
            assert!(ways.contains(&way), "{way}\nis not in\n{self}");
        }
        self.is_well_described();
    }

    fn is_well_described(&self) {
        for span in self.spans() {
            let wanted: &[&str] = match (span.kind, span.name.split_once(' ')) {
                _ if span.name == "POST /api/v1/checkout" => {
                    &["http.request.method", "http.route", "http.response.status_code", "oxcart.request_id"]
                }
                (SpanKind::Server, _) => &["rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code"],
                (SpanKind::Producer, _) => {
                    &["messaging.destination.name", "messaging.operation.type", "messaging.message.id"]
                }
                (SpanKind::Consumer, _) => &[
                    "messaging.destination.name",
                    "messaging.operation.type",
                    "messaging.consumer.group.name",
                ],
                (SpanKind::Client, None) if span.name.contains('/') => {
                    &["rpc.service", "rpc.grpc.status_code"]
                }
                (SpanKind::Client, _) => &["db.system.name", "db.operation.name", "db.query.summary"],
                _ => &["oxcart.checkout.id", "oxcart.checkout.attempt"],
            };
            for name in wanted {
                assert!(!span.attribute(name).is_empty(), "{name} of {span:?}");
            }
            assert!(!span.is_error, "{span:?}");
            let told: Vec<&String> = span.attributes.values().collect();
            assert!(
                told.iter().all(|value| !value.contains("pm_card") && !value.contains("Lamp")),
                "{span:?}"
            );
        }
    }
}

/// For people: each way, in order.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways: BTreeSet<String> = self.spans().map(|span| self.way(span)).collect();
        ways.iter().try_for_each(|way| writeln!(f, "{way}"))
    }
}
