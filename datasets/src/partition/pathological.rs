//! Parts that hold few classes each.

use rand::{
    Rng,
    seq::{SliceRandom as _, index},
};

use super::{
    ClassLabels, PartitionError,
    cut::{append_cut, even_sizes, sorted},
};

/// How often random classes are drawn anew because one was held by nobody. With ten parts of two
/// out of ten classes each, about one draw in four will do.
const ATTEMPTS_MAX: u32 = 1_000;

/// How the classes of each part are chosen. Classes without rows are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassChoice {
    /// Part `i` holds `k` neighbouring classes, from class `i·k` on, round and round.
    ByIndex,
    /// Part `i` holds class `i`, round and round, and others drawn at random: with as many parts as
    /// classes, none is left out. NIID-Bench's way.
    FirstByIndex,
    /// All are drawn at random, anew until each class is held.
    Random,
}

/// Deals each class evenly to those who hold it.
pub(super) fn split(
    labels: ClassLabels<'_>,
    parts: usize,
    classes_per_part: usize,
    choice: ClassChoice,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>, PartitionError> {
    let mut by_class = labels.rows_by_class();
    let present: Vec<usize> =
        (0..labels.classes()).filter(|class| !by_class[*class].is_empty()).collect();
    if !(1..=present.len()).contains(&classes_per_part) {
        let (present, got) = (present.len(), classes_per_part);
        return Err(PartitionError::ClassesPerPart { present, got });
    }
    let holders = choose(parts, present.len(), classes_per_part, choice, rng)
        .map_err(|unheld| PartitionError::ClassUnheld { class: present[unheld] })?;
    let mut dealt = vec![Vec::new(); parts];
    for (&class, holders) in present.iter().zip(&holders) {
        let rows = &mut by_class[class];
        if rows.len() < holders.len() {
            let (rows, holders) = (rows.len(), holders.len());
            return Err(PartitionError::ClassTooSmall { class, rows, holders });
        }
        rows.shuffle(rng);
        let mut shares = vec![Vec::new(); holders.len()];
        append_cut(rows, &even_sizes(rows.len(), holders.len()), &mut shares);
        for (&part, mut share) in holders.iter().zip(shares) {
            dealt[part].append(&mut share);
        }
    }
    Ok(sorted(dealt))
}

/// The parts that hold each of `classes` classes, or a class that none holds.
fn choose(
    parts: usize,
    classes: usize,
    per_part: usize,
    choice: ClassChoice,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<usize>>, usize> {
    let attempts = if choice == ClassChoice::ByIndex { 1 } else { ATTEMPTS_MAX };
    let mut unheld = 0;
    for _ in 0..attempts {
        let mut holders = vec![Vec::new(); classes];
        for part in 0..parts {
            for class in classes_of(part, classes, per_part, choice, rng) {
                holders[class].push(part);
            }
        }
        match holders.iter().position(Vec::is_empty) {
            None => return Ok(holders),
            Some(class) => unheld = class,
        }
    }
    Err(unheld)
}

/// `per_part` different classes.
fn classes_of(
    part: usize,
    classes: usize,
    per_part: usize,
    choice: ClassChoice,
    rng: &mut impl Rng,
) -> Vec<usize> {
    match choice {
        ClassChoice::ByIndex => (0..per_part).map(|k| (part * per_part + k) % classes).collect(),
        ClassChoice::FirstByIndex => {
            let first = part % classes;
            // The others are drawn by their distance from the first, so that it is not drawn again.
            let others = index::sample(rng, classes - 1, per_part - 1);
            [first].into_iter().chain(others.iter().map(|k| (first + 1 + k) % classes)).collect()
        }
        ClassChoice::Random => index::sample(rng, classes, per_part).into_vec(),
    }
}
