use proto::product::{
    BatchGetProductsRequest, CreateProductRequest, DeleteProductRequest, GetProductRequest,
    GetProductsRequest, ProductSort,
};
use proto::status::Reason;
use tonic::Code;

use crate::shop::{Change, Shop, money, refusal, tablet, tablet_for, update_to, usd};

type Refusal = (Code, Option<Reason>, Option<String>, String);

/// A field that can't be used.
fn invalid(field: &str, message: &str) -> Refusal {
    because(Reason::InvalidArgument, field, message)
}

fn because(reason: Reason, field: &str, message: &str) -> Refusal {
    (Code::InvalidArgument, Some(reason), Some(field.into()), format!("{field} {message}"))
}

fn absent(id: i64) -> Refusal {
    (Code::NotFound, Some(Reason::ProductNotFound), None, format!("product {id} does not exist"))
}

const TOKEN: &str = "must be the next_page_token of the page before, with the same filters and sort";

#[tokio::test]
async fn a_list_that_cannot_be_asked_for() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let size = "must be between 1 and 100";
    let currency = "must be an ISO 4217 currency code such as USD";
    let (mixed, upside_down) = ("must be in the currency of min_price", "must not be below min_price");
    let cases: [(Change<GetProductsRequest>, _, _); 10] = [
        (|r| r.page_size = 101, "page_size", size),
        (|r| r.page_size = -1, "page_size", size),
        (|r| r.page_token = "nonsense".into(), "page_token", TOKEN),
        (|r| r.sort = 9, "sort", "must be one of the known orders"),
        (|r| r.query = "é".repeat(201), "query", "must be at most 200 characters"),
        (|r| r.min_price = usd(-1), "min_price", "must not be negative"),
        (|r| r.max_price = usd(-1), "max_price", "must not be negative"),
        (|r| r.min_price = money("usd", 1), "min_price.currency_code", currency),
        (|r| (r.min_price, r.max_price) = (usd(2), usd(1)), "max_price", upside_down),
        (|r| (r.min_price, r.max_price) = (usd(1), money("EUR", 2)), "max_price", mixed),
    ];
    for (change, field, message) in cases {
        let mut request = GetProductsRequest::default();
        change(&mut request);
        assert_eq!(refusal(client.get_products(request).await), invalid(field, message));
    }
}

#[tokio::test]
async fn a_token_of_another_sort() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let by_name = GetProductsRequest { sort: ProductSort::Name.into(), page_size: 1, ..Default::default() };
    let token = client.get_products(by_name.clone()).await.unwrap().into_inner().next_page_token;
    for sort in
        [ProductSort::Unspecified, ProductSort::Price, ProductSort::PriceDescending, ProductSort::Newest]
    {
        let request =
            GetProductsRequest { sort: sort.into(), page_token: token.clone(), ..Default::default() };
        assert_eq!(refusal(client.get_products(request).await), invalid("page_token", TOKEN), "{sort:?}");
    }
    let next = client.get_products(GetProductsRequest { page_token: token, ..by_name }).await.unwrap();
    assert_eq!(next.into_inner().products[0].name, "Keyboard");
}

#[tokio::test]
async fn a_product_that_is_not_there() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    assert_eq!(refusal(client.get_product(GetProductRequest { product_id: 9 }).await), absent(9));
    assert_eq!(
        refusal(client.delete_product(DeleteProductRequest { product_id: 9, expected_version: None }).await),
        absent(9)
    );
    assert_eq!(refusal(client.update_product(tablet_for(9, None)).await), absent(9));
    assert_eq!(refusal(client.update_product(tablet_for(9, Some(1))).await), absent(9));
}

#[tokio::test]
async fn an_id_that_no_product_can_have() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let refused = |field| because(Reason::InvalidProductId, field, "must be a positive integer");
    for product_id in [0, -1, i64::MIN] {
        let expected = refused("product_id");
        assert_eq!(refusal(client.get_product(GetProductRequest { product_id }).await), expected);
        assert_eq!(
            refusal(client.delete_product(DeleteProductRequest { product_id, expected_version: None }).await),
            expected
        );
        assert_eq!(refusal(client.update_product(tablet_for(product_id, None)).await), expected);
        let batch = BatchGetProductsRequest { product_ids: vec![1, product_id] };
        assert_eq!(refusal(client.batch_get_products(batch).await), refused("product_ids[1]"));
    }
    let batch = BatchGetProductsRequest { product_ids: vec![1; 101] };
    assert_eq!(
        refusal(client.batch_get_products(batch).await),
        invalid("product_ids", "must be at most 100 ids")
    );
}

#[tokio::test]
async fn u1_details_that_cannot_be_used() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let name = "must be 1 to 200 characters, each of them visible";
    let category = "must be 1 to 100 characters, each of them visible";
    let prose = "must be at most 4000 characters, each of them visible, a line break or a tab";
    let price = "must be between 1 and 10^12 minor units";
    let image = "must be empty, or a URL that starts with http:// or https://, or a path that starts with /, of at \
                 most 2000 characters";
    let currency = "must be an ISO 4217 currency code such as USD";
    let cases: [(Change<CreateProductRequest>, _, _); 18] = [
        (|r| r.name = " ".into(), "name", name),
        (|r| r.name = "x".repeat(201), "name", name),
        (|r| r.name = "a\u{7}b".into(), "name", name),
        (|r| r.name = "gnp.\u{202e}exe".into(), "name", name),
        (|r| r.name = format!("a{}", "\u{301}".repeat(10_000)), "name", name),
        (|r| r.category = "Comp\u{200b}uters".into(), "category", category),
        (|r| r.description = "a\u{2066}b".into(), "description", prose),
        (|r| r.description = "x".repeat(4001), "description", prose),
        (|r| r.category = String::new(), "category", category),
        (|r| r.category = "x".repeat(101), "category", category),
        (|r| r.price = None, "price", "is required"),
        (|r| r.price = usd(0), "price", price),
        (|r| r.price = usd(-1), "price", price),
        (|r| r.price = usd(i64::MAX), "price", price),
        (|r| r.price = usd(1_000_000_000_001), "price", price),
        (|r| r.price = money("", 1), "price.currency_code", currency),
        (|r| r.image_url = "javascript:x".into(), "image_url", image),
        (|r| r.image_url = format!("/{}", "x".repeat(2000)), "image_url", image),
    ];
    for (change, field, message) in cases {
        let mut create = tablet();
        change(&mut create);
        let update = update_to(1, create.clone(), None);
        assert_eq!(refusal(client.create_product(create).await), invalid(field, message));
        assert_eq!(refusal(client.update_product(update).await), invalid(field, message));
    }
    let list = client.get_products(GetProductsRequest::default()).await.unwrap().into_inner().products;
    assert!(list.len() == 5 && list[0].version == 1, "nothing was changed");
}

#[tokio::test]
async fn a_version_that_no_product_can_have() {
    let shop = Shop::new().await;
    for version in [0, -1] {
        let answer = shop.client().update_product(tablet_for(1, Some(version))).await;
        assert_eq!(refusal(answer), invalid("expected_version", "must be a positive integer"));
    }
}
