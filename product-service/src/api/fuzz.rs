//! Page tokens, made up by chance.

use std::path::Path;

use proto::product::GetProductsRequest;
use testkit::fuzz;
use types::{PageSize, PageToken};

use super::{ProductSort, start};
use crate::catalogue::{Catalogue, Filter, Start};

#[test]
fn z4_a_page_token_is_one_of_its_list_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/page-tokens");
    let words = [
        "eyJ",
        "eyJpZCI6",
        "W1tb",
        "fQ",
        "LTE",
        "=",
        "==",
        "+",
        "/",
        "_",
        "-",
        "AAAA",
        "OTIyMzM3MjAzNjg1NDc3NTgwOA",
        "\u{0}",
    ];
    let (catalogue, filter) = (Catalogue::from_iter([]), Filter::default());
    fuzz("products' page tokens", &corpus, &words, |bytes| {
        let page_token = String::from_utf8_lossy(bytes).into_owned();
        let sorts = [
            ProductSort::Unspecified,
            ProductSort::Name,
            ProductSort::Price,
            ProductSort::PriceDescending,
            ProductSort::Newest,
        ];
        sorts.map(|sort| {
            let page_token = page_token.clone();
            let request = GetProductsRequest { sort: sort.into(), page_token, ..Default::default() };
            let first = start(&request).ok()?;
            assert!(catalogue.page(&filter, &first, PageSize::default()).products.is_empty());
            let token = match &first {
                Start::First(_) => String::new(),
                Start::After(position) => PageToken::seal(position).into_string(),
            };
            assert_eq!(token, request.page_token);
            Some(token.len() / 8)
        })
    });
}
