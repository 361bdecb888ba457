//! Text as windows of characters, of each of which the next character is the label.
//!
//! Source of the task: `McMahan` et al. 2017, "Communication-Efficient Learning of Deep Networks from
//! Decentralized Data", section 3: a model predicts the next character of plays, and each speaking
//! role is a contributor. Context and stride as in LEAF (Caldas et al. 2018, arXiv 1812.01097): 80
//! and 1.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, Read},
    ops::Range,
    string::FromUtf8Error,
};

use crate::{
    CLASSES_MAX, FEATURES_MAX, ROWS_MAX, RowOutOfRange, RowSource, TakenRows,
    partition::u32_from_row, plain::plain, row_source::take_by, schema::u32_from_count,
};

/// The longest text that is read: fifty times the complete works of Shakespeare.
pub const TEXT_BYTES_MAX: u64 = 256 << 20;

/// How windows are laid over a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windowing {
    /// The characters of a window, 1 to [`FEATURES_MAX`].
    pub context: usize,
    /// How many characters further the next window begins, at least 1.
    pub stride: usize,
}

impl Windowing {
    /// LEAF's: windows of 80 characters, one at each character.
    pub const LEAF: Self = Self { context: 80, stride: 1 };
}

/// Why bytes are not windows of characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowsError {
    /// The text could not be read.
    #[error("cannot read the text")]
    Read(#[source] io::Error),
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error("the text is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// The text is not UTF-8.
    #[error("the text is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// The 0-based byte.
        at: usize,
        /// Why.
        #[source]
        source: FromUtf8Error,
    },
    /// The context or the stride is out of range.
    #[error(
        "expected a context of 1 to {FEATURES_MAX} and a stride from 1, got {context} and {stride}"
    )]
    WindowingOutOfRange {
        /// The characters of a window.
        context: usize,
        /// The characters between beginnings.
        stride: usize,
    },
    /// There are fewer than two characters, so that nothing can be learned, or more than
    /// [`CLASSES_MAX`].
    #[error("expected 2 to {CLASSES_MAX} different characters, got {got}")]
    VocabularySize {
        /// The different characters of the text.
        got: usize,
    },
    /// No role says enough for one window and the character behind it.
    #[error("no role says more than {context} characters: there is no window")]
    Empty {
        /// The characters of a window.
        context: usize,
    },
    /// There are more windows than [`ROWS_MAX`].
    #[error("{got} windows are more than {ROWS_MAX}; take a larger stride")]
    RowsTooMany {
        /// The windows.
        got: usize,
    },
}

/// Windows of characters over what each role of a play says.
///
/// Invariants: at least one window; each lies within what one role says, and so does the character
/// behind it. Windows of one role follow one another in the order of the play. Two bytes are kept
/// for each character and eight for each window; windows are copied out only when they are taken.
#[derive(Clone, PartialEq, Eq)]
pub struct CharacterWindows {
    vocabulary: Vec<char>,
    /// Indices into the vocabulary, role after role.
    text: Vec<u16>,
    context: usize,
    stride: usize,
    roles: Vec<Role>,
    labels: Vec<u32>,
}

/// Where the text and the windows of a role lie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Role {
    name: String,
    text: Range<usize>,
    rows: Range<usize>,
}

impl CharacterWindows {
    /// Reads a play, plain or gzipped.
    ///
    /// Speeches are separated by blank lines; a speech whose first line ends in a colon begins with
    /// the name of who speaks, which is not said. Any other belongs to who spoke last. What one role
    /// says is joined, line by line. The vocabulary is that of the whole text, names included, in the
    /// order of Unicode, so that it is the same however the text is cut.
    ///
    /// # Errors
    /// [`WindowsError`] if `source` is no text, too long, or has no window.
    pub fn from_play(source: impl Read, windowing: Windowing) -> Result<Self, WindowsError> {
        let Windowing { context, stride } = windowing;
        if !(1..=FEATURES_MAX).contains(&context) || stride == 0 {
            return Err(WindowsError::WindowingOutOfRange { context, stride });
        }
        let play = read_text(source)?;
        let vocabulary: Vec<char> = play.chars().collect::<BTreeSet<_>>().into_iter().collect();
        if !(2..=CLASSES_MAX).contains(&vocabulary.len()) {
            return Err(WindowsError::VocabularySize { got: vocabulary.len() });
        }
        let roles = Vec::new();
        let mut windows =
            Self { vocabulary, text: Vec::new(), context, stride, roles, labels: Vec::new() };
        let speeches = speeches_by_role(&play);
        // Counted before any is stored.
        let count = |said: &String| windows.count_in(said.chars().count());
        let got = speeches.values().map(count).fold(0_usize, usize::saturating_add);
        match got {
            0 => return Err(WindowsError::Empty { context }),
            got if got > ROWS_MAX => return Err(WindowsError::RowsTooMany { got }),
            _ => {}
        }
        for (name, said) in speeches {
            windows.append_role(name, &said);
        }
        Ok(windows)
    }

    /// The characters, in the order of their indices: a window's values and labels are such indices.
    #[must_use]
    pub fn vocabulary(&self) -> &[char] {
        &self.vocabulary
    }

    /// The names of the roles that have a window, in alphabetical order.
    pub fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|role| role.name.as_str())
    }

    /// Who says each window, `[rows]`: indices into the names, for
    /// [`natural`](crate::natural) partitions.
    #[must_use]
    pub fn role_ids(&self) -> Vec<u32> {
        let ids = self.roles.iter().enumerate();
        ids.flat_map(|(id, role)| role.rows.clone().map(move |_| u32_from_count(id))).collect()
    }

    /// Splits the windows of each role by time: the last share of what it says is for testing.
    ///
    /// * `test_share` — from 0 to 1, of the characters of each role.
    ///
    /// Windows overlap, so that a random split would test on characters that were trained on. Here
    /// windows that reach over the cut are in neither set. Returns row indices to train and to test
    /// on, both ascending; a role that says little may be in only one.
    ///
    /// A share that is not a number from 0 to 1 counts as 0 or 1.
    #[must_use]
    pub fn split_by_time(&self, test_share: f64) -> (Vec<u32>, Vec<u32>) {
        let (mut training, mut test) = (Vec::new(), Vec::new());
        for role in &self.roles {
            let kept = share_of(role.text.len(), 1.0 - test_share);
            for (at, row) in role.rows.clone().enumerate() {
                let start = at * self.stride;
                // The label is the character behind the window.
                if start + self.context < kept {
                    training.push(u32_from_row(row));
                } else if start >= kept {
                    test.push(u32_from_row(row));
                }
            }
        }
        (training, test)
    }

    /// The windows over so many characters.
    const fn count_in(&self, characters: usize) -> usize {
        // One character more than a window: the label.
        if characters <= self.context {
            0
        } else {
            (characters - self.context - 1) / self.stride + 1
        }
    }

    fn append_role(&mut self, name: String, said: &str) {
        let (start, first) = (self.text.len(), self.labels.len());
        let vocabulary = &self.vocabulary;
        let index = |character: char| {
            let at = vocabulary.binary_search(&character).expect("the vocabulary is of this text");
            u16::try_from(at).expect("CLASSES_MAX fits in u16")
        };
        self.text.extend(said.chars().map(index));
        let rows = self.count_in(self.text.len() - start);
        if rows == 0 {
            // Nothing can be taken of it: the text need not be kept.
            self.text.truncate(start);
            return;
        }
        let next = |row: usize| u32::from(self.text[start + row * self.stride + self.context]);
        self.labels.extend((0..rows).map(next));
        let (text, rows) = (start..self.text.len(), first..self.labels.len());
        self.roles.push(Role { name, text, rows });
    }

    /// Where the window of a row begins in the text.
    fn start_of(&self, row: usize) -> usize {
        let role = &self.roles[self.roles.partition_point(|role| role.rows.end <= row)];
        role.text.start + (row - role.rows.start) * self.stride
    }
}

/// Values are indices into the vocabulary, as whole `f32`; so are labels.
impl RowSource for CharacterWindows {
    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn classes(&self) -> usize {
        self.vocabulary.len()
    }

    fn width(&self) -> usize {
        self.context
    }

    fn take(&self, indices: &[u32]) -> Result<TakenRows, RowOutOfRange> {
        take_by(self, indices, |row, values| {
            let window = &self.text[self.start_of(row)..][..self.context];
            values.extend(window.iter().map(|&character| f32::from(character)));
        })
    }
}

/// Shows the size alone: records have no place in a log.
impl fmt::Debug for CharacterWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CharacterWindows")
            .field("count", &self.labels.len())
            .field("context", &self.context)
            .field("roles", &self.roles.len())
            .field("vocabulary", &self.vocabulary.len())
            .finish_non_exhaustive()
    }
}

fn read_text(source: impl Read) -> Result<String, WindowsError> {
    let mut bytes = Vec::new();
    let source = plain(source).map_err(WindowsError::Read)?;
    source.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(WindowsError::Read)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(WindowsError::TooLong);
    }
    String::from_utf8(bytes)
        .map_err(|source| WindowsError::NotUtf8 { at: source.utf8_error().valid_up_to(), source })
}

/// What each role says, in alphabetical order of the roles.
fn speeches_by_role(play: &str) -> BTreeMap<String, String> {
    let mut speeches: BTreeMap<String, String> = BTreeMap::new();
    let (mut speaker, mut first) = (String::new(), true);
    for line in play.lines() {
        let is_name = first && line.ends_with(':');
        first = line.trim().is_empty();
        if is_name {
            // Names differ in their spaces now and then.
            speaker = line[..line.len() - 1].split_whitespace().collect::<Vec<_>>().join(" ");
        } else if !first {
            let said = speeches.entry(speaker.clone()).or_default();
            if !said.is_empty() {
                said.push('\n');
            }
            said.push_str(line);
        }
    }
    speeches
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length; what is out of range becomes 0 or the length"
)]
fn share_of(len: usize, share: f64) -> usize {
    ((len as f64 * share) as usize).min(len)
}
