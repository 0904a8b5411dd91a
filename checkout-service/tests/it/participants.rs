//! Inventory, payment and cart as the contract describes them, in memory, with faults on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use proto::cart::cart_service_server::CartService;
use proto::inventory::inventory_service_server::InventoryService;
use proto::payment::payment_service_server::PaymentService;
use proto::{Reason, Rejection, cart, common, inventory, payment};
use tonic::{Code, Request, Response, Status, async_trait};

use crate::faults::Faults;

pub(crate) const PRICE: i64 = 129_999;

fn no<T>(code: Code, reason: Reason) -> Result<T, Status> {
    Err(Rejection::new(code, reason, "refused").into_status())
}

fn left_out<T>() -> Result<T, Status> {
    Err(Status::unimplemented("a checkout never calls this"))
}

/// Stock of one kind per product.
#[derive(Default)]
pub(crate) struct Inventory {
    pub(crate) faults: Faults,
    pub(crate) stock: Mutex<BTreeMap<i64, i64>>,
    pub(crate) reservations: Mutex<HashMap<String, (inventory::ReservationStatus, Vec<inventory::Line>)>>,
    /// Confirming is refused, as when a hold expired and its stock is gone.
    pub(crate) refuse_confirm: Mutex<bool>,
}

impl Inventory {
    fn answer(&self, id: &str, to: inventory::ReservationStatus) -> inventory::Reservation {
        inventory::Reservation { reservation_id: id.to_owned(), status: to.into(), ..Default::default() }
    }

    fn short(&self) -> Status {
        Rejection::new(Code::FailedPrecondition, Reason::InsufficientStock, "short")
            .with_metadata("product_ids", "1")
            .into_status()
    }

    fn reserve_now(&self, request: inventory::ReserveRequest) -> Result<inventory::Reservation, Status> {
        use inventory::ReservationStatus::{Held, Rejected, Released};
        let mut stock = self.stock.lock().unwrap();
        let mut reservations = self.reservations.lock().unwrap();
        let id = request.reservation_id;
        if let Some((status, lines)) = reservations.get(&id) {
            return match status {
                Rejected => Err(self.short()),
                Released => no(Code::Aborted, Reason::ReservationReleased),
                status => {
                    assert_eq!(*lines, request.lines, "a key with other parameters");
                    Ok(self.answer(&id, *status))
                }
            };
        }
        if request.lines.iter().any(|line| stock.get(&line.product_id).copied().unwrap_or(0) < line.quantity)
        {
            reservations.insert(id, (Rejected, request.lines));
            return Err(self.short());
        }
        for line in &request.lines {
            *stock.get_mut(&line.product_id).unwrap() -= line.quantity;
        }
        let answer = self.answer(&id, Held);
        reservations.insert(id, (Held, request.lines));
        Ok(answer)
    }

    fn confirm_now(&self, id: &str) -> Result<inventory::Reservation, Status> {
        use inventory::ReservationStatus::{Committed, Held};
        let mut reservations = self.reservations.lock().unwrap();
        match reservations.get_mut(id) {
            Some((Held, _)) if *self.refuse_confirm.lock().unwrap() => Err(self.short()),
            Some((status @ (Held | Committed), _)) => {
                *status = Committed;
                Ok(self.answer(id, Committed))
            }
            Some(_) => no(Code::Aborted, Reason::ReservationReleased),
            None => no(Code::NotFound, Reason::ReservationNotFound),
        }
    }

    fn release_now(&self, id: &str) -> Result<inventory::Reservation, Status> {
        use inventory::ReservationStatus::{Committed, Held, Rejected, Released};
        let mut stock = self.stock.lock().unwrap();
        let mut reservations = self.reservations.lock().unwrap();
        let (status, lines) = reservations.entry(id.to_owned()).or_insert((Released, Vec::new()));
        if matches!(status, Held | Committed) {
            for line in lines.iter() {
                *stock.get_mut(&line.product_id).unwrap() += line.quantity;
            }
            *status = Released;
        }
        let status = if *status == Rejected { Rejected } else { Released };
        Ok(self.answer(id, status))
    }
}

#[async_trait]
impl InventoryService for Inventory {
    async fn reserve(
        &self,
        request: Request<inventory::ReserveRequest>,
    ) -> Result<Response<inventory::Reservation>, Status> {
        self.faults.call("reserve", || self.reserve_now(request.into_inner())).await
    }
    async fn confirm(
        &self,
        request: Request<inventory::ConfirmRequest>,
    ) -> Result<Response<inventory::Reservation>, Status> {
        self.faults.call("confirm", || self.confirm_now(&request.get_ref().reservation_id)).await
    }
    async fn release(
        &self,
        request: Request<inventory::ReleaseRequest>,
    ) -> Result<Response<inventory::Reservation>, Status> {
        self.faults.call("release", || self.release_now(&request.get_ref().reservation_id)).await
    }
    async fn restock(
        &self,
        _: Request<inventory::RestockRequest>,
    ) -> Result<Response<inventory::Reservation>, Status> {
        left_out()
    }
    async fn get_stock(
        &self,
        _: Request<inventory::GetStockRequest>,
    ) -> Result<Response<inventory::Stock>, Status> {
        left_out()
    }
    async fn set_stock(
        &self,
        _: Request<inventory::SetStockRequest>,
    ) -> Result<Response<inventory::Stock>, Status> {
        left_out()
    }
    async fn list_movements(
        &self,
        _: Request<inventory::ListMovementsRequest>,
    ) -> Result<Response<inventory::ListMovementsResponse>, Status> {
        left_out()
    }
}

/// Payments; `pm_declined` is declined, `pm_bogus` is no method, `pm_retired` no longer one when it is used
/// again.
#[derive(Default)]
pub(crate) struct Payment {
    pub(crate) faults: Faults,
    pub(crate) payments: Mutex<HashMap<String, (payment::PaymentStatus, Option<common::Money>)>>,
    /// Capturing is refused with this reason, no money moved.
    pub(crate) refuse_capture: Mutex<bool>,
    /// The next void finds that the money was taken behind its back.
    pub(crate) captured_meanwhile: Mutex<bool>,
    /// What is captured next is refunded at once, by somebody else.
    pub(crate) refund_at_once: Mutex<bool>,
    /// Times money was put aside and taken, by checkout: each must stay at 1.
    pub(crate) effects: Mutex<HashMap<(String, &'static str), u32>>,
}

impl Payment {
    fn answer(
        &self,
        id: &str,
        to: payment::PaymentStatus,
        amount: Option<common::Money>,
    ) -> payment::Payment {
        payment::Payment { checkout_id: id.to_owned(), status: to.into(), amount, ..Default::default() }
    }

    fn effect(&self, id: &str, what: &'static str) {
        *self.effects.lock().unwrap().entry((id.to_owned(), what)).or_default() += 1;
    }

    fn authorize_now(&self, request: payment::AuthorizeRequest) -> Result<payment::Payment, Status> {
        use payment::PaymentStatus::{Authorized, Captured, Declined};
        let mut payments = self.payments.lock().unwrap();
        let id = request.checkout_id;
        let declined = || {
            Err(Rejection::new(Code::FailedPrecondition, Reason::PaymentDeclined, "declined")
                .with_metadata("decline_code", "card_declined")
                .into_status())
        };
        // Whether a method is one is asked before anything else, as the service does.
        let known = match request.payment_method.as_str() {
            "pm_bogus" => false,
            "pm_retired" => !payments.contains_key(&id),
            _ => true,
        };
        if !known {
            return no(Code::InvalidArgument, Reason::InvalidArgument);
        }
        match payments.get(&id) {
            Some((status @ (Authorized | Captured), amount)) => Ok(self.answer(&id, *status, amount.clone())),
            Some((Declined, _)) => declined(),
            Some(_) => no(Code::Aborted, Reason::PaymentVoided),
            None if request.payment_method == "pm_declined" => {
                payments.insert(id, (Declined, request.amount));
                declined()
            }
            None => {
                self.effect(&id, "authorized");
                let answer = self.answer(&id, Authorized, request.amount.clone());
                payments.insert(id, (Authorized, request.amount));
                Ok(answer)
            }
        }
    }

    fn capture_now(&self, id: &str) -> Result<payment::Payment, Status> {
        use payment::PaymentStatus::{Authorized, Captured, Refunded};
        let mut payments = self.payments.lock().unwrap();
        match payments.get_mut(id) {
            Some((Authorized, _)) if *self.refuse_capture.lock().unwrap() => {
                no(Code::FailedPrecondition, Reason::PaymentNotCapturable)
            }
            Some((Refunded, amount)) => Ok(self.answer(id, Refunded, amount.clone())),
            Some((status @ (Authorized | Captured), amount)) => {
                if *status == Authorized {
                    self.effect(id, "captured");
                }
                let refunded = std::mem::take(&mut *self.refund_at_once.lock().unwrap());
                *status = if refunded { Refunded } else { Captured };
                Ok(self.answer(id, Captured, amount.clone()))
            }
            Some(_) => no(Code::Aborted, Reason::PaymentVoided),
            None => no(Code::NotFound, Reason::PaymentNotFound),
        }
    }

    fn void_now(&self, id: &str) -> Result<payment::Payment, Status> {
        use payment::PaymentStatus::{Authorized, Captured, Declined, Refunded, Voided};
        let mut payments = self.payments.lock().unwrap();
        let (status, amount) = payments.entry(id.to_owned()).or_insert((Voided, None));
        if *status == Authorized && std::mem::take(&mut *self.captured_meanwhile.lock().unwrap()) {
            *status = Captured;
        }
        match status {
            Captured | Refunded => return no(Code::Aborted, Reason::PaymentCaptured),
            Declined => {}
            _ => *status = Voided,
        }
        Ok(self.answer(id, *status, amount.clone()))
    }

    fn refund_now(&self, id: &str) -> Result<payment::Payment, Status> {
        use payment::PaymentStatus::{Captured, Refunded};
        match self.payments.lock().unwrap().get_mut(id) {
            Some((status @ (Captured | Refunded), amount)) => {
                *status = Refunded;
                Ok(self.answer(id, Refunded, amount.clone()))
            }
            _ => no(Code::FailedPrecondition, Reason::PaymentNotCapturable),
        }
    }
}

#[async_trait]
impl PaymentService for Payment {
    async fn authorize(
        &self,
        request: Request<payment::AuthorizeRequest>,
    ) -> Result<Response<payment::Payment>, Status> {
        self.faults.call("authorize", || self.authorize_now(request.into_inner())).await
    }
    async fn capture(
        &self,
        request: Request<payment::CaptureRequest>,
    ) -> Result<Response<payment::Payment>, Status> {
        self.faults.call("capture", || self.capture_now(&request.get_ref().checkout_id)).await
    }
    async fn void(
        &self,
        request: Request<payment::VoidRequest>,
    ) -> Result<Response<payment::Payment>, Status> {
        self.faults.call("void", || self.void_now(&request.get_ref().checkout_id)).await
    }
    async fn refund(
        &self,
        request: Request<payment::RefundRequest>,
    ) -> Result<Response<payment::Payment>, Status> {
        self.faults.call("refund", || self.refund_now(&request.get_ref().checkout_id)).await
    }
    async fn charge(
        &self,
        _: Request<payment::AuthorizeRequest>,
    ) -> Result<Response<payment::Payment>, Status> {
        left_out()
    }
    async fn get_payment(
        &self,
        _: Request<payment::GetPaymentRequest>,
    ) -> Result<Response<payment::Payment>, Status> {
        left_out()
    }
}

/// Every user's cart, by default with one laptop.
#[derive(Default)]
pub(crate) struct Carts {
    pub(crate) faults: Faults,
    pub(crate) carts: Mutex<HashMap<i64, cart::Cart>>,
}

impl Carts {
    pub(crate) fn with_laptop(user_id: i64, version: i64) -> cart::Cart {
        let price = common::Money { currency_code: "USD".into(), minor_units: PRICE };
        let item = cart::CartItem {
            product_id: 1,
            name: "Laptop".into(),
            quantity: 1,
            unit_price: Some(price.clone()),
            line_total: Some(price.clone()),
            added_at: None,
            available: true,
        };
        cart::Cart {
            user_id,
            version,
            bought_version: version - 1,
            total_items: 1,
            total: Some(price),
            items: vec![item],
            updated_at: None,
        }
    }

    pub(crate) fn change(&self, user_id: i64, change: impl FnOnce(&mut cart::Cart)) {
        let mut carts = self.carts.lock().unwrap();
        change(carts.entry(user_id).or_insert_with(|| Self::with_laptop(user_id, 5)));
    }
}

#[async_trait]
impl CartService for Carts {
    async fn get_cart(&self, request: Request<cart::GetCartRequest>) -> Result<Response<cart::Cart>, Status> {
        let request = request.into_inner();
        assert!(request.fresh, "a checkout reads the store, never a cache");
        let carts = self.carts.lock().unwrap().get(&request.user_id).cloned();
        let cart = carts.unwrap_or_else(|| Carts::with_laptop(request.user_id, 5));
        self.faults.call("get_cart", || Ok(cart)).await
    }
    async fn add_item(&self, _: Request<cart::AddItemRequest>) -> Result<Response<cart::Cart>, Status> {
        left_out()
    }
    async fn update_quantity(
        &self,
        _: Request<cart::UpdateQuantityRequest>,
    ) -> Result<Response<cart::Cart>, Status> {
        left_out()
    }
    async fn remove_item(&self, _: Request<cart::RemoveItemRequest>) -> Result<Response<cart::Cart>, Status> {
        left_out()
    }
    async fn clear_cart(&self, _: Request<cart::ClearCartRequest>) -> Result<Response<cart::Cart>, Status> {
        left_out()
    }
}
