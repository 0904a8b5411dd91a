//! The contract between the programs of the shop: messages and services compiled from `proto/*.proto`,
//! the refusals they answer with, the events they publish, and the way between wire and [`types`].

pub mod convert;
pub mod events;
pub mod status;

pub use status::{Invalid, Reason, Rejection};

/// The descriptors of every service, for gRPC reflection.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The metadata that says which revision of the catalogue a change has made, and how far the one must be that is shown.
pub const CATALOGUE_REVISION: &str = "catalogue-revision";

/// Messages that several services share.
#[expect(missing_docs, reason = "generated; the documentation is in the .proto file")]
pub mod common {
    tonic::include_proto!("common");
}

/// The catalogue.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    reason = "generated; the documentation is in the .proto file"
)]
pub mod product {
    tonic::include_proto!("product");
}

/// Carts.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    reason = "generated; the documentation is in the .proto file"
)]
pub mod cart {
    tonic::include_proto!("cart");
}

/// Stock and reservations.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    reason = "generated; the documentation is in the .proto file"
)]
pub mod inventory {
    tonic::include_proto!("inventory");
}

/// Payments.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    reason = "generated; the documentation is in the .proto file"
)]
pub mod payment {
    tonic::include_proto!("payment");
}

/// Checkouts.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    reason = "generated; the documentation is in the .proto file"
)]
pub mod checkout {
    tonic::include_proto!("checkout");
}

/// Orders.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    reason = "generated; the documentation is in the .proto file"
)]
pub mod orders {
    tonic::include_proto!("orders");
}
