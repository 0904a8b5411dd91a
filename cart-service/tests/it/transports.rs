use platform::transport::Transport;
use proto::cart::add_cart_item_service_client::AddCartItemServiceClient;
use proto::cart::cart_service_client::CartServiceClient;
use proto::cart::{AddItemRequest, GetCartRequest, UpdateQuantityRequest};
use proto::{Reason, status};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::shop::{Shop, cents, quantities};

#[tokio::test]
async fn over_tcp_everything_is_the_same() {
    let shop = Shop::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let serving = TaskTracker::new().spawn(shop.service.grpc().serve(listener, stop.clone()));

    let transport = Transport::connect("cart", &address).unwrap();
    let mut carts = CartServiceClient::new(transport.clone());
    let mut existing = AddCartItemServiceClient::new(transport);
    let request = AddItemRequest { user_id: 1, product_id: 1, quantity: 2, expected_version: None };
    let added = existing.add_item(request).await.unwrap().into_inner();
    assert_eq!((quantities(&added), cents(&added.total)), (vec![(1, 2)], 200));
    let read = carts.get_cart(GetCartRequest { user_id: 1, fresh: false }).await.unwrap().into_inner();
    assert_eq!(read, added);
    assert_eq!(shop.cart(1).await, added, "both ways lead to one cart");

    let refusal = carts
        .update_quantity(UpdateQuantityRequest {
            user_id: 1,
            product_id: 1,
            quantity: 0,
            expected_version: None,
        })
        .await;
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.message(), "quantity must be between 1 and 99");
    assert_eq!(status::reason(&refusal), Some(Reason::InvalidQuantity));
    assert_eq!(
        status::violations(&refusal),
        [("quantity".to_owned(), "must be between 1 and 99".to_owned())]
    );

    stop.cancel();
    serving.await.unwrap().unwrap();
}
