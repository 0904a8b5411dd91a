//! What the cart asks of the product service: names and prices, in one call for all lines.

use std::collections::{BTreeMap, BTreeSet};

use platform::Context;
use platform::transport::Transport;
use proto::convert;
use proto::product::product_service_client::ProductServiceClient;
use proto::product::{BatchGetProductsRequest, Product};
use tonic::Status;
use types::{Money, ProductId};

/// A product as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Its name.
    pub(crate) name: String,
    /// The price of one.
    pub(crate) price: Money,
}

/// What the catalogue said so far while a call is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listings(BTreeMap<ProductId, Option<Listing>>);

impl Listings {
    /// The product, if the catalogue was asked for it and has it.
    pub(crate) fn find(&self, product: ProductId) -> Option<&Listing> {
        self.0.get(&product)?.as_ref()
    }

    /// Those that the catalogue was not asked for yet.
    pub(crate) fn unasked(&self, mut products: BTreeSet<ProductId>) -> BTreeSet<ProductId> {
        products.retain(|product| !self.0.contains_key(product));
        products
    }

    fn note(&mut self, asked: BTreeSet<ProductId>, mut answer: BTreeMap<ProductId, Listing>) {
        self.0.extend(asked.into_iter().map(|product| (product, answer.remove(&product))));
    }
}

#[cfg(test)]
impl FromIterator<(ProductId, Option<Listing>)> for Listings {
    fn from_iter<I: IntoIterator<Item = (ProductId, Option<Listing>)>>(listings: I) -> Self {
        Self(listings.into_iter().collect())
    }
}

/// Why the catalogue said nothing of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It is out of reach, overloaded or too slow. The same call may be repeated.
    #[error("the catalogue is not available")]
    Unavailable(#[source] Box<Status>),
    /// It sent what is no product.
    #[error("the catalogue answered with something else than products")]
    Nonsense(#[source] proto::Invalid),
}

/// The product service.
#[derive(Clone)]
pub(crate) struct Catalogue {
    products: ProductServiceClient<Transport>,
}

impl Catalogue {
    /// The catalogue at the other end of a transport.
    pub(crate) fn new(products: Transport) -> Self {
        Self { products: ProductServiceClient::new(products) }
    }

    /// Adds what the catalogue says of the products to `listings`, with one call, or none when there is
    /// nothing to ask.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) async fn ask(
        &self,
        ctx: &Context,
        products: BTreeSet<ProductId>,
        listings: &mut Listings,
    ) -> Result<(), Error> {
        if products.is_empty() {
            return Ok(());
        }
        let product_ids = products.iter().map(|product| product.get()).collect();
        let answer = self
            .products
            .clone()
            .batch_get_products(ctx.request(BatchGetProductsRequest { product_ids }))
            .await
            .map_err(|status| Error::Unavailable(Box::new(status)))?
            .into_inner();
        let answer: Result<_, _> = answer.products.into_iter().map(listing).collect();
        listings.note(products, answer.map_err(Error::Nonsense)?);
        Ok(())
    }
}

fn listing(product: Product) -> Result<(ProductId, Listing), proto::Invalid> {
    let price = convert::money("price", product.price)?;
    Ok((convert::product_id("id", product.id)?, Listing { name: product.name, price }))
}
