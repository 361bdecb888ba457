//! The description of the interface, for people: made from `/openapi.json` on the server, so that it needs no script and
//! nothing from elsewhere.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::problems::page;

/// How deep schemas are written out where they are used; deeper ones are named.
const DEPTH_MAX: usize = 4;
/// In which order methods of a path stand.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page; the description changes with the program alone.
static CONTENT: LazyLock<Markup> = LazyLock::new(|| {
    let description = serde_json::to_value(crate::openapi());
    content(&description.unwrap_or_default())
});

/// The interface, described for people
#[utoipa::path(get, path = "/docs", tag = "node",
    responses((status = 200, description = "A page for people", content_type = "text/html")))]
pub(crate) async fn docs() -> Response {
    page("The interface", &CONTENT)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn content(description: &Value) -> Markup {
    let info = &description["info"];
    let tags: Vec<&Value> = description["tags"].as_array().into_iter().flatten().collect();
    let operations = operations(description);
    html! {
        h1 { (text(info, "title")) " " (text(info, "version")) }
        p { (text(info, "description")) }
        p {
            "For programs: " a href="/openapi.json" { code { "/openapi.json" } }
            " (OpenAPI 3.1). What can go wrong: " a href="/problems" { code { "/problems" } } "."
        }
        nav { @for tag in &tags { a href={ "#" (text(tag, "name")) } { (text(tag, "name")) } } }
        h2 { "Who asks" }
        table {
            @for (name, scheme) in description["components"]["securitySchemes"].as_object().into_iter().flatten() {
                tr { td { code { (name) } } td { (text(scheme, "description")) } }
            }
        }
        @for tag in &tags {
            h2 id=(text(tag, "name")) { (text(tag, "description")) }
            @for operation in operations.get(text(tag, "name")).into_iter().flatten() {
                (operation.markup(description))
            }
        }
    }
}

/// One method of a path.
struct Operation<'a> {
    path: &'a str,
    method: &'static str,
    value: &'a Value,
}

fn operations(description: &Value) -> BTreeMap<&str, Vec<Operation<'_>>> {
    let mut by_tag: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, methods) in description["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let value = &methods[method];
            let tag = value["tags"][0].as_str();
            if let Some(tag) = tag {
                by_tag.entry(tag).or_default().push(Operation { path, method, value });
            }
        }
    }
    by_tag
}

impl Operation<'_> {
    fn markup(&self, description: &Value) -> Markup {
        let Self { path, method, value } = self;
        let security: Vec<&String> = value["security"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_object()?.keys().next())
            .collect();
        let parameters = value["parameters"].as_array();
        let body = &value["requestBody"]["content"];
        html! {
            details id={ (method) (path) } {
                summary {
                    span.m { (method.to_uppercase()) } code { (path) } " " span.d { (text(value, "summary")) }
                }
                @let more = text(value, "description");
                @if !more.is_empty() { p { (more) } }
                @if !security.is_empty() {
                    p { "By " @for (index, name) in security.iter().enumerate() {
                        @if index > 0 { " or " } code { (name) }
                    } "." }
                }
                @if let Some(parameters) = parameters {
                    table {
                        thead { tr { th { "Parameter" } th { "In" } th { "Type" } th { } } }
                        @for parameter in parameters { tr {
                            td { code { (text(parameter, "name")) } @if parameter["required"] == true { " *" } }
                            td { (text(parameter, "in")) }
                            td { (schema(description, &parameter["schema"], DEPTH_MAX)) }
                            td { (text(parameter, "description")) }
                        } }
                    }
                }
                @for (kind, media) in body.as_object().into_iter().flatten() {
                    p { "Body, " code { (kind) } ":" }
                    (schema(description, &media["schema"], 0))
                }
                table {
                    thead { tr { th { "Status" } th { "Answer" } } }
                    @for (status, answer) in value["responses"].as_object().into_iter().flatten() {
                        tr { td { (status) } td {
                            (text(answer, "description")) " "
                            @for media in answer["content"].as_object().into_iter().flat_map(|all| all.values()) {
                                (schema(description, &media["schema"], 1))
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// A schema: objects as tables of their members, down to [`DEPTH_MAX`].
fn schema(description: &Value, schema_: &Value, depth: usize) -> Markup {
    let name = schema_["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let resolved = name.map_or(schema_, |name| &description["components"]["schemas"][name]);
    if let Some(name) = name.filter(|name| depth >= DEPTH_MAX || *name == "Problem") {
        return html! { code { (name) } };
    }
    if let Some(members) = resolved["properties"].as_object() {
        let required = |member: &str| {
            resolved["required"].as_array().is_some_and(|all| all.iter().any(|one| one == member))
        };
        return html! {
            details open[depth == 0] {
                summary { code { (name.unwrap_or("object")) } " " span.d { (text(resolved, "description")) } }
                table { @for (member, value) in members { tr {
                    td { code { (member) } @if required(member) { " *" } }
                    td { (schema(description, value, depth + 1)) }
                    td { (text(value, "description")) }
                } } }
            }
        };
    }
    if resolved["items"].is_object() {
        return html! { "list of " (schema(description, &resolved["items"], depth + 1)) };
    }
    for several in ["oneOf", "allOf", "anyOf"] {
        if let Some(parts) = resolved[several].as_array() {
            let parts = parts.iter().filter(|part| part["type"] != "null");
            return html! { @for part in parts { (schema(description, part, depth + 1)) " " } };
        }
    }
    let kind = match &resolved["type"] {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        kind => kind.as_str().unwrap_or("any").to_owned(),
    };
    let values = resolved["enum"].as_array();
    html! {
        (kind)
        @for value in values.into_iter().flatten() { " " code { (value.as_str().unwrap_or_default()) } }
    }
}
