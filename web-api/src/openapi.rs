//! The frame of the description at `/openapi.json`; the routes fill it, and what every request can be answered is added last.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, OpenApi as Description, Ref, RefOr, Response,
        ResponseBuilder,
        path::{Operation, PathItem},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::validator::is_validated;

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

/// Title, tags and ways to authenticate.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sahakar",
        description = "A co-operative that trains models on data nobody has to show, and shares \
                       what they earn. Amounts of money are decimal texts in 10⁻⁴ of the \
                       currency's unit; times are ledger times in milliseconds since 1970.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "node", description = "The node itself"),
        (name = "federations", description = "Rounds, contributors, members"),
        (name = "market", description = "Models, keys, purchases, receipts"),
        (name = "inference", description = "Open Inference Protocol, version 2"),
        (name = "governance", description = "Proposals and votes, signed by members"),
        (name = "ledger", description = "The log, its proofs and its books")
    ),
    modifiers(&Security)
)]
pub(crate) struct Frame;

struct Security;

impl Modify for Security {
    fn modify(&self, description: &mut Description) {
        let scheme = |text: &str| {
            let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text));
            SecurityScheme::Http(http.build())
        };
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("operator", scheme("The token of whoever runs the node"));
        let signed = "HTTP Message Signatures (RFC 9421): a member's Ed25519 key signs the request; the header is \
                      Signature-Input, beside Signature and Content-Digest";
        let signed = ApiKeyValue::with_description("Signature-Input", signed);
        components.add_security_scheme("member", SecurityScheme::ApiKey(ApiKey::Header(signed)));
        components.add_security_scheme("api_key", scheme("A buyer's API key, `sk_…`"));
    }
}

/// Says of each operation what the layers around it answer, and of each problem its media type: a route names only what it
/// answers by itself.
pub(crate) fn complete(description: &mut Description) {
    for (path, item) in &mut description.paths.paths {
        let refusal = Refusal { of_protocol: path == "/v2" || path.starts_with("/v2/") };
        let has_parts = path.contains('{');
        for (reads, operation) in operations(item) {
            let guarded = operation.security.as_ref().is_some_and(|needs| !needs.is_empty());
            let answers = &mut operation.responses.responses;
            answers.values_mut().for_each(problems_by_their_name);
            if reads && is_validated(path) {
                let known = ResponseBuilder::new().description("The client has it (If-None-Match)");
                answers.entry("304".to_owned()).or_insert_with(|| known.build().into());
            }
            let mut add = |status: &str, text: &str| {
                let answer = || refusal.answer(status, text).into();
                answers.entry(status.to_owned()).or_insert_with(answer);
            };
            add("401", "Credentials or a signature that do not hold");
            add("429", "More requests than one may send");
            add("500", "The node's fault");
            add("503", "The node cannot do it now, or not in time");
            if has_parts {
                add("404", "There is no such thing");
            }
            if guarded {
                add("403", "The key may not do this");
            }
            if !reads {
                add("400", "The request cannot be read");
                add("409", "The state of things does not allow it");
                add("413", "The body is too long");
            }
        }
    }
}

/// The operations of a path, each with whether it only reads.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, put, post, delete, .. } = item;
    let writing = [put, post, delete].into_iter().map(|operation| (false, operation));
    let all = std::iter::once((true, get)).chain(writing);
    all.filter_map(|(reads, operation)| Some((reads, operation.as_mut()?)))
}

/// A body that is a problem is `application/problem+json`, whatever the macro took it for.
fn problems_by_their_name(answer: &mut RefOr<Response>) {
    let RefOr::T(answer) = answer else { return };
    let is_problem = |content: &RefOr<utoipa::openapi::Content>| match content {
        RefOr::T(content) => match &content.schema {
            Some(RefOr::Ref(schema)) => schema.ref_location.ends_with("/Problem"),
            _ => false,
        },
        RefOr::Ref(_) => false,
    };
    if answer.content.get(JSON).is_some_and(is_problem)
        && let Some(content) = answer.content.shift_remove(JSON)
    {
        answer.content.insert(PROBLEM_JSON.to_owned(), content);
    }
}

/// In which form a path refuses.
#[derive(Clone, Copy)]
struct Refusal {
    of_protocol: bool,
}

impl Refusal {
    fn answer(self, status: &str, text: &str) -> Response {
        let (kind, schema) =
            if self.of_protocol { (JSON, "OipErrorBody") } else { (PROBLEM_JSON, "Problem") };
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        let answer = ResponseBuilder::new().description(text).content(kind, content);
        let seconds = HeaderBuilder::new().description(Some("When to try again, in seconds"));
        let answer = match status {
            "429" | "503" => answer.header("Retry-After", seconds.build()),
            _ => answer,
        };
        answer.build()
    }
}
