//! The fields of a JSON body or a query, read by name: every one that can't be used is named, with what it must be.
//!
//! A derived deserialiser stops at the first mistake and says so in its own words; here each read notes what is
//! wrong in ours and goes on, so that a client learns of all mistakes at once.

use std::cell::Cell;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use types::{Address, AddressParts, Currency, InvalidMoney, Money};

use crate::problem::{FieldError, Problem};

/// Fields that a request may have, those of its objects included: each is held against the others, and answered.
pub(crate) const MOST_FIELDS: usize = 200;
/// Objects that may lie within one another.
pub(crate) const MOST_LEVELS: usize = 32;

/// What is read from the fields of a request.
pub(crate) trait Read: Sized {
    /// Reads every field; `None` only if one that must be there is absent or unusable, which is noted then.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// A JSON value as far as requests use any.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Integer(i64),
    Text(String),
    Object(Vec<(String, Json)>),
    /// Of no use to any request: booleans, fractions, integers beyond 64 bits, arrays.
    Other,
}

/// Fields not read yet, and what was wrong with those that were.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Before each name: "" or "price.".
    prefix: String,
    unread: Vec<(String, Json)>,
    wrong: Vec<FieldError>,
}

impl Fields {
    /// Reads a whole request; a field given twice and a field that nobody reads are wrong as well.
    pub(crate) fn parse<T: Read>(fields: Vec<(String, Json)>) -> Result<T, Problem> {
        let mut fields = Self::new(String::new(), fields);
        let value = T::read(&mut fields);
        match (value, fields.finish()) {
            (Some(value), wrong) if wrong.is_empty() => Ok(value),
            (_, wrong) => Err(Problem::invalid(wrong)),
        }
    }

    fn new(prefix: String, fields: Vec<(String, Json)>) -> Self {
        let mut this = Self { prefix, unread: Vec::with_capacity(fields.len()), wrong: Vec::new() };
        for (name, value) in fields {
            if this.unread.iter().any(|(other, _)| *other == name) {
                this.note(&name, "is given twice");
            } else {
                this.unread.push((name, value));
            }
        }
        this
    }

    fn finish(mut self) -> Vec<FieldError> {
        for (name, _) in std::mem::take(&mut self.unread) {
            self.note(&name, "is not known here");
        }
        self.wrong
    }

    /// Notes that a field can't be used.
    pub(crate) fn note(&mut self, name: &str, message: impl ToString) {
        // Names that clients make up are repeated to them, but not at any length.
        let name: String = name.chars().take(64).collect();
        let field = format!("{}{name}", self.prefix);
        self.wrong.push(FieldError { field, message: message.to_string() });
    }

    /// A field that must be there: `fields.required("quantity", Fields::integer)`.
    pub(crate) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<T> {
        match self.unread.iter().find(|(other, _)| other == name) {
            None | Some((_, Json::Null)) => {
                self.take(name);
                self.note(name, "is required");
                None
            }
            Some(_) => read(self, name),
        }
    }

    /// A whole number of 64 bits; `None` if absent or unusable.
    pub(crate) fn integer(&mut self, name: &str) -> Option<i64> {
        match self.take(name)? {
            Json::Integer(integer) => Some(integer),
            _ => self.refuse(name, "must be a 64-bit integer"),
        }
    }

    /// A text; `None` if absent or unusable.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Json::Text(text) => Some(text),
            _ => self.refuse(name, "must be a string"),
        }
    }

    /// A text that stands for a value; `None` if absent or unusable.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).or_else(|| self.refuse(name, wanted))
    }

    /// `{"amount":"1299.99","currency":"USD"}`; `None` if absent or unusable.
    pub(crate) fn money(&mut self, name: &str) -> Option<Money> {
        self.object(
            name,
            "must be an object such as {\"amount\":\"1299.99\",\"currency\":\"USD\"}",
            |money| {
                let amount = money.required("amount", Self::text);
                let currency = money.required("currency", Self::text)?;
                let currency: Currency = match currency.parse() {
                    Ok(currency) => currency,
                    Err(error) => return money.refuse("currency", error),
                };
                money.amount("amount", &amount?, currency)
            },
        )
    }

    /// Decimal text in a currency.
    pub(crate) fn amount(&mut self, name: &str, text: &str, currency: Currency) -> Option<Money> {
        match Money::parse(text, currency) {
            Ok(money) => Some(money),
            Err(error @ InvalidMoney::Precision) => self.refuse(name, format!("{error} {currency}")),
            Err(error) => self.refuse(name, error),
        }
    }

    /// An address; `None` if absent or unusable.
    pub(crate) fn address(&mut self, name: &str) -> Option<Address> {
        self.object(name, "must be an object with name, line1, city, postal_code, country", |address| {
            let name = address.required("name", Self::text);
            let line1 = address.required("line1", Self::text);
            let line2 = address.text("line2");
            let city = address.required("city", Self::text);
            let postal_code = address.required("postal_code", Self::text);
            let country = address.required("country", Self::text);
            let parts = AddressParts {
                name: name?,
                line1: line1?,
                line2,
                city: city?,
                postal_code: postal_code?,
                country: country?,
            };
            match Address::try_from(parts) {
                Ok(whole) => Some(whole),
                Err(error) => address.refuse(error.field, error.message),
            }
        })
    }

    fn object<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Json::Object(fields) = self.take(name)? else {
            return self.refuse(name, wanted);
        };
        let mut inner = Self::new(format!("{}{name}.", self.prefix), fields);
        let value = read(&mut inner);
        self.wrong.extend(inner.finish());
        value
    }

    /// Null is as good as absent.
    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.unread.iter().position(|(other, _)| other == name)?;
        match self.unread.swap_remove(at).1 {
            Json::Null => None,
            value => Some(value),
        }
    }

    fn refuse<T>(&mut self, name: &str, message: impl ToString) -> Option<T> {
        self.note(name, message);
        None
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        AnyJson { levels: MOST_LEVELS, fields: &Cell::new(MOST_FIELDS) }.deserialize(deserializer)
    }
}

/// Reads a value, with as much room as is left.
#[derive(Clone, Copy)]
struct AnyJson<'a> {
    levels: usize,
    /// Shared by all objects of a document.
    fields: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for AnyJson<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyJson<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Json, E> {
        Ok(Json::Integer(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Json, E> {
        Ok(i64::try_from(integer).map_or(Json::Other, Json::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Json, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let less =
            |room: usize| room.checked_sub(1).ok_or_else(|| A::Error::custom("more than there is room for"));
        let inner = Self { levels: less(self.levels)?, ..self };
        let mut fields = Vec::new();
        while let Some(name) = object.next_key()? {
            self.fields.set(less(self.fields.get())?);
            fields.push((name, object.next_value_seed(inner)?));
        }
        Ok(Json::Object(fields))
    }
}
