//! The document that is checked in, held against every answer of the suite: `Shop::send` asks here.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use http::Method;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use crate::shop::Answer;

/// Where the document is kept.
pub(crate) fn place() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"))
}

/// The document, to hold answers against.
pub(crate) static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let text = std::fs::read_to_string(place()).expect("openapi.json is there");
    Contract::of(serde_json::from_str(&text).expect("openapi.json is JSON"))
});

/// The one path that is in the document and only there in mode dev.
pub(crate) const ONLY_IN_DEV: &str = "/api/v1/auth/token";
/// Headers that are named in the document and may be absent. Every other one that is named must be there.
const NOT_ALWAYS: [&str; 5] =
    ["Accept-Encoding", "Idempotent-Replayed", "Location", "RateLimit", "RateLimit-Policy"];
/// Headers that must be named in the document to be there.
const NEVER_UNSAID: [&str; 12] = [
    "Accept-Encoding",
    "Cache-Control",
    "Content-Location",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Accel-Buffering",
    "X-Request-Id",
];

/// What an operation was seen to answer: its method and path, the status, and the code of a problem.
pub(crate) type Seen = (String, u16, Option<String>);

pub(crate) struct Contract {
    pub(crate) document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    pub(crate) fn of(document: Value) -> Self {
        Self { document, validators: Mutex::default() }
    }

    /// Every operation: method, path, what is said of it.
    pub(crate) fn operations(&self) -> Vec<(String, String, &Value)> {
        let paths = self.document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
        });
        operations.collect()
    }

    /// Every reply of an operation: its status, the codes of its problems, what is said of it.
    pub(crate) fn replies<'a>(&'a self, operation: &'a Value) -> Vec<(u16, BTreeSet<&'a str>, &'a Value)> {
        let replies = operation["responses"].as_object().unwrap().iter();
        let replies = replies.map(|(status, reply)| {
            let reply = self.resolve(reply);
            (status.parse().unwrap(), codes(reply), reply)
        });
        replies.collect()
    }

    /// What the answer is, if it is as the document says; else what is not. Nothing where no operation is meant.
    pub(crate) fn check(&self, method: &Method, path: &str, answer: &Answer) -> Result<Option<Seen>, String> {
        let of = format!("{method} {path}");
        let problem = self.problem(&of, *method == Method::HEAD, answer)?;
        let templates = self.document["paths"].as_object().unwrap();
        let fitting = templates.iter().filter(|(template, _)| fits(template, path));
        // What is named is meant before what varies.
        let found = fitting.min_by_key(|(template, _)| template.matches('{').count());
        let gone = problem.as_deref() == Some("route_not_found") && path == ONLY_IN_DEV;
        let Some((template, item)) = found.filter(|_| !gone) else {
            let refused = problem.is_some() || *method == Method::HEAD;
            return refused.then_some(None).ok_or_else(|| format!("{of} is not in the document"));
        };
        // A method in small letters is another one.
        let operation =
            item.as_object().unwrap().iter().find(|(said, _)| said.to_uppercase() == method.as_str());
        let Some((_, operation)) = operation else {
            let preflight = answer.headers.contains_key("access-control-allow-methods");
            let refused = match problem.as_deref() {
                Some(code) => code == "method_not_allowed" || path == ONLY_IN_DEV,
                None => false,
            };
            let known = *method == Method::HEAD || preflight || refused;
            return known.then_some(None).ok_or_else(|| format!("{of} is not in the document"));
        };
        let (name, status) = (format!("{method} {template}"), answer.status);
        let reply = operation["responses"].get(status.as_str());
        let reply = self.resolve(reply.ok_or_else(|| format!("{status} is not in the document"))?);
        self.headers(reply, answer)?;
        self.body(&format!("{name} {status}"), reply, answer)?;
        Ok(Some((name, status.as_u16(), problem)))
    }

    /// That what is refused is a problem, wherever it comes from. Its code.
    fn problem(&self, of: &str, head_only: bool, answer: &Answer) -> Result<Option<String>, String> {
        let refused = answer.status.is_client_error() || answer.status.is_server_error();
        if !refused || head_only {
            return Ok(None);
        }
        self.is_problem(answer).map_err(|error| format!("{of} is refused: {error}"))?;
        Ok(answer.json()["code"].as_str().map(str::to_owned))
    }

    /// That this is a whole problem document.
    pub(crate) fn is_problem(&self, answer: &Answer) -> Result<(), String> {
        if answer.header("content-type") != "application/problem+json" {
            return Err("without a problem document".to_owned());
        }
        self.valid("Problem", &json!({"$ref": "#/components/schemas/Problem"}), &answer.json())
    }

    fn headers(&self, reply: &Value, answer: &Answer) -> Result<(), String> {
        let said = reply["headers"].as_object();
        for header in NEVER_UNSAID {
            if said.is_none_or(|said| !said.contains_key(header)) && answer.headers.contains_key(header) {
                return Err(format!("{header} is not in the document"));
            }
        }
        for (header, described) in said.into_iter().flatten() {
            match answer.headers.get(header) {
                Some(value) => {
                    let value = json!(value.to_str().unwrap());
                    self.valid(header, &self.resolve(described)["schema"], &value)?;
                }
                None if NOT_ALWAYS.contains(&header.as_str()) => {}
                None => return Err(format!("{header} is in the document and not in the reply")),
            }
        }
        Ok(())
    }

    fn body(&self, key: &str, reply: &Value, answer: &Answer) -> Result<(), String> {
        let Some(content) = reply["content"].as_object() else {
            return answer
                .body
                .is_empty()
                .then_some(())
                .ok_or_else(|| "a body is not in the document".into());
        };
        let sent = answer.header("content-type").split(';').next().unwrap();
        let described = content.iter().find(|(said, _)| {
            said.strip_suffix('*').map_or(*said == sent, |family| sent.starts_with(family))
        });
        let (media_type, described) =
            described.ok_or_else(|| format!("the media type {sent:?} is not in the document"))?;
        if media_type.ends_with("json") && answer.header("content-encoding").is_empty() {
            self.valid(&format!("{key} {media_type}"), &described["schema"], &answer.json())?;
        }
        Ok(())
    }

    /// Replies have no fields but those described, though clients are told to bear with more.
    fn valid(&self, key: &str, schema: &Value, value: &Value) -> Result<(), String> {
        let known = self.validators.lock().unwrap().get(key).cloned();
        let validator = known.unwrap_or_else(|| {
            let made = Arc::new(self.validator(schema));
            self.validators.lock().unwrap().insert(key.to_owned(), made.clone());
            made
        });
        let wrong: Vec<_> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        wrong
            .is_empty()
            .then_some(())
            .ok_or_else(|| format!("{key} is not as described: {wrong:?} in {value}"))
    }

    /// For a schema of the document, strictly.
    pub(crate) fn validator(&self, schema: &Value) -> Validator {
        let mut components = self.document["components"].clone();
        for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
            if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
                schema["additionalProperties"] = json!(false);
            }
        }
        let whole = json!({"components": components, "allOf": [schema]});
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        options.build(&whole).unwrap()
    }

    pub(crate) fn resolve<'a>(&'a self, described: &'a Value) -> &'a Value {
        let Some(reference) = described["$ref"].as_str() else { return described };
        self.document.pointer(reference.strip_prefix('#').unwrap()).expect(reference)
    }
}

/// The codes that a problem may have.
fn codes(reply: &Value) -> BTreeSet<&str> {
    let schema = &reply["content"]["application/problem+json"]["schema"];
    let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
    codes.into_iter().flatten().map(|code| code.as_str().unwrap()).collect()
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}
