//! The figures to reach (DESIGN §10), and whether they are.

use serde::Serialize;

use crate::row::{Limits, Row};

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) measured: f64,
    pub(crate) to_reach: f64,
}

impl Figure {
    pub(crate) fn is_reached(&self) -> bool {
        self.measured <= self.to_reach
    }
}

/// All figures at a million parameters and, where it matters, the most contributors.
pub(crate) fn figures(rows: &[Row], limits: &[Limits]) -> Vec<Figure> {
    let million = |scheme: &'static str| {
        let of = rows.iter().filter(move |row| row.dimension == 1_000_000);
        of.filter(move |row| row.scheme.starts_with(scheme)).max_by_key(|row| row.contributors)
    };
    let plain = limits.iter().find(|limits| limits.dimension == 1_000_000);
    let mut all = Vec::new();
    let mut push = |what: &str, unit, measured: Option<f64>, to_reach| {
        if let Some(measured) = measured {
            all.push(Figure { what: what.to_owned(), unit, measured, to_reach });
        }
    };
    let upload = |scheme| million(scheme).map(Row::bytes_per_parameter);
    push("upload, MPC with values (26 bits)", "B/parameter", upload("MPC standard"), 3.3);
    push("upload, MPC without values, n ≤ 1 000", "B/parameter", upload("MPC compact"), 2.2);
    push("upload, verified MPC", "B/parameter", upload("MPC verified"), 8.4);
    push("upload, FHE 16 bits, n ≤ 1 000", "B/parameter", upload("FHE 16 bits, NTT"), 4.0);
    push("upload, FHE 12 bits, n ≤ 32", "B/parameter", upload("FHE 12 bits"), 2.8);
    for scheme in ["MPC standard", "MPC compact"] {
        let ratio = million(scheme).and_then(|row| Some(row.seal_ms / row.aes_ms?));
        push(&format!("seal, {scheme}"), "× AES-CTR of the sealed bytes", ratio, 3.0);
    }
    push("seal, verified MPC", "s", million("MPC verified").map(|row| row.seal_ms / 1e3), 0.8);
    for tenseal in ["symmetric", "public"] {
        let other = rows
            .iter()
            .find(|row| row.dimension == 1_000_000 && row.scheme.ends_with(tenseal))
            .map(|row| row.seal_ms);
        for engine in ["FHE 16 bits, NTT", "FHE 16 bits, tfhe"] {
            let ratio = million(engine).zip(other).map(|(row, other)| row.seal_ms / other);
            push(
                &format!("seal, {engine}"),
                if tenseal == "public" {
                    "× TenSEAL's encryption (public)"
                } else {
                    "× TenSEAL's encryption (symmetric)"
                },
                ratio,
                0.35,
            );
        }
    }
    let of_plain = |scheme| million(scheme).and_then(|row| Some(row.add_ms? / plain?.f32_add_ms));
    for scheme in ["MPC standard", "MPC compact", "FHE 16 bits, NTT", "FHE 12 bits"] {
        push(&format!("add a decrypted share, {scheme}"), "× f32 add", of_plain(scheme), 1.3);
    }
    for scheme in ["MPC standard", "MPC compact"] {
        let ratio = million(scheme).and_then(|row| Some(row.other_ms? / plain?.aes_of_words_ms));
        push(
            &format!("receive, expand and add a seed, {scheme}"),
            "× AES-CTR of 4 B/parameter",
            ratio,
            2.0,
        );
    }
    all
}
