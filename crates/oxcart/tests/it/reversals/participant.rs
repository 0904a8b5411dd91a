//! What stands between the orders service and the real inventory and payment services: it passes calls on, with
//! faults on demand.

use std::collections::VecDeque;
use std::sync::Mutex;

use platform::transport::Transport;
use proto::inventory::inventory_service_client::InventoryServiceClient;
use proto::inventory::inventory_service_server::InventoryService;
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::payment_service_server::PaymentService;
use proto::{inventory, payment};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, async_trait};

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives.
    Lost,
    /// It arrives twice.
    Doubled,
    /// It takes effect, and the answer never arrives.
    ReplyLost,
    /// It waits at the door until [`Participant::release`], then it arrives.
    Late,
}

/// One of the two services, and the faults that the next calls meet.
pub(crate) struct Participant {
    service: Transport,
    planned: Mutex<VecDeque<Fault>>,
    arrived: Notify,
    door: Notify,
}

impl Participant {
    pub(crate) fn new(service: Transport) -> Self {
        Self { service, planned: Mutex::default(), arrived: Notify::new(), door: Notify::new() }
    }

    pub(crate) fn plan(&self, faults: &[Fault]) {
        self.planned.lock().unwrap().extend(faults);
    }

    /// How many faults are still to come.
    pub(crate) fn left(&self) -> usize {
        self.planned.lock().unwrap().len()
    }

    /// Waits until a call waits at the door.
    pub(crate) async fn held(&self) {
        self.arrived.notified().await;
    }

    /// Lets the call that waits go on.
    pub(crate) fn release(&self) {
        self.door.notify_one();
    }

    async fn call<T, F>(&self, pass_on: impl Fn() -> F) -> Result<Response<T>, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let planned = self.planned.lock().unwrap().pop_front();
        match planned {
            None => pass_on().await,
            Some(Fault::Lost) => Err(Status::internal("lost")),
            Some(Fault::Doubled) => {
                let _ = pass_on().await;
                pass_on().await
            }
            Some(Fault::ReplyLost) => {
                let _ = pass_on().await;
                Err(Status::internal("lost"))
            }
            Some(Fault::Late) => {
                self.arrived.notify_one();
                self.door.notified().await;
                pass_on().await
            }
        }
    }
}

/// Calls that a cancellation never makes.
macro_rules! left_out {
    ($($rpc:ident($request:ty) -> $reply:ty;)*) => {
        $(fn $rpc<'life0, 'async_trait>(
            &'life0 self,
            _: Request<$request>,
        ) -> futures::future::BoxFuture<'async_trait, Result<Response<$reply>, Status>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(std::future::ready(Err::<Response<$reply>, _>(Status::unimplemented("no cancellation calls this"))))
        })*
    };
}

#[async_trait]
impl PaymentService for Participant {
    async fn refund(
        &self,
        request: Request<payment::RefundRequest>,
    ) -> Result<Response<payment::Payment>, Status> {
        let (client, message) = (PaymentServiceClient::new(self.service.clone()), request.into_inner());
        let pass_on = || {
            let (mut client, message) = (client.clone(), message.clone());
            async move { client.refund(message).await }
        };
        self.call(pass_on).await
    }

    left_out!(
        authorize(payment::AuthorizeRequest) -> payment::Payment;
        capture(payment::CaptureRequest) -> payment::Payment;
        void(payment::VoidRequest) -> payment::Payment;
        charge(payment::AuthorizeRequest) -> payment::Payment;
        get_payment(payment::GetPaymentRequest) -> payment::Payment;
    );
}

#[async_trait]
impl InventoryService for Participant {
    async fn restock(
        &self,
        request: Request<inventory::RestockRequest>,
    ) -> Result<Response<inventory::Reservation>, Status> {
        let (client, message) = (InventoryServiceClient::new(self.service.clone()), request.into_inner());
        let pass_on = || {
            let (mut client, message) = (client.clone(), message.clone());
            async move { client.restock(message).await }
        };
        self.call(pass_on).await
    }

    left_out!(
        get_stock(inventory::GetStockRequest) -> inventory::Stock;
        reserve(inventory::ReserveRequest) -> inventory::Reservation;
        confirm(inventory::ConfirmRequest) -> inventory::Reservation;
        release(inventory::ReleaseRequest) -> inventory::Reservation;
        set_stock(inventory::SetStockRequest) -> inventory::Stock;
        list_movements(inventory::ListMovementsRequest) -> inventory::ListMovementsResponse;
    );
}
