//! Bytes as they were before they were compressed.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// The first two bytes of a gzip member (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A source whose gzip layer, if it has one, is taken off.
pub(crate) enum Plain<R: Read> {
    Gzip(Box<MultiGzDecoder<Chain<R>>>),
    Raw(Chain<R>),
}

/// The two bytes that were looked at, and the rest.
type Chain<R> = io::Chain<io::Take<Cursor<[u8; 2]>>, R>;

/// Looks at the first two bytes of `source`, not at a name: a browser may have unpacked the file and
/// kept `.gz`, or the other way round.
///
/// Nothing is unpacked before it is read, so that whoever bounds what is read also bounds what a
/// small archive can grow to.
pub(crate) fn plain<R: Read>(mut source: R) -> io::Result<Plain<R>> {
    let mut start = [0; 2];
    let mut known = 0;
    while known < start.len() {
        match source.read(&mut start[known..]) {
            Ok(0) => break,
            Ok(read) => known += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let chain = Cursor::new(start).take(known as u64).chain(source);
    Ok(if known == start.len() && start == GZIP_MAGIC {
        Plain::Gzip(Box::new(MultiGzDecoder::new(chain)))
    } else {
        Plain::Raw(chain)
    })
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(source) => source.read(buffer),
            Self::Raw(source) => source.read(buffer),
        }
    }
}
