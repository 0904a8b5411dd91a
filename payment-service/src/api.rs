//! The wire: parse, call, render.

use platform::Context;
use proto::payment::payment_service_server::PaymentService;
use proto::payment::{
    AuthorizeRequest, CaptureRequest, GetPaymentRequest, Payment as WirePayment, PaymentStatus,
    RefundRequest, VoidRequest,
};
use proto::{Invalid, convert};
use tonic::{Request, Response};
use types::CheckoutId;

use crate::cashier::Cashier;
use crate::payment::{Payment, Status, Terms};

/// `payment.PaymentService`.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) cashier: Cashier,
}

type Reply = Result<Response<WirePayment>, tonic::Status>;

#[tonic::async_trait]
impl PaymentService for Api {
    async fn authorize(&self, request: Request<AuthorizeRequest>) -> Reply {
        let context = Context::of(&request);
        let (checkout_id, terms) = self.terms(&context, request.into_inner())?;
        render(&context, self.cashier.authorize(checkout_id, terms).await?)
    }

    async fn capture(&self, request: Request<CaptureRequest>) -> Reply {
        let context = Context::of(&request);
        render(&context, self.cashier.capture(checkout_id(&request.into_inner().checkout_id)?).await?)
    }

    async fn void(&self, request: Request<VoidRequest>) -> Reply {
        let context = Context::of(&request);
        render(&context, self.cashier.void(checkout_id(&request.into_inner().checkout_id)?).await?)
    }

    async fn charge(&self, request: Request<AuthorizeRequest>) -> Reply {
        let context = Context::of(&request);
        let (checkout_id, terms) = self.terms(&context, request.into_inner())?;
        render(&context, self.cashier.charge(checkout_id, terms).await?)
    }

    async fn refund(&self, request: Request<RefundRequest>) -> Reply {
        let context = Context::of(&request);
        render(&context, self.cashier.refund(checkout_id(&request.into_inner().checkout_id)?).await?)
    }

    async fn get_payment(&self, request: Request<GetPaymentRequest>) -> Reply {
        let context = Context::of(&request);
        render(&context, self.cashier.find(checkout_id(&request.into_inner().checkout_id)?).await?)
    }
}

impl Api {
    fn terms(&self, context: &Context, request: AuthorizeRequest) -> Result<(CheckoutId, Terms), Invalid> {
        let user_id = context.about(convert::user_id("user_id", request.user_id)?);
        let checkout_id = checkout_id(&request.checkout_id)?;
        let amount = convert::money("amount", request.amount)?;
        if amount.minor <= 0 {
            return Err(Invalid::new("amount", "must be more than nothing"));
        }
        let method = self
            .cashier
            .method(&request.payment_method)
            .map_err(|error| Invalid::new("payment_method", error))?;
        Ok((checkout_id, Terms { user_id, amount, method }))
    }
}

fn checkout_id(text: &str) -> Result<CheckoutId, Invalid> {
    convert::parse("checkout_id", text)
}

fn render(context: &Context, payment: Payment) -> Reply {
    context.about(payment.terms.as_ref().map(|terms| terms.user_id));
    Ok(Response::new(payment.into()))
}

impl From<Payment> for WirePayment {
    fn from(payment: Payment) -> Self {
        let (status, decline_code) = match payment.status {
            // Nobody may go on with a payment that is being voided, so it never shows as authorised.
            Status::Pending | Status::Voiding => (PaymentStatus::Pending, None),
            // Of the other intents the wire shows what is certain.
            Status::Authorized | Status::Capturing => (PaymentStatus::Authorized, None),
            Status::Declined { code } => (PaymentStatus::Declined, Some(code)),
            Status::Captured | Status::Refunding => (PaymentStatus::Captured, None),
            Status::Voided => (PaymentStatus::Voided, None),
            Status::Refunded => (PaymentStatus::Refunded, None),
        };
        Self {
            payment_id: payment.id.to_string(),
            checkout_id: payment.checkout_id.to_string(),
            user_id: payment.terms.as_ref().map_or(0, |terms| terms.user_id.get()),
            status: status.into(),
            amount: payment.terms.map(|terms| terms.amount.into()),
            decline_code: decline_code.unwrap_or_default(),
            created_at: Some(convert::timestamp(payment.created_at)),
            updated_at: Some(convert::timestamp(payment.updated_at)),
        }
    }
}
