use proto::product::{
    BatchGetProductsRequest, CreateProductRequest, DeleteProductRequest, GetProductRequest,
    GetProductsRequest, Product, ProductSort,
};

use crate::shop::{Change, Shop, all_pages, money, tablet, usd};

fn ids(products: &[Product]) -> Vec<i64> {
    products.iter().map(|product| product.id).collect()
}

fn sorted(sort: ProductSort) -> GetProductsRequest {
    GetProductsRequest { sort: sort.into(), ..Default::default() }
}

async fn a_new_shop_sells_five_products(shop: Shop) {
    let page = shop.client().get_products(GetProductsRequest::default()).await.unwrap().into_inner();
    assert_eq!(page.next_page_token, "");
    let seen: Vec<_> = page.products.iter().map(|p| (p.id, &*p.name, p.price.clone())).collect();
    assert_eq!(
        seen,
        [
            (1, "Laptop", usd(129_999)),
            (2, "Mouse", usd(2_999)),
            (3, "Keyboard", usd(8_999)),
            (4, "Monitor", usd(39_999)),
            (5, "Headphones", usd(24_999)),
        ]
    );
    let laptop = shop.client().get_product(GetProductRequest { product_id: 1 }).await.unwrap().into_inner();
    assert_eq!(Some(&laptop), page.products.first());
    assert_eq!((&*laptop.category, &*laptop.image_url), ("Computers", "/images/laptop.jpg"));
    assert!(laptop.description.starts_with("A light 14-inch laptop"));
    assert_eq!((laptop.version, laptop.created_at.unwrap().seconds), (1, 1_735_689_600));
    assert_eq!(laptop.updated_at, laptop.created_at);
    shop.close().await;
}

#[tokio::test]
async fn a_new_shop_sells_five_products_in_process() {
    a_new_shop_sells_five_products(Shop::new().await).await;
}

#[tokio::test]
async fn a_new_shop_sells_five_products_over_tcp() {
    a_new_shop_sells_five_products(Shop::over_tcp().await).await;
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let shop = Shop::new().await;
    let cases: [(Change<GetProductsRequest>, &[i64]); 11] = [
        (|r| r.query = " LAPTOP ".into(), &[1]),
        (|r| r.query = "One Cable".into(), &[4]),
        (|r| (r.query, r.category) = ("o".into(), "Audio".into()), &[5]),
        (|r| r.query = "%".into(), &[]),
        (|r| r.category = "Accessories".into(), &[2, 3]),
        (|r| r.category = "accessories".into(), &[]),
        (|r| r.min_price = usd(24_999), &[1, 4, 5]),
        (|r| r.max_price = usd(8_999), &[2, 3]),
        (|r| (r.min_price, r.max_price) = (usd(8_999), usd(24_999)), &[3, 5]),
        (|r| (r.min_price, r.max_price) = (usd(25_000), usd(39_998)), &[]),
        (|r| r.min_price = money("EUR", 0), &[]),
    ];
    for (change, expected) in cases {
        let mut filter = GetProductsRequest { page_size: 2, ..Default::default() };
        change(&mut filter);
        let found = all_pages(&mut shop.client(), filter.clone()).await;
        assert_eq!(ids(&found), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn search_knows_more_than_ascii() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    client
        .create_product(CreateProductRequest { name: "Straßenkäse ΟΔΟΣ".into(), ..tablet() })
        .await
        .unwrap();
    for query in ["KÄSE", "strasse", "οδος", "ENKÄSE Ο"] {
        let found =
            all_pages(&mut client, GetProductsRequest { query: query.into(), ..Default::default() }).await;
        assert_eq!(ids(&found), [6], "{query}");
    }
}

#[tokio::test]
async fn every_sort_is_kept_over_pages() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    client.create_product(tablet()).await.unwrap();
    for (sort, expected) in [
        (ProductSort::Unspecified, [1, 2, 3, 4, 5, 6]),
        (ProductSort::Name, [5, 3, 1, 4, 2, 6]),
        (ProductSort::Price, [2, 3, 5, 4, 6, 1]),
        (ProductSort::PriceDescending, [1, 6, 4, 5, 3, 2]),
        (ProductSort::Newest, [6, 5, 4, 3, 2, 1]),
    ] {
        for page_size in [0, 1, 2, 3, 5, 6, 100] {
            let found = all_pages(&mut client, GetProductsRequest { page_size, ..sorted(sort) }).await;
            assert_eq!(ids(&found), expected, "{sort:?} by {page_size}");
        }
    }
}

#[tokio::test]
async fn a_change_between_two_pages_moves_nothing_else() {
    let shop = Shop::new().await;
    let mut client = shop.client();
    let first = GetProductsRequest { page_size: 2, ..sorted(ProductSort::Price) };
    let page = client.get_products(first.clone()).await.unwrap().into_inner();
    assert_eq!(ids(&page.products), [2, 3]);
    let cheapest = CreateProductRequest { price: usd(1), ..tablet() };
    client.create_product(cheapest).await.unwrap();
    client.delete_product(DeleteProductRequest { product_id: 3, expected_version: None }).await.unwrap();
    let rest = all_pages(&mut client, GetProductsRequest { page_token: page.next_page_token, ..first }).await;
    assert_eq!(ids(&rest), [5, 4, 1]);
}

#[tokio::test]
async fn a_batch_has_each_known_product_once() {
    let shop = Shop::new().await;
    let batch = async |product_ids: Vec<i64>| {
        let answer = shop.client().batch_get_products(BatchGetProductsRequest { product_ids }).await;
        ids(&answer.unwrap().into_inner().products)
    };
    assert_eq!(batch(vec![3, 99, 1, 3, i64::MAX]).await, [1, 3]);
    assert_eq!(batch(vec![]).await, [0; 0]);
    assert_eq!(batch((1..=100).collect()).await, [1, 2, 3, 4, 5]);
    assert_eq!(batch(vec![2; 100]).await, [2]);
}
