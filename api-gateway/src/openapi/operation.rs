//! What the document says of one route: its requests, and everything it can answer.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::Components;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, path};

use super::{REQUEST_ID, SCHEME, headers, problems};
use crate::guard::Who;

/// One route, described. What every route of its kind answers is not said but follows from its policy, from its
/// body, and from whether it asks the services.
pub(crate) struct Operation {
    tag: &'static str,
    id: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    replies: BTreeMap<StatusCode, Response>,
    refusals: BTreeMap<StatusCode, BTreeSet<&'static str>>,
    schemas: Vec<(String, RefOr<Schema>)>,
    asks_services: bool,
    only_in_dev: bool,
}

impl Operation {
    /// A route that asks services, under a heading; the id is what generated clients call it.
    pub(crate) fn new(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            tag,
            id,
            summary,
            description: None,
            parameters: Vec::new(),
            body: None,
            replies: BTreeMap::new(),
            refusals: BTreeMap::new(),
            schemas: Vec::new(),
            asks_services: true,
            only_in_dev: false,
        }
    }

    /// The gateway answers by itself.
    pub(crate) fn asks_nobody(self) -> Self {
        Self { asks_services: false, ..self }
    }

    /// Mode jwt has no such path. Mode dev verifies tokens with a key of its own, which it can't be without.
    pub(crate) fn only_in_dev(self) -> Self {
        Self { only_in_dev: true, ..self }
    }

    pub(crate) fn says(self, description: &'static str) -> Self {
        Self { description: Some(description), ..self }
    }

    pub(crate) fn in_path(self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(name, ParameterIn::Path, Required::True, schema)
    }

    pub(crate) fn in_query(self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(name, ParameterIn::Query, Required::False, schema)
    }

    pub(crate) fn in_header(self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(name, ParameterIn::Header, Required::False, schema)
    }

    fn parameter(
        mut self,
        name: &str,
        place: ParameterIn,
        required: Required,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let mut schema = schema.into();
        let description = match &mut schema {
            RefOr::T(Schema::Object(object)) => object.description.take(),
            _ => None,
        };
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        self.parameters.push(parameter.description(description).schema(Some(schema)).build());
        self
    }

    pub(crate) fn takes(self, name: &str, schema: Schema, example: Value) -> Self {
        self.body(name, Required::True, schema, example)
    }

    pub(crate) fn may_take(self, name: &str, schema: Schema, example: Value) -> Self {
        self.body(name, Required::False, schema, example)
    }

    fn body(mut self, name: &str, required: Required, schema: Schema, example: Value) -> Self {
        self.schemas.push((name.to_owned(), schema.into()));
        let json = ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).example(Some(example));
        let body = RequestBodyBuilder::new().required(Some(required)).content(JSON, json.build());
        self.body = Some(body.build());
        self
    }

    /// A reply with JSON.
    pub(crate) fn replies<T: ToSchema>(
        mut self,
        status: StatusCode,
        description: &str,
        headers: &[&str],
        example: Value,
    ) -> Self {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        let schema = Ref::from_schema_name(T::name());
        let json = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        self.reply(status, reply(description, headers).content(JSON, json))
    }

    /// A reply with something else.
    pub(crate) fn replies_with(
        self,
        status: StatusCode,
        description: &str,
        headers: &[&str],
        media_type: &str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.reply(status, reply(description, headers).content(media_type, content))
    }

    /// A reply without a body.
    pub(crate) fn replies_nothing(self, status: StatusCode, description: &str, headers: &[&str]) -> Self {
        self.reply(status, reply(description, headers))
    }

    fn reply(mut self, status: StatusCode, reply: ResponseBuilder) -> Self {
        self.replies.insert(status, reply.build());
        self
    }

    /// What the reply with this status says is what another operation asks for: its id, its parameter, and where
    /// the reply has it (a runtime expression).
    pub(crate) fn leads_to(mut self, status: StatusCode, id: &str, parameter: &str, place: &str) -> Self {
        let link = LinkBuilder::new().operation_id(id).parameter(parameter, place).build();
        if let Some(reply) = self.replies.get_mut(&status) {
            reply.links.insert(id.to_owned(), link.into());
        }
        self
    }

    /// Problem documents with these codes.
    pub(crate) fn refuses(mut self, status: StatusCode, codes: &[&'static str]) -> Self {
        self.refusals.entry(status).or_default().extend(codes);
        self
    }

    /// The operation as it stands in the document, and what it refers to.
    pub(super) fn build(self, who: Who, components: &mut Components) -> path::Operation {
        let this = self.with_what_follows(who);
        components.schemas.extend(this.schemas);
        let mut operation = OperationBuilder::new()
            .tag(this.tag)
            .operation_id(Some(this.id))
            .summary(Some(this.summary))
            .description(Some(described(this.description, who)))
            .request_body(this.body)
            .securities(Some(securities(who)));
        for parameter in this.parameters {
            operation = operation.parameter(parameter);
        }
        operation = operation.parameter_ref(Ref::new(format!("#/components/parameters/{REQUEST_ID}")));
        for (status, mut reply) in this.replies {
            if who != Who::Probe {
                headers::add(&mut reply, &headers::OF_A_LIMIT);
            }
            operation = operation.response(status.as_str(), reply);
        }
        for (status, codes) in this.refusals {
            let name = problems::refer_to(status, &codes, components);
            operation = operation.response(status.as_str(), Ref::from_response_name(name));
        }
        operation.build()
    }

    /// What is not said of each route, since it is so for all of its kind.
    fn with_what_follows(mut self, who: Who) -> Self {
        let asks_services = self.asks_services;
        // Before it is known what is asked for.
        self = self
            .refuses(StatusCode::BAD_REQUEST, &["malformed_request"])
            .refuses(StatusCode::REQUEST_TIMEOUT, &["request_timeout"])
            .refuses(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &["head_too_large"]);
        if self.parameters.iter().any(|parameter| matches!(parameter.parameter_in, ParameterIn::Query)) {
            self = self.refuses(StatusCode::BAD_REQUEST, &["invalid_argument"]);
        }
        if self.body.is_some() {
            self = self
                .refuses(StatusCode::BAD_REQUEST, &["invalid_argument", "invalid_request"])
                .refuses(StatusCode::PAYLOAD_TOO_LARGE, &["payload_too_large"])
                .refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE, &["unsupported_media_type"]);
        }
        match who {
            Who::Probe => {}
            Who::Anyone | Who::User | Who::Owner | Who::OwnerOrAdmin | Who::Admin => {
                self = self
                    .refuses(StatusCode::UNAUTHORIZED, &["token_invalid", "token_expired"])
                    .refuses(StatusCode::TOO_MANY_REQUESTS, &["rate_limited"])
                    .refuses(StatusCode::INTERNAL_SERVER_ERROR, &["internal"])
                    .refuses(StatusCode::SERVICE_UNAVAILABLE, &["overloaded"]);
                if !self.only_in_dev {
                    self = self.refuses(StatusCode::SERVICE_UNAVAILABLE, &["unavailable"]);
                }
            }
        }
        match who {
            Who::Probe | Who::Anyone => {}
            Who::User | Who::Owner | Who::OwnerOrAdmin => {
                self = self.refuses(StatusCode::UNAUTHORIZED, &["token_missing"]);
            }
            Who::Admin => {
                self = self
                    .refuses(StatusCode::UNAUTHORIZED, &["token_missing"])
                    .refuses(StatusCode::FORBIDDEN, &["permission_denied"]);
            }
        }
        if asks_services {
            self = self
                .refuses(StatusCode::TOO_MANY_REQUESTS, &["resource_exhausted"])
                .refuses(StatusCode::NOT_IMPLEMENTED, &["unimplemented"])
                .refuses(StatusCode::SERVICE_UNAVAILABLE, &["unavailable"]);
        }
        if asks_services || self.body.is_some() {
            self = self.refuses(StatusCode::GATEWAY_TIMEOUT, &["deadline_exceeded"]);
        }
        self
    }
}

const JSON: &str = "application/json";

fn reply(description: &str, headers: &[&str]) -> ResponseBuilder {
    let mut reply = Response::new(description);
    headers::add(&mut reply, headers);
    headers::add(&mut reply, &headers::OF_ALL);
    reply.into()
}

fn described(description: Option<&str>, who: Who) -> String {
    let who = match who {
        Who::Probe => "For watchdogs: without a limit, and a token is not looked at.",
        Who::Anyone => "For everybody. A token that is sent must be good nevertheless.",
        Who::User => "For users.",
        Who::Owner => "For its owner; what is not yours is not found.",
        Who::OwnerOrAdmin => "For its owner and for administrators; what is not yours is not found.",
        Who::Admin => "For administrators.",
    };
    description.map_or_else(|| who.to_owned(), |description| format!("{description}\n\n{who}"))
}

/// None, a token or none, a token.
fn securities(who: Who) -> Vec<SecurityRequirement> {
    let token = SecurityRequirement::new(SCHEME, Vec::<String>::new());
    match who {
        Who::Probe => Vec::new(),
        Who::Anyone => vec![SecurityRequirement::default(), token],
        Who::User | Who::Owner | Who::OwnerOrAdmin | Who::Admin => vec![token],
    }
}
