//! The values that every part of the shop speaks of: money, ids, quantities, pages, moments.
//!
//! A value of these types has been checked once and need not be doubted again. Nothing here is
//! asynchronous or does I/O.

mod address;
mod id;
mod money;
mod page;
mod quantity;
pub mod text;
mod timestamp;

pub use address::{Address, AddressParts, InvalidAddress};
pub use id::{CheckoutId, InvalidId, OrderId, PaymentId, ProductId, ReservationId, UserId};
pub use money::{Currency, InvalidMoney, Money};
pub use page::{InvalidPage, PageSize, PageToken};
pub use quantity::{InvalidQuantity, Quantity};
pub use timestamp::Timestamp;
