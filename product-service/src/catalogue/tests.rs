use proptest::prelude::*;
use proptest::sample::select;
use types::{Currency, Money, Timestamp};

use super::*;
use crate::product::{Details, DetailsParts};

/// Few names, categories, prices and moments, so that products often are equal in what they are sorted by.
fn product() -> impl Strategy<Value = Product> {
    let name = select(vec!["Äpfel", "äpfel", "apple", "Straße", "STRASSE", "Ωμέγας", "a"]);
    let description = select(vec!["", "red\nor GREEN", "ROT oder grün"]);
    let category = select(vec!["Fruit", "Roads"]);
    let currency = select(vec!["USD", "EUR"]);
    (name, description, category, currency, 1..5_i64, 0..3_i64, 1..1000_i64).prop_map(
        |(name, description, category, currency, minor, created_at, id)| Product {
            id: id.try_into().unwrap(),
            details: Details::try_from(DetailsParts {
                name: name.into(),
                description: description.into(),
                category: category.into(),
                price: Money::new(minor, currency.parse().unwrap()),
                image_url: String::new(),
            })
            .unwrap(),
            version: 1,
            created_at: Timestamp::from_micros(created_at),
            updated_at: Timestamp::from_micros(created_at),
        },
    )
}

/// Products with ids of their own.
fn products() -> impl Strategy<Value = Vec<Product>> {
    prop::collection::vec(product(), 0..40).prop_map(|mut products| {
        products.sort_by_key(|product| product.id);
        products.dedup_by_key(|product| product.id);
        products
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let text = select(vec!["", "ä", "STRASSE", "Green", "rot", "zebra"]);
    let category = select(vec!["", "Fruit"]);
    let prices = select(vec![(None, None), (Some(2), None), (None, Some(3)), (Some(2), Some(3))]);
    (text, category, prices).prop_map(|(text, category, (lowest, highest))| {
        let prices = PriceRange::between(lowest.map(usd), highest.map(usd)).unwrap();
        Filter::default().containing(text).unwrap().of_category(category).priced(prices)
    })
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

fn size(size: i32) -> PageSize {
    size.try_into().unwrap()
}

/// The list as plainly as it can be said.
fn expected(products: &[Product], filter: &Filter, sort: Sort) -> Vec<ProductId> {
    let mut found: Vec<Entry> = products.iter().cloned().map(Entry::from).collect();
    found.retain(|entry| filter.lets_through(entry));
    found.sort_by(|a, b| {
        let (one, other) = (&a.product, &b.product);
        let (price, dearer) = (one.details.parts().price, other.details.parts().price);
        let by_id = one.id.cmp(&other.id);
        let by_currency = price.currency.code().cmp(dearer.currency.code());
        match sort {
            Sort::Id => by_id,
            Sort::Name => a.name.cmp(&b.name).then(by_id),
            Sort::Price => by_currency.then(price.minor.cmp(&dearer.minor)).then(by_id),
            Sort::PriceDescending => by_currency.then(dearer.minor.cmp(&price.minor)).then(by_id),
            Sort::Newest => other.created_at.cmp(&one.created_at).then(by_id.reverse()),
        }
    });
    found.into_iter().map(|entry| entry.product.id).collect()
}

/// Reads all pages, each from the catalogue that `turn` makes of the one before.
fn walk(
    mut catalogue: Catalogue,
    filter: &Filter,
    sort: Sort,
    page_size: i32,
    mut turn: impl FnMut(Catalogue) -> Catalogue,
) -> Vec<ProductId> {
    let mut seen = Vec::new();
    let mut start = Start::First(sort);
    loop {
        let page = catalogue.page(filter, &start, size(page_size));
        assert!(page.next.is_none() || page.products.len() == size(page_size).get(), "a full page");
        seen.extend(page.products.iter().map(|product| product.id));
        let Some(next) = page.next else { return seen };
        assert_eq!(next.sort(), sort);
        start = Start::After(next);
        catalogue = turn(catalogue);
    }
}

proptest! {
    #[test]
    fn pages_together_are_the_list(
        products in products(), filter in filter(), sort in select(Sort::ALL.to_vec()), page_size in 1..9,
    ) {
        let catalogue: Catalogue = products.iter().cloned().collect();
        prop_assert_eq!(
            walk(catalogue, &filter, sort, page_size, |same| same),
            expected(&products, &filter, sort)
        );
    }

    #[test]
    fn what_changes_between_pages_moves_nothing_else(
        products in products(), others in products(), sort in select(Sort::ALL.to_vec()), page_size in 1..9,
    ) {
        let (mut gone, mut stays) = (Vec::new(), Vec::new());
        for product in &products {
            if product.id.get() % 4 == 0 { gone.push(product.id) } else { stays.push(product.id) }
        }
        let known: Vec<_> = products.iter().map(|product| product.id).collect();
        let mut added = others.into_iter().filter(|other| !known.contains(&other.id));
        let catalogue: Catalogue = products.iter().cloned().collect();
        let seen = walk(catalogue, &Filter::default(), sort, page_size, |catalogue| {
            let less = gone.pop().map_or_else(|| catalogue.clone(), |id| catalogue.without(id));
            added.next().map_or_else(|| less.clone(), |product| less.with(product))
        });
        for id in stays {
            prop_assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1);
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), seen.len());
    }

    #[test]
    fn changes_lead_where_reading_anew_does(products in products(), changed in products()) {
        let mut catalogue: Catalogue = products.iter().cloned().collect();
        let mut now: BTreeMap<_, _> = products.into_iter().map(|product| (product.id, product)).collect();
        for product in changed {
            let id = product.id;
            if id.get() % 3 == 0 {
                catalogue = catalogue.without(id);
                now.remove(&id);
            } else {
                catalogue = catalogue.with(product.clone());
                now.insert(id, product);
            }
            prop_assert_eq!(catalogue.product(id), now.get(&id));
        }
        let now: Vec<_> = now.into_values().collect();
        for sort in Sort::ALL {
            let seen = walk(catalogue.clone(), &Filter::default(), sort, 100, |same| same);
            prop_assert_eq!(seen, expected(&now, &Filter::default(), sort));
        }
    }
}

#[test]
fn a_price_range_has_one_currency_and_two_ends() {
    let eur = Money::new(1, "EUR".parse().unwrap());
    let refused = |lowest, highest| PriceRange::between(lowest, highest).unwrap_err().to_string();
    assert_eq!(refused(Some(usd(-1)), None), "min_price must not be negative");
    assert_eq!(refused(None, Some(usd(i64::MIN))), "max_price must not be negative");
    assert_eq!(refused(Some(eur), Some(usd(1))), "max_price must be in the currency of min_price");
    assert_eq!(refused(Some(usd(2)), Some(usd(1))), "max_price must not be below min_price");
    assert_eq!(PriceRange::between(None, None), Ok(None));
    let exactly_two = PriceRange::between(Some(usd(2)), Some(usd(2))).unwrap().unwrap();
    assert_eq!([1, 2, 3].map(|minor| exactly_two.contains(usd(minor))), [false, true, false]);
    assert!(!exactly_two.contains(Money::new(2, eur.currency)));
}

#[test]
fn u1_what_looks_the_same_is_found() {
    let category = "Caf\u{e9}s".to_owned();
    let parts = DetailsParts {
        name: "Zo\u{eb}".into(),
        description: String::new(),
        category,
        price: usd(1),
        image_url: String::new(),
    };
    let (details, at) = (Details::try_from(parts).unwrap(), Timestamp::from_micros(0));
    let id = ProductId::try_from(1).unwrap();
    let catalogue =
        Catalogue::from_iter([Product { id, details, version: 1, created_at: at, updated_at: at }]);
    let found = |filter: &Filter| catalogue.page(filter, &Start::First(Sort::Id), size(1)).products.len();
    assert_eq!(found(&Filter::default().of_category("Cafe\u{301}s")), 1);
    assert_eq!(found(&Filter::default().containing("zoe\u{308}").unwrap()), 1);
    assert_eq!(found(&Filter::default().containing("zoe").unwrap()), 0);
}

#[test]
fn a_cursor_of_the_longest_name_fits_a_token() {
    let widest = ('\0'..=char::MAX)
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .max_by_key(|c| serde_json::to_string(&text::Folded::from(&*c.to_string())).unwrap().len())
        .unwrap();
    let name = text::Folded::from(&*widest.to_string().repeat(200));
    let last = Position::Name(name, i64::MAX.try_into().unwrap());
    let token = types::PageToken::seal(&last).into_string();
    assert_eq!(types::PageToken::open(&token), Ok(Some(last)));
}

proptest! {
    #[test]
    fn the_same_products_have_the_same_state(mut products in products(), at in 0..40_usize) {
        let whole: Catalogue = products.iter().cloned().collect();
        let grown = products.iter().fold(Catalogue::from_iter([]), |catalogue, one| catalogue.with(one.clone()));
        prop_assert_eq!(whole.state(), grown.state());
        prop_assert_ne!(whole.state(), 0);
        let Some(product) = products.get_mut(at) else { return Ok(()) };
        let before = product.clone();
        let without = whole.without(before.id);
        prop_assert_ne!(without.state(), whole.state());
        prop_assert_eq!(without.without(before.id).state(), without.state());
        prop_assert_eq!(without.with(before.clone()).state(), whole.state());
        product.version += 1;
        prop_assert_ne!(whole.with(product.clone()).state(), whole.state());
        prop_assert_eq!(whole.with(product.clone()).with(before).state(), whole.state());
    }
}
