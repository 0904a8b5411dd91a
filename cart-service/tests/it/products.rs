//! A catalogue made for the test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use proto::common::Money;
use proto::product::product_service_server::ProductService;
use proto::product::{
    BatchGetProductsRequest, BatchGetProductsResponse, CreateProductRequest, DeleteProductRequest,
    GetProductRequest, GetProductsRequest, GetProductsResponse, Product, UpdateProductRequest,
};
use tonic::{Request, Response, Status};

/// A catalogue: product n costs n dollars, until the test says otherwise.
#[derive(Clone, Default)]
pub(crate) struct Products {
    shelf: Arc<Mutex<BTreeMap<i64, Product>>>,
    /// The ids of each call.
    calls: Arc<Mutex<Vec<Vec<i64>>>>,
    pub(crate) down: Arc<AtomicBool>,
    pub(crate) silent: Arc<AtomicBool>,
}

impl Products {
    pub(crate) fn stocked() -> Self {
        let products = Self::default();
        for id in 1..=200 {
            products.price(id, id * 100, "USD");
        }
        products
    }

    pub(crate) fn price(&self, id: i64, minor_units: i64, currency: &str) {
        let price = Some(Money { currency_code: currency.to_owned(), minor_units });
        let product = Product { id, name: format!("product {id}"), price, ..Product::default() };
        self.shelf.lock().unwrap().insert(id, product);
    }

    pub(crate) fn delete(&self, id: i64) {
        self.shelf.lock().unwrap().remove(&id);
    }

    pub(crate) fn calls(&self) -> Vec<Vec<i64>> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[tonic::async_trait]
impl ProductService for Products {
    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("transport error"));
        }
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let ids = request.into_inner().product_ids;
        let shelf = self.shelf.lock().unwrap();
        let products = ids.iter().filter_map(|id| shelf.get(id).cloned()).collect();
        self.calls.lock().unwrap().push(ids);
        Ok(Response::new(BatchGetProductsResponse { products }))
    }

    async fn get_products(
        &self,
        _: Request<GetProductsRequest>,
    ) -> Result<Response<GetProductsResponse>, Status> {
        Err(Status::unimplemented("carts ask in batches"))
    }

    async fn get_product(&self, _: Request<GetProductRequest>) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("carts ask in batches"))
    }

    async fn create_product(&self, _: Request<CreateProductRequest>) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("carts create nothing"))
    }

    async fn update_product(&self, _: Request<UpdateProductRequest>) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("carts update nothing"))
    }

    async fn delete_product(&self, _: Request<DeleteProductRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("carts delete nothing"))
    }
}
