//! The services behind the gateway.

use platform::metrics::Metrics;
use platform::tls::Security;
use platform::transport::{Error, Transport};
use proto::cart::cart_service_client::CartServiceClient;
use proto::checkout::checkout_service_client::CheckoutServiceClient;
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::orders::orders_service_client::OrdersServiceClient;
use proto::product::product_service_client::ProductServiceClient;

use crate::config::PeerAddresses;

/// The way to each service that the gateway calls.
#[derive(Clone)]
pub struct Peers {
    /// The catalogue.
    pub product: Transport,
    /// Carts.
    pub cart: Transport,
    /// Stock.
    pub inventory: Transport,
    /// Checkouts.
    pub checkout: Transport,
    /// Orders.
    pub orders: Transport,
}

impl Peers {
    /// Over TCP; must be called inside a tokio runtime.
    pub fn connect(addresses: &PeerAddresses, security: &Security, metrics: &Metrics) -> Result<Self, Error> {
        Ok(Self {
            product: security.connect("product", &addresses.product_service_addr, metrics)?,
            cart: security.connect("cart", &addresses.cart_service_addr, metrics)?,
            inventory: security.connect("inventory", &addresses.inventory_service_addr, metrics)?,
            checkout: security.connect("checkout", &addresses.checkout_service_addr, metrics)?,
            orders: security.connect("orders", &addresses.orders_service_addr, metrics)?,
        })
    }

    /// Each by its name.
    pub(crate) fn all(&self) -> [(&'static str, Transport); 5] {
        [
            ("product", self.product.clone()),
            ("cart", self.cart.clone()),
            ("inventory", self.inventory.clone()),
            ("checkout", self.checkout.clone()),
            ("orders", self.orders.clone()),
        ]
    }

    pub(crate) fn products(&self) -> ProductServiceClient<Transport> {
        ProductServiceClient::new(self.product.clone())
    }

    pub(crate) fn carts(&self) -> CartServiceClient<Transport> {
        CartServiceClient::new(self.cart.clone())
    }

    pub(crate) fn stock(&self) -> InventoryServiceClient<Transport> {
        InventoryServiceClient::new(self.inventory.clone())
    }

    pub(crate) fn checkouts(&self) -> CheckoutServiceClient<Transport> {
        CheckoutServiceClient::new(self.checkout.clone())
    }

    pub(crate) fn orders(&self) -> OrdersServiceClient<Transport> {
        OrdersServiceClient::new(self.orders.clone())
    }
}
