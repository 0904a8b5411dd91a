//! The generated service: parse, call, render.

mod wire;

use std::sync::Arc;

use platform::clock::Clock;
use platform::fault;
use proto::convert;
use proto::inventory as pb;
use proto::inventory::inventory_service_server::InventoryService;
use tonic::{Request, Response, Status};
use types::{PageToken, ReservationId};

use crate::counts::Counts;
use crate::error::Error;
use crate::reservation::Command;
use crate::store::Store;

/// The handlers.
pub(crate) struct Api {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counts: Counts,
}

impl Api {
    /// Carries out a command on the reservation that the client named.
    async fn apply(&self, id: &str, command: Command) -> Result<Response<pb::Reservation>, Error> {
        let id: ReservationId = convert::parse("reservation_id", id)?;
        let name = name(&command);
        let reply = fault::around(name, self.store.apply(id, command, self.clock.now())).await?;
        self.counts.answered(&reply);
        Ok(Response::new(reply?.into()))
    }

    async fn stock(&self, request: pb::GetStockRequest) -> Result<pb::Stock, Error> {
        let product_id = convert::product_id("product_id", request.product_id)?;
        let stock = self.store.stock(product_id).await?;
        Ok(stock.ok_or(Error::UnknownProduct(product_id))?.into())
    }

    async fn adjust(&self, request: pb::SetStockRequest) -> Result<pb::Stock, Error> {
        let (product_id, on_hand) = wire::on_hand(&request)?;
        let stock = self.store.set_on_hand(product_id, on_hand, self.clock.now()).await??;
        Ok(stock.into())
    }

    async fn movements(&self, request: pb::ListMovementsRequest) -> Result<pb::ListMovementsResponse, Error> {
        let wire::Page { product_id, size, before } = request.try_into()?;
        // One more than the page tells whether there is a next one.
        let mut movements = self.store.movements(product_id, before, size.get() + 1).await?;
        let more = movements.len() > size.get();
        movements.truncate(size.get());
        let next_page_token = match movements.last() {
            Some(last) if more => PageToken::seal(&(product_id, last.id)).into_string(),
            _ => String::new(),
        };
        let movements = movements.into_iter().map(Into::into).collect();
        Ok(pb::ListMovementsResponse { movements, next_page_token })
    }
}

/// Of the commit, for fail points.
fn name(command: &Command) -> &'static str {
    match command {
        Command::Reserve(_) => "inventory.reserve",
        Command::Confirm => "inventory.confirm",
        Command::Release => "inventory.release",
        Command::Restock => "inventory.restock",
        // Never called by a client.
        Command::Expire => "inventory.expire",
    }
}

#[tonic::async_trait]
impl InventoryService for Api {
    async fn get_stock(&self, request: Request<pb::GetStockRequest>) -> Result<Response<pb::Stock>, Status> {
        Ok(Response::new(self.stock(request.into_inner()).await?))
    }

    async fn reserve(
        &self,
        request: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        let request = request.into_inner();
        let lines = wire::lines(&request.lines).map_err(Error::from)?;
        Ok(self.apply(&request.reservation_id, Command::Reserve(lines)).await?)
    }

    async fn confirm(
        &self,
        request: Request<pb::ConfirmRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        Ok(self.apply(&request.get_ref().reservation_id, Command::Confirm).await?)
    }

    async fn release(
        &self,
        request: Request<pb::ReleaseRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        Ok(self.apply(&request.get_ref().reservation_id, Command::Release).await?)
    }

    async fn restock(
        &self,
        request: Request<pb::RestockRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        Ok(self.apply(&request.get_ref().reservation_id, Command::Restock).await?)
    }

    async fn set_stock(&self, request: Request<pb::SetStockRequest>) -> Result<Response<pb::Stock>, Status> {
        Ok(Response::new(self.adjust(request.into_inner()).await?))
    }

    async fn list_movements(
        &self,
        request: Request<pb::ListMovementsRequest>,
    ) -> Result<Response<pb::ListMovementsResponse>, Status> {
        Ok(Response::new(self.movements(request.into_inner()).await?))
    }
}
