//! Tables of the results, as Markdown.

use crate::{
    agreement::EPSILONS,
    detection::{ATTACKS, SCORES},
    earnings::{NEAR, STRATEGIES},
    figures::shares,
    row::{Agreement, Detection, Earnings, Fairness, Match, Row, Twins},
    statistics::{mean, quantile, spearman},
    world::{Skew, Task},
};

/// All tables.
pub(crate) fn tables(rows: &[Row]) -> String {
    let of = [agreement, noise, detection, earnings, twins, fairness];
    of.map(|table| table(rows)).join("\n")
}

fn agreements(rows: &[Row]) -> Vec<&Agreement> {
    let mut all = Vec::new();
    for row in rows {
        if let Row::Agreement(of) = row {
            all.push(of);
        }
    }
    all
}

/// Least, median and number of runs: the worst matters for what is promised.
fn agreement(rows: &[Row]) -> String {
    let all = agreements(rows);
    let mut text = "| task | α | n | rounds | Spearman: least, mean, median | of the probe in the clear, least | relative L2: median, largest | first order, largest | efficiency gap, largest |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for task in Task::ALL {
        for alpha in Skew::ALL {
            for n in [8, 10, 16] {
                let of: Vec<_> = all
                    .iter()
                    .filter(|row| row.task == task && row.alpha == alpha && row.contributors == n)
                    .collect();
                if of.is_empty() {
                    continue;
                }
                let order: Vec<f64> = of.iter().filter_map(|row| row.sealed.spearman).collect();
                let clear: Vec<f64> = of.iter().filter_map(|row| row.clear.spearman).collect();
                let error: Vec<f64> = of.iter().filter_map(|row| row.sealed.relative_l2).collect();
                let first: Vec<f64> = of.iter().filter_map(|r| r.first_order.relative_l2).collect();
                let gap: Vec<f64> = of.iter().map(|row| row.efficiency_gap).collect();
                text += &format!(
                    "| {} | {} | {n} | {} | {:.3}, {:.4}, {:.3} | {:.3} | {:.4}, {:.4} | {:.3} | {:.4} |\n",
                    task.name(),
                    alpha.name(),
                    of.len(),
                    quantile(&order, 0.0),
                    mean(&order),
                    quantile(&order, 0.5),
                    quantile(&clear, 0.0),
                    quantile(&error, 0.5),
                    quantile(&error, 1.0),
                    quantile(&first, 1.0),
                    quantile(&gap, 1.0),
                );
            }
        }
    }
    text
}

fn noise(rows: &[Row]) -> String {
    let all = agreements(rows);
    let mut text = "| noise on the scalars of one round | Spearman, mean | relative L2, mean |\n|---|---|---|\n".to_owned();
    if all.is_empty() {
        return text;
    }
    let mut line = |name: &str, of: &dyn Fn(&Agreement) -> Match| {
        let order: Vec<f64> = all.iter().filter_map(|row| of(row).spearman).collect();
        let error: Vec<f64> = all.iter().filter_map(|row| of(row).relative_l2).collect();
        text += &format!("| {name} | {:.3} | {:.3} |\n", mean(&order), mean(&error));
    };
    line("none", &|row| row.sealed);
    for (index, epsilon) in EPSILONS.iter().enumerate().rev() {
        line(&format!("ε = {epsilon}, δ = 10⁻⁵"), &|row| row.noisy[index]);
    }
    text
}

fn detection(rows: &[Row]) -> String {
    let all: Vec<&Detection> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Detection(of) => Some(of),
            _ => None,
        })
        .collect();
    let mut text = format!(
        "| attack | runs | {} | pay rule at α = 0.1, 0.5, ∞ | credits of an attacker: mean, largest |\n|---|---|{}---|---|\n",
        SCORES.join(" | "),
        "---|".repeat(SCORES.len())
    );
    for attack in ATTACKS {
        let of: Vec<_> = all.iter().filter(|row| row.attack == attack).collect();
        if of.is_empty() {
            continue;
        }
        let area = |at: usize| {
            let areas: Vec<f64> = of.iter().map(|row| row.auc[at]).collect();
            format!("{:.2}", mean(&areas))
        };
        let areas: Vec<String> = (0..SCORES.len()).map(area).collect();
        let at_skew = |alpha: Skew| {
            let own = of.iter().filter(|row| row.alpha == alpha);
            format!("{:.2}", mean(&own.map(|row| row.auc[1]).collect::<Vec<_>>()))
        };
        let skews = Skew::ALL.map(at_skew).join(", ");
        let credits: Vec<f64> = of.iter().map(|row| row.credits).collect();
        let (areas, most) = (areas.join(" | "), quantile(&credits, 1.0));
        let line = format!(
            "| {attack} | {} | {areas} | {skews} | {:.2}, {most:.2} |\n",
            of.len(),
            mean(&credits)
        );
        text += &line;
    }
    text
}

fn earnings(rows: &[Row]) -> String {
    let all: Vec<&Earnings> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Earnings(of) => Some(of),
            _ => None,
        })
        .collect();
    let mut text = "| strategy | runs | credits: mean, largest | distance within the group: largest | least distance of others | others taken for duplicates |\n|---|---|---|---|---|---|\n".to_owned();
    for strategy in &STRATEGIES {
        let of: Vec<_> = all.iter().filter(|row| row.strategy == strategy.name).collect();
        if of.is_empty() {
            continue;
        }
        let credits: Vec<f64> = of.iter().map(|row| row.credits).collect();
        let within: Vec<f64> = of.iter().filter_map(|row| row.group_distance).collect();
        let others: Vec<f64> = of.iter().map(|row| row.honest_distance).collect();
        let within = if within.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.4}", quantile(&within, 1.0))
        };
        text += &format!(
            "| {} | {} | {:.2}, {:.2} | {within} | {:.3} | {} |\n",
            strategy.name,
            of.len(),
            mean(&credits),
            quantile(&credits, 1.0),
            quantile(&others, 0.0),
            of.iter().map(|row| row.false_duplicates).sum::<usize>(),
        );
    }
    text
}

/// How often two honest contributors have nearly the same values.
fn twins(rows: &[Row]) -> String {
    let all: Vec<&Twins> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Twins(of) => Some(of),
            _ => None,
        })
        .collect();
    let header: Vec<String> = NEAR.iter().map(|near| format!("≤ {near}")).collect();
    let mut text = format!(
        "| task | α | rounds | pairs of honest contributors | taken for one | {} | least distance |\n|---|---|---|---|---|{}---|\n",
        header.join(" | "),
        "---|".repeat(NEAR.len())
    );
    for task in Task::ALL {
        for alpha in [Skew(Some(0.5)), Skew(None)] {
            for rounds in [4, 8] {
                let of: Vec<_> = all
                    .iter()
                    .filter(|row| row.task == task && row.alpha == alpha && row.rounds == rounds)
                    .collect();
                if of.is_empty() {
                    continue;
                }
                let pairs: usize = of.iter().map(|row| row.pairs).sum();
                let below =
                    |at: usize| of.iter().map(|row| row.below[at]).sum::<usize>().to_string();
                let below: Vec<String> = (0..NEAR.len()).map(below).collect();
                let least: Vec<f64> = of.iter().map(|row| row.least).collect();
                text += &format!(
                    "| {} | {} | {rounds} | {pairs} | {} | {} | {:.4} |\n",
                    task.name(),
                    alpha.name(),
                    of.iter().map(|row| row.taken_for_one).sum::<usize>(),
                    below.join(" | "),
                    quantile(&least, 0.0)
                );
            }
        }
    }
    text
}

fn fairness(rows: &[Row]) -> String {
    let mut text = "| seed | Spearman of honest credits and exact values | largest difference of shares, in points | credits of wrong labels, noise, replay over the mean honest |\n|---|---|---|---|\n".to_owned();
    for row in rows {
        let Row::Fairness(Fairness { seed, kinds, exact, credits, .. }) = row else { continue };
        let shares = shares(kinds, exact, credits);
        let (a, b): (Vec<f64>, Vec<f64>) = shares.iter().copied().unzip();
        let apart = shares.iter().map(|(a, b)| 100.0 * (a - b).abs()).fold(0.0, f64::max);
        let honest = mean(&credits[..a.len()]);
        let others: Vec<String> =
            credits[a.len()..].iter().map(|c| format!("{:.3}", c / honest)).collect();
        let order = spearman(&a, &b).map_or_else(|| "–".to_owned(), |order| format!("{order:.2}"));
        text += &format!("| {seed} | {order} | {apart:.1} | {} |\n", others.join(", "));
    }
    text
}
