//! The start page: what the co-operative did so far, for people.

use std::fmt::{self, Write as _};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse},
};
use data_dao_journal::{Federation, Model, SettledRound, State as Ledger};
use data_dao_ledger::Name;
use data_dao_store::Store;

use super::federations::{ContributorView, contributors};
use crate::{ApiState, ModelShelf};

/// The page's frame; `{{…}}` are filled in.
const FRAME: &str = include_str!("start_page.html");
/// The page needs no script and nothing from elsewhere.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; img-src data:");
/// Rounds shown; all of them are in the federation's JSON.
const ROUNDS_SHOWN: usize = 30;

/// The start page
#[utoipa::path(get, path = "/", tag = "node",
    responses((status = 200, description = "A page for people", content_type = "text/html")))]
pub(crate) async fn start_page(State(state): State<ApiState>) -> impl IntoResponse {
    let (size, root) = (state.store().size(), state.store().root().to_string());
    let page =
        state.store().view(|ledger| page((ledger, state.store()), state.shelf(), (size, &root)));
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page))
}

fn page(
    (ledger, store): (&Ledger, &Store),
    shelf: &ModelShelf,
    (size, root): (u64, &str),
) -> String {
    let name = ledger.genesis().map_or("A DAO not founded yet", |genesis| &genesis.dao_name);
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    let model = ledger.models().keys().next().map_or("MODEL", Name::as_str);
    let row = example_row(ledger, shelf);
    let mut sections = String::new();
    for (name, federation) in ledger.federations() {
        federation_section(&mut sections, name, (federation, store)).expect("a String takes all");
    }
    models_section(&mut sections, ledger, &currency).expect("a String takes all");
    FRAME
        .replace("{{name}}", &Escaped(name).to_string())
        .replace("{{size}}", &size.to_string())
        .replace("{{root}}", root)
        .replace("{{predictions}}", &ledger.counts().predictions.to_string())
        .replace("{{revenue}}", &money(ledger.counts().revenue, &currency))
        .replace("{{proposals}}", &ledger.counts().proposals.to_string())
        .replace("{{model}}", model)
        .replace("{{width}}", &row.len().max(1).to_string())
        .replace("{{row}}", &row.join(","))
        // Last, so that nothing within is taken for a place to fill in.
        .replace("{{sections}}", &sections)
}

/// A row that the first model of the catalogue takes: the mean of each feature.
fn example_row(ledger: &Ledger, shelf: &ModelShelf) -> Vec<String> {
    let model = ledger.models().values().next();
    let shelved = model.and_then(|model| shelf.get(&model.latest().digest));
    shelved.map_or_else(Vec::new, |shelved| {
        shelved.standardiser().mean().iter().map(|mean| format!("{mean:.3}")).collect()
    })
}

fn federation_section(
    to: &mut String,
    name: &Name,
    (federation, store): (&Federation, &Store),
) -> fmt::Result {
    let settled = federation.settled();
    let accuracy = settled.last().and_then(|round| round.test_accuracy_ppm);
    write!(
        to,
        "<section><h2>Federation {name}</h2><p class=\"lead\">{} of {} rounds, {} members",
        settled.len(),
        federation.opened().rounds,
        federation.members().len(),
    )?;
    if let Some(ppm) = accuracy {
        write!(to, ", accuracy {}", percent(ppm))?;
    }
    to.push_str(".</p>");
    chart(to, settled)?;
    let shown = settled.len().saturating_sub(ROUNDS_SHOWN);
    to.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>Round</th><th>Accuracy</th><th>Loss</th>\
         <th>Took part</th><th>Dropped</th><th>Credits</th></tr></thead><tbody>",
    );
    for round in settled.iter().skip(shown) {
        round_row(to, round)?;
    }
    to.push_str(
        "</tbody></table></div><h3>Contributors</h3><div class=\"scroll\"><table><thead><tr>\
         <th>Name</th><th>Key</th><th>Rounds</th><th>Value, ‰ of loss</th><th>95 % interval</th>\
         <th>Credits</th></tr></thead><tbody>",
    );
    for contributor in contributors(federation, store) {
        contributor_row(to, name, &contributor)?;
    }
    to.push_str("</tbody></table></div></section>");
    Ok(())
}

fn round_row(to: &mut String, round: &SettledRound) -> fmt::Result {
    let accuracy = round.test_accuracy_ppm.map_or_else(|| "–".to_owned(), percent);
    write!(
        to,
        "<tr><td>{}</td><td>{accuracy}</td><td>{:.4}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        round.round,
        crate::amount::millionths(round.test_loss_micro),
        round.participants,
        round.dropped,
        round.credits,
    )
}

/// The credits lead to the reasons for them, round by round.
fn contributor_row(to: &mut String, name: &Name, contributor: &ContributorView) -> fmt::Result {
    let ContributorView { member, label, standing } = contributor;
    let interval = match (standing.value_low, standing.value_high) {
        (Some(low), Some(high)) => format!("{:+.1} … {:+.1}", 1e3 * low, 1e3 * high),
        _ => "–".to_owned(),
    };
    write!(
        to,
        "<tr><td>{}</td><td><a href=\"/v1/members/{member}\"><code>{}</code></a></td><td>{}</td>\
         <td>{:+.1}</td><td>{interval}</td><td>{} \
         <a href=\"/v1/federations/{name}/contributors/{member}/rounds\">why</a></td></tr>",
        Escaped(label),
        &member[..8],
        standing.rounds,
        1e3 * standing.value,
        standing.credits,
    )
}

fn models_section(to: &mut String, ledger: &Ledger, currency: &str) -> fmt::Result {
    if ledger.models().is_empty() {
        return Ok(());
    }
    to.push_str(
        "<section><h2>Models</h2><div class=\"scroll\"><table><thead><tr><th>Model</th>\
         <th>Version</th><th>Accuracy</th><th>Price per call</th></tr></thead><tbody>",
    );
    for (name, model) in ledger.models() {
        let latest = model.latest();
        let accuracy = latest.test_accuracy_ppm.map_or_else(|| "–".to_owned(), percent);
        let price = Model::price(model).map_or_else(|| "–".to_owned(), |p| money(p, currency));
        write!(
            to,
            "<tr><td><a href=\"/v1/models/{name}\">{name}</a></td><td>{}</td><td>{accuracy}</td>\
             <td>{price}</td></tr>",
            latest.version,
        )?;
    }
    to.push_str("</tbody></table></div></section>");
    Ok(())
}

/// Accuracy by round as a line; nothing below two rounds.
fn chart(to: &mut String, settled: &[SettledRound]) -> fmt::Result {
    let values: Vec<u32> = settled.iter().filter_map(|round| round.test_accuracy_ppm).collect();
    let (Some(low), Some(high)) = (values.iter().min(), values.iter().max()) else {
        return Ok(());
    };
    let Some(steps) = values.len().checked_sub(1).filter(|steps| *steps > 0) else {
        return Ok(());
    };
    let spread = f64::from((high - low).max(1));
    to.push_str("<svg viewBox=\"-4 -8 608 136\" role=\"img\" aria-label=\"Accuracy by round\">");
    to.push_str("<polyline points=\"");
    for (index, value) in values.iter().enumerate() {
        let x = 600.0 * index as f64 / steps as f64;
        write!(to, "{x:.1},{:.1} ", 120.0 - 120.0 * f64::from(value - low) / spread)?;
    }
    write!(
        to,
        "\"/><text x=\"0\" y=\"4\">highest {}</text><text x=\"600\" y=\"118\" text-anchor=\"end\">lowest {}</text></svg>",
        percent(*high),
        percent(*low),
    )
}

fn percent(ppm: u32) -> String {
    format!("{:.1} %", f64::from(ppm) / 1e4)
}

/// An amount in 10⁻⁴ of the currency's unit, as people write it.
fn money(amount: u128, currency: &str) -> String {
    format!("{}.{:04} {currency}", amount / 10_000, amount % 10_000)
}

/// Text in HTML, also within quoted attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // A name must not fill in a place of the frame.
                '{' => f.write_str("&#123;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_bring_markup_along() {
        let name = "<script>alert('x' & \"y\")</script>{{sections}}";
        let escaped = Escaped(name).to_string();
        assert!(!escaped.contains(['<', '>', '"', '\'', '{']), "{escaped}");
    }

    #[test]
    fn money_has_four_places() {
        assert_eq!(money(250, "EUR"), "0.0250 EUR");
        assert_eq!(money(1_230_005, "EUR"), "123.0005 EUR");
    }
}
