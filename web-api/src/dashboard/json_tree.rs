//! The content of an entry as nested lists of names and values.

use maud::{Markup, html};
use serde_json::Value;

use super::format::{grouped, short};
use super::layout::scrolling;

/// Deeper content is shown as its JSON.
const DEPTH_MAX: usize = 8;
/// Longer lists are cut; the leaf below has all of it.
const ITEMS_MAX: usize = 64;
/// Characters of a key, digest or signature as hexadecimal.
const KEY_CHARS: usize = 64;
/// Names under which a member's key stands.
const MEMBERS: [&str; 9] = [
    "member",
    "voter",
    "proposer",
    "delegator",
    "delegate",
    "inviter",
    "complainant",
    "accused",
    "guardian",
];

/// An object or value. Keys of members lead to their pages.
pub(super) fn tree(value: &Value) -> Markup {
    node("", value, 0)
}

fn node(name: &str, value: &Value, depth: usize) -> Markup {
    match value {
        _ if depth > DEPTH_MAX => html! { code { (value.to_string()) } },
        Value::Object(fields) => html! {
            dl class="tree" {
                @for (name, value) in fields {
                    div {
                        dt { (name.replace('_', " ")) }
                        dd { (node(name, value, depth + 1)) }
                    }
                }
            }
        },
        Value::Array(items) if items.is_empty() => html! { span class="soft" { "none" } },
        Value::Array(items) if is_table(items) => table(items),
        Value::Array(items) => html! {
            ol class="tree" start="1" {
                @for item in items.iter().take(ITEMS_MAX) { li { (node(name, item, depth + 1)) } }
            }
            @if items.len() > ITEMS_MAX {
                p class="soft" { "… and " (items.len() - ITEMS_MAX) " more in the leaf." }
            }
        },
        Value::Null => html! { span class="soft" { "none" } },
        Value::String(text) => string(name, text),
        other => html! { (other.to_string()) },
    }
}

/// Whether all items are objects with the same names and plain values.
fn is_table(items: &[Value]) -> bool {
    let plain = |value: &Value| !value.is_array() && !value.is_object();
    let first = items.first().and_then(Value::as_object);
    first.is_some_and(|first| {
        items.iter().all(|item| {
            item.as_object().is_some_and(|item| {
                item.values().all(plain)
                    && item.len() == first.len()
                    && item.keys().eq(first.keys())
            })
        })
    })
}

fn table(items: &[Value]) -> Markup {
    let names = || items.first().and_then(Value::as_object).into_iter().flatten();
    let rows = html! {
        table {
            thead { tr { @for (name, _) in names() { th scope="col" { (name.replace('_', " ")) } } } }
            tbody {
                @for item in items.iter().take(ITEMS_MAX) {
                    tr { @for (name, value) in item.as_object().into_iter().flatten() { td { (cell(name, value)) } } }
                }
            }
        }
    };
    html! {
        (scrolling("List", &rows))
        @if items.len() > ITEMS_MAX {
            p class="soft" { "… and " (items.len() - ITEMS_MAX) " more in the leaf." }
        }
    }
}

/// A value in a table: of keys and digests the beginning.
fn cell(name: &str, value: &Value) -> Markup {
    let Some(text) = value.as_str() else { return node(name, value, 0) };
    html! {
        @if text.len() >= KEY_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            @if MEMBERS.contains(&name) { a href={"/members/" (text)} { (short(text)) } } @else { (short(text)) }
        }
        @else if let Ok(number) = text.parse::<u128>() { (grouped(number)) }
        @else { span class="text" { (text) } }
    }
}

fn string(name: &str, text: &str) -> Markup {
    let hexadecimal = text.len() >= KEY_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let key = hexadecimal && text.len() == KEY_CHARS;
    html! {
        @if key && MEMBERS.contains(&name) { a href={"/members/" (text)} { code class="hash" { (text) } } }
        @else if key && name == "proposal" { a href={"/proposals/" (text)} { code class="hash" { (text) } } }
        @else if hexadecimal { code class="hash" { (text) } }
        @else if text.starts_with('{') { code class="hash" { (text) } }
        @else { span class="text" { (text) } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_cannot_bring_markup_along() {
        let value = json!({"<img src=x>": ["<script>", {"a\"b": null}], "member": "\"><b>"});
        let text = tree(&value).into_string();
        assert!(
            !text.contains("<img") && !text.contains("<script") && !text.contains("<b>"),
            "{text}"
        );
    }

    #[test]
    fn keys_of_members_lead_to_them() {
        let key = "ab".repeat(32);
        let text = tree(&json!({"voter": key, "digest": key})).into_string();
        assert_eq!(text.matches("/members/abab").count(), 1, "{text}");
    }

    #[test]
    fn a_list_of_like_things_is_a_table() {
        let row = |credits: &str| json!({"credits": credits, "member": "cd".repeat(32)});
        let text = tree(&json!([row("1000"), row("<b>")])).into_string();
        assert_eq!(text.matches("<tr>").count(), 3, "{text}");
        assert!(text.contains("1\u{202f}000") && !text.contains("<b>"), "{text}");
    }

    #[test]
    fn deep_and_long_content_is_cut() {
        let deep = (0..100).fold(json!(1), |value, _| json!([value]));
        let long = json!(vec![0; 1_000]);
        assert!(tree(&deep).into_string().len() < 2_000);
        assert!(tree(&long).into_string().contains("936 more"));
    }
}
