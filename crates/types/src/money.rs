//! Exact money: an integer of the currency's smallest unit, never a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An ISO 4217 currency. Ordered by code, for lists that must not mix amounts of two currencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The US dollar, the currency of the seed catalogue.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// Three upper case letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimal places of the smallest unit: 2 for USD, 0 for JPY.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = InvalidMoney;

    fn from_str(code: &str) -> Result<Self, InvalidMoney> {
        iso_currency::Currency::from_code(code).map(Self).ok_or(InvalidMoney::Currency)
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidMoney;

    fn try_from(code: String) -> Result<Self, InvalidMoney> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What is no amount of money, or no longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// The code names no currency.
    #[error("must be an ISO 4217 currency code such as USD")]
    Currency,
    /// The text is no plain decimal number.
    #[error("must be a decimal number such as 1299.99")]
    Amount,
    /// More decimal places than the currency has.
    #[error("has more decimal places than the currency")]
    Precision,
    /// Outside of what 64 bits of the smallest unit hold.
    #[error("is out of range")]
    Overflow,
    /// Amounts of two currencies can't be added.
    #[error("mixes currencies")]
    CurrencyMismatch,
}

/// An exact amount of money. In JSON: `{"amount":"1299.99","currency":"USD"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "MoneyText", into = "MoneyText")]
pub struct Money {
    /// In the currency's smallest unit: 129999 is 1299.99 USD.
    pub minor: i64,
    /// What the amount is counted in.
    pub currency: Currency,
}

/// Longer than any amount that an `i64` of minor units holds, in bytes, even with some zeros too many.
const LONGEST: usize = 64;

impl Money {
    /// An amount of the smallest unit.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in a currency.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Reads exact decimal text: "1299.99". Exponents, signs other than "-", blanks and more places
    /// than the currency has are refused.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let digits = amount.strip_prefix('-').unwrap_or(amount);
        let plain = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.ends_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && digits.matches('.').count() <= 1;
        if !plain {
            return Err(InvalidMoney::Amount);
        }
        // The library reads each digit in a call within that for the digit before it.
        if digits.len() > LONGEST {
            return Err(InvalidMoney::Overflow);
        }
        let value = Decimal::from_str_exact(amount).map_err(|_| InvalidMoney::Overflow)?.normalize();
        if value.scale() > currency.exponent() {
            return Err(InvalidMoney::Precision);
        }
        let minor = value
            .mantissa()
            .checked_mul(10_i128.pow(currency.exponent() - value.scale()))
            .and_then(|minor| i64::try_from(minor).ok())
            .ok_or(InvalidMoney::Overflow)?;
        Ok(Self::new(minor, currency))
    }

    /// The decimal text of the amount alone: "1299.99".
    pub fn amount(self) -> String {
        Decimal::from_i128_with_scale(i128::from(self.minor), self.currency.exponent()).to_string()
    }

    /// The sum, unless it overflows or mixes currencies.
    pub fn checked_add(self, other: Self) -> Result<Self, InvalidMoney> {
        if self.currency != other.currency {
            return Err(InvalidMoney::CurrencyMismatch);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(InvalidMoney::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }

    /// The amount so many times, unless it overflows.
    pub fn checked_mul(self, times: i64) -> Result<Self, InvalidMoney> {
        let minor = self.minor.checked_mul(times).ok_or(InvalidMoney::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

/// Money as JSON says it: exact text, for a JSON number is a float to most readers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoneyText {
    amount: String,
    currency: String,
}

impl TryFrom<MoneyText> for Money {
    type Error = InvalidMoney;

    fn try_from(text: MoneyText) -> Result<Self, InvalidMoney> {
        Self::parse(&text.amount, text.currency.parse()?)
    }
}

impl From<Money> for MoneyText {
    fn from(money: Money) -> Self {
        Self { amount: money.amount(), currency: money.currency.code().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn yen() -> Currency {
        "JPY".parse().unwrap()
    }

    #[test]
    fn reads_exact_decimals() {
        for (text, minor) in
            [("1299.99", 129_999), ("0.1", 10), ("7", 700), ("1.10", 110), ("1.000", 100), ("-0.01", -1)]
        {
            assert_eq!(Money::parse(text, Currency::USD), Ok(Money::new(minor, Currency::USD)), "{text}");
        }
        assert_eq!(Money::parse("7", yen()), Ok(Money::new(7, yen())));
    }

    /// A request may have tens of thousands of them, and a thread has little room.
    #[test]
    fn n1_any_number_of_digits_is_read_or_refused() {
        for zeros in [10, 100, 60_000] {
            for amount in
                [format!("0.{}", "0".repeat(zeros)), format!("{}1", "0".repeat(zeros)), "9".repeat(zeros)]
            {
                let read = std::thread::Builder::new().stack_size(128 * 1024);
                let read = read.spawn(move || Money::parse(&amount, Currency::USD)).unwrap().join().unwrap();
                assert!(zeros == 10 || read == Err(InvalidMoney::Overflow), "{zeros}: {read:?}");
            }
        }
    }

    #[test]
    fn n1_refuses_what_is_no_exact_amount() {
        for (text, error) in [
            ("", InvalidMoney::Amount),
            ("1e3", InvalidMoney::Amount),
            ("+1", InvalidMoney::Amount),
            ("1.", InvalidMoney::Amount),
            (".5", InvalidMoney::Amount),
            ("1.2.3", InvalidMoney::Amount),
            (" 1", InvalidMoney::Amount),
            ("1,5", InvalidMoney::Amount),
            ("NaN", InvalidMoney::Amount),
            ("0.001", InvalidMoney::Precision),
            ("92233720368547758.08", InvalidMoney::Overflow),
            ("99999999999999999999999999999999999999", InvalidMoney::Overflow),
        ] {
            assert_eq!(Money::parse(text, Currency::USD), Err(error), "{text}");
        }
        let long = "1.2".repeat(50);
        assert_eq!(Money::parse(&long, Currency::USD), Err(InvalidMoney::Amount));
        assert_eq!(Money::parse("1.5", yen()), Err(InvalidMoney::Precision));
        assert_eq!("usd".parse::<Currency>(), Err(InvalidMoney::Currency));
    }

    #[test]
    fn json_is_exact_text() {
        let json = r#"{"amount":"1299.99","currency":"USD"}"#;
        let money: Money = serde_json::from_str(json).unwrap();
        assert_eq!(money, Money::new(129_999, Currency::USD));
        assert_eq!(serde_json::to_string(&money).unwrap(), json);
        for bad in [
            r#"{"amount":1299.99,"currency":"USD"}"#,
            r#"{"amount":"1","currency":"XXY"}"#,
            r#"{"amount":"1"}"#,
        ] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn n1_arithmetic_never_wraps() {
        let most = Money::new(i64::MAX, Currency::USD);
        assert_eq!(most.checked_add(Money::new(1, Currency::USD)), Err(InvalidMoney::Overflow));
        assert_eq!(most.checked_mul(2), Err(InvalidMoney::Overflow));
        assert_eq!(most.checked_add(Money::zero(yen())), Err(InvalidMoney::CurrencyMismatch));
    }

    proptest! {
        #[test]
        fn n1_text_and_value_are_one(minor in any::<i64>()) {
            let money = Money::new(minor, Currency::USD);
            prop_assert_eq!(Money::parse(&money.amount(), Currency::USD), Ok(money));
        }
    }
}
