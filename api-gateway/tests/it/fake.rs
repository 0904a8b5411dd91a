//! Services that answer as they are told and remember what they were asked.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use platform::World;
use platform::grpc;
use proto::{cart, checkout, inventory, orders, product};
use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

use crate::changes::Changes;

/// All five services.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: HashMap<&'static str, VecDeque<Box<dyn Any + Send>>>,
    decisions: HashMap<&'static str, Box<dyn Any + Send>>,
    asked: Vec<(&'static str, Box<dyn Any + Send>, MetadataMap)>,
    outage: Option<Status>,
}

/// What a service makes of a request.
type Decision<Q, A> = fn(&Q) -> Result<A, Status>;

#[derive(Clone)]
enum Answer<A> {
    Reply(A, MetadataMap),
    Refuse(Status),
    /// The reply, once this says so.
    Once(watch::Receiver<bool>, A),
    Never,
}

impl Fake {
    /// The next answer of a call; the last one told is given again and again.
    pub(crate) fn replies<A: Clone + Send + 'static>(&self, rpc: &'static str, reply: A) {
        self.tell(rpc, Answer::Reply(reply, MetadataMap::new()));
    }

    /// With this beside it.
    pub(crate) fn replies_with<A: Clone + Send + 'static>(
        &self,
        rpc: &'static str,
        reply: A,
        (key, value): (&'static str, u64),
    ) {
        let mut metadata = MetadataMap::new();
        metadata.insert(key, value.into());
        self.tell(rpc, Answer::Reply(reply, metadata));
    }

    pub(crate) fn refuses<A: Clone + Send + 'static>(&self, rpc: &'static str, status: Status) {
        self.tell(rpc, Answer::<A>::Refuse(status));
    }

    /// Answers everybody, but not before `open` says so.
    pub(crate) fn replies_once<A: Clone + Send + 'static>(
        &self,
        open: &watch::Sender<bool>,
        rpc: &'static str,
        reply: A,
    ) {
        self.tell(rpc, Answer::Once(open.subscribe(), reply));
    }

    pub(crate) fn hangs<A: Clone + Send + 'static>(&self, rpc: &'static str) {
        self.tell(rpc, Answer::<A>::Never);
    }

    fn tell<A: Clone + Send + 'static>(&self, rpc: &'static str, answer: Answer<A>) {
        self.0.lock().unwrap().answers.entry(rpc).or_default().push_back(Box::new(answer));
    }

    /// Every answer of a call, by what is asked.
    pub(crate) fn decides<Q: 'static, A: 'static>(&self, rpc: &'static str, decision: Decision<Q, A>) {
        self.0.lock().unwrap().decisions.insert(rpc, Box::new(decision));
    }

    /// Answers every call so from now on; `None` ends it.
    pub(crate) fn outage(&self, status: Option<Status>) {
        self.0.lock().unwrap().outage = status;
    }

    /// Forgets what it was told to answer.
    pub(crate) fn forget(&self, rpc: &'static str) {
        self.0.lock().unwrap().answers.remove(rpc);
    }

    /// Every message of this call so far.
    pub(crate) fn asked<Q: Clone + 'static>(&self, rpc: &str) -> Vec<Q> {
        let state = self.0.lock().unwrap();
        let of_this_call = state.asked.iter().filter(|(name, ..)| *name == rpc);
        of_this_call.map(|(_, message, _)| message.downcast_ref::<Q>().unwrap().clone()).collect()
    }

    /// How many calls there were so far, of all kinds.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }

    /// The metadata of the last call.
    pub(crate) fn metadata(&self) -> MetadataMap {
        self.0.lock().unwrap().asked.last().unwrap().2.clone()
    }

    async fn answer<Q: Clone + Send + 'static, A: Clone + Send + 'static>(
        &self,
        rpc: &'static str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        let (metadata, _, message) = request.into_parts();
        let answer = {
            let mut state = self.0.lock().unwrap();
            if let Some(status) = &state.outage {
                return Err(status.clone());
            }
            let decision = state.decisions.get(rpc).map(|decision| decision.downcast_ref::<Decision<Q, A>>());
            let decided = decision.map(|decision| decision.unwrap()(&message));
            state.asked.push((rpc, Box::new(message), metadata));
            if let Some(decided) = decided {
                return decided.map(Response::new);
            }
            let answers = state.answers.get_mut(rpc).unwrap_or_else(|| panic!("{rpc} was not expected"));
            let answer = answers.front().unwrap().downcast_ref::<Answer<A>>().unwrap().clone();
            if answers.len() > 1 {
                answers.pop_front();
            }
            answer
        };
        match answer {
            Answer::Reply(reply, metadata) => Ok(Response::from_parts(metadata, reply, Extensions::new())),
            Answer::Refuse(status) => Err(status),
            Answer::Once(mut open, reply) => {
                open.wait_for(|open| *open).await.unwrap();
                Ok(Response::new(reply))
            }
            Answer::Never => std::future::pending().await,
        }
    }

    pub(crate) fn product(&self) -> grpc::Server {
        let service = product::product_service_server::ProductServiceServer::new(self.clone());
        grpc::server("product", &World::real()).add(service).build()
    }

    pub(crate) fn cart(&self) -> grpc::Server {
        let service = cart::cart_service_server::CartServiceServer::new(self.clone());
        grpc::server("cart", &World::real()).add(service).build()
    }

    pub(crate) fn inventory(&self) -> grpc::Server {
        let service = inventory::inventory_service_server::InventoryServiceServer::new(self.clone());
        grpc::server("inventory", &World::real()).add(service).build()
    }

    pub(crate) fn checkout(&self) -> grpc::Server {
        let service = checkout::checkout_service_server::CheckoutServiceServer::new(self.clone());
        grpc::server("checkout", &World::real()).add(service).build()
    }

    pub(crate) fn orders(&self) -> grpc::Server {
        let service = orders::orders_service_server::OrdersServiceServer::new(self.clone());
        grpc::server("orders", &World::real()).add(service).build()
    }
}

macro_rules! fake {
    ($server:path { $($rpc:ident($request:ty) -> $reply:ty;)* } $($more:item)*) => {
        #[tonic::async_trait]
        impl $server for Fake {
            $(async fn $rpc(&self, request: Request<$request>) -> Result<Response<$reply>, Status> {
                self.answer(stringify!($rpc), request).await
            })*
            $($more)*
        }
    };
}

fake!(product::product_service_server::ProductService {
    get_products(product::GetProductsRequest) -> product::GetProductsResponse;
    get_product(product::GetProductRequest) -> product::Product;
    batch_get_products(product::BatchGetProductsRequest) -> product::BatchGetProductsResponse;
    create_product(product::CreateProductRequest) -> product::Product;
    update_product(product::UpdateProductRequest) -> product::Product;
    delete_product(product::DeleteProductRequest) -> ();
});

fake!(cart::cart_service_server::CartService {
    add_item(cart::AddItemRequest) -> cart::Cart;
    get_cart(cart::GetCartRequest) -> cart::Cart;
    update_quantity(cart::UpdateQuantityRequest) -> cart::Cart;
    remove_item(cart::RemoveItemRequest) -> cart::Cart;
    clear_cart(cart::ClearCartRequest) -> cart::Cart;
});

fake!(inventory::inventory_service_server::InventoryService {
    get_stock(inventory::GetStockRequest) -> inventory::Stock;
    reserve(inventory::ReserveRequest) -> inventory::Reservation;
    confirm(inventory::ConfirmRequest) -> inventory::Reservation;
    release(inventory::ReleaseRequest) -> inventory::Reservation;
    restock(inventory::RestockRequest) -> inventory::Reservation;
    set_stock(inventory::SetStockRequest) -> inventory::Stock;
    list_movements(inventory::ListMovementsRequest) -> inventory::ListMovementsResponse;
});

fake!(orders::orders_service_server::OrdersService {
    get_order(orders::GetOrderRequest) -> orders::Order;
    list_orders(orders::ListOrdersRequest) -> orders::ListOrdersResponse;
    cancel_order(orders::CancelOrderRequest) -> orders::Order;
    update_order_status(orders::UpdateOrderStatusRequest) -> orders::Order;
    watch_order(orders::WatchOrderRequest) -> Changes<orders::Order>;
}
type WatchOrderStream = Changes<orders::Order>;
);

fake!(checkout::checkout_service_server::CheckoutService {
    initiate_checkout(checkout::InitiateCheckoutRequest) -> checkout::InitiateCheckoutResponse;
    get_checkout(checkout::GetCheckoutRequest) -> checkout::Checkout;
    watch_checkout(checkout::WatchCheckoutRequest) -> Changes<checkout::Checkout>;
}
type WatchCheckoutStream = Changes<checkout::Checkout>;
);
