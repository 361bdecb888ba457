//! Images as rows of a table: what the columns of pixels are called.

use crate::{Channels, ImageShape};

impl ImageShape {
    /// The columns of an image in a table, in the order of its values: `p{row}.{column}` of a grey one, with
    /// `r`, `g` and `b` in place of `p` for the planes of a coloured one.
    #[must_use]
    pub fn columns(self) -> Vec<String> {
        let planes: &[char] = match self.channels() {
            Channels::Grey => &['p'],
            Channels::Colour => &['r', 'g', 'b'],
        };
        let rows = planes.iter().flat_map(|plane| (0..self.height()).map(move |row| (plane, row)));
        rows.flat_map(|(plane, row)| {
            (0..self.width()).map(move |column| format!("{plane}{row}.{column}"))
        })
        .collect()
    }

    /// The shape whose columns these are: a federation over images says so by the names of its features.
    #[must_use]
    pub fn of_columns(columns: &[String]) -> Option<Self> {
        let last = columns.last()?;
        let (plane, rest) = last.split_at_checked(1)?;
        let (row, column) = rest.split_once('.')?;
        let channels = if plane == "b" { Channels::Colour } else { Channels::Grey };
        let side = |text: &str| text.parse::<usize>().ok()?.checked_add(1);
        let shape = Self::with_channels(channels, side(row)?, side(column)?)?;
        (shape.values() == columns.len() && shape.columns() == columns).then_some(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_known_by_its_columns() {
        for (channels, height, width) in [(Channels::Grey, 2, 3), (Channels::Colour, 3, 2)] {
            let shape = ImageShape::with_channels(channels, height, width).unwrap();
            assert_eq!(ImageShape::of_columns(&shape.columns()), Some(shape));
            let mut columns = shape.columns();
            columns.swap(0, 1);
            assert_eq!(ImageShape::of_columns(&columns), None);
        }
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for other in [&["alcohol"][..], &["p0.0", "p9999999.0"], &["p0.x"], &["ä"], &[]] {
            assert_eq!(ImageShape::of_columns(&names(other)), None, "{other:?}");
        }
    }
}
