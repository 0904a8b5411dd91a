"""What the document can't say, said to schemathesis."""

import itertools

import schemathesis
from schemathesis import hook
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Codes of refusals of requests that are as described, since a schema does not know the shop.
BUSINESS = {
    # With what is in the cart already it is too much.
    "POST /api/v1/cart/items": {"invalid_quantity"},
    # A key that was drawn before.
    "POST /api/v1/checkout": {"payment_declined", "idempotency_key_reused"},
}
# An entity tag that was made up.
BUSINESS_OF_ALL = {"stale_version"}

# Fields that can be as described and of no use nevertheless.
FIELDS = {
    # Given out by the shop.
    "page_token",
    "Last-Event-ID",
    # Not below the lowest.
    "max_price",
    # As many digits after the point as the currency has.
    "min_price",
    "price.amount",
    "expected_total.amount",
    # More than nothing, in minor units of the currency.
    "price",
    # Three letters that are one.
    "currency",
    "price.currency",
    "expected_total.currency",
}


def is_business(operation, response):
    problem = response.json()
    if problem["code"] in BUSINESS.get(operation, set()) | BUSINESS_OF_ALL:
        return True
    wrong = {error["field"] for error in problem.get("errors", [])}
    return response.status_code == 400 and bool(wrong) and wrong <= FIELDS


@schemathesis.check
def acceptance_but_for_business(ctx, response, case):
    """`positive_data_acceptance`, which would have every 400 of a request that is as described be a failure."""
    if 400 <= response.status_code < 500 and is_business(case.operation.label, response):
        return None
    return positive_data_acceptance(ctx, response, case)


def plain(value):
    """A whole number without a fraction, in place of `29.0`.

    To JSON Schema both are integers, which is all that a schema can say; the document says in words that the shop
    takes the one.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


KEYS = itertools.count()


def with_one_key(case):
    """A purchase has its key in the header or in the body: neither is required, and two would have to be the same."""
    in_header = any(name.lower() == "idempotency-key" for name in case.headers or {})
    in_body = isinstance(case.body, dict) and case.body.get("idempotency_key") is not None
    if in_header and in_body:
        case.body = {name: value for name, value in case.body.items() if name != "idempotency_key"}
    if not in_header and not in_body:
        case.headers["Idempotency-Key"] = f"key-{next(KEYS)}"


@hook
def before_call(context, case, kwargs):
    # An id of a reply is tried as an `X-Request-Id`, too, and a number can't be sent in a header.
    for name, value in (case.headers or {}).items():
        if not isinstance(value, (str, bytes)):
            case.headers[name] = str(value)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.label == "POST /api/v1/checkout":
        with_one_key(case)
    # What is set is looked at anew, so only what changes is.
    if isinstance(case.body, dict) and any(plain(value) is not value for value in case.body.values()):
        case.body = {name: plain(value) for name, value in case.body.items()}
