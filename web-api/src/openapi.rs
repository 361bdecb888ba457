//! The frame of the description at `/openapi.json`; the routes fill it.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Description,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

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
