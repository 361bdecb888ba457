//! Which versions of the protocol a process speaks, and how two of different age find that out.
//!
//! Each outbound stream proposes the newest protocol first and this one last. Two processes of
//! different versions so end up here without any further connection: each tells the other what it
//! speaks, in one frame of `count u8 ‖ version u16 …`. These bytes never change.

use libp2p::StreamProtocol;

/// The protocol of a link; changed bytes are a new number, and a new [`VERSION`].
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/sahakar/round/2");
/// The number in [`PROTOCOL`].
pub(crate) const VERSION: u16 = 2;
/// The protocol in which processes of different versions tell each other so.
pub(crate) const VERSIONS_PROTOCOL: StreamProtocol = StreamProtocol::new("/sahakar/versions/1");
/// Versions that a process may name.
const VERSIONS_MAX: usize = 16;
/// Longest frame of [`VERSIONS_PROTOCOL`].
pub(crate) const VERSIONS_BYTES_MAX: u32 = 33;

/// What this process speaks, as it is written.
pub(crate) fn own_versions() -> Vec<u8> {
    let [high, low] = VERSION.to_be_bytes();
    vec![1, high, low]
}

/// Reads what a peer speaks; `None` if it is no such list.
pub(crate) fn parse_versions(bytes: &[u8]) -> Option<Vec<u16>> {
    let (count, rest) = bytes.split_first()?;
    let (versions, []) = rest.as_chunks() else { return None };
    let fits = versions.len() == usize::from(*count) && versions.len() <= VERSIONS_MAX;
    fits.then(|| versions.iter().copied().map(u16::from_be_bytes).collect())
}

/// What somebody has to do about two programs of different age.
pub(crate) fn advice(ours: u16, theirs: &[u16]) -> String {
    let spoken: Vec<_> = theirs.iter().map(ToString::to_string).collect();
    let spoken = spoken.join(", ");
    match theirs.iter().max() {
        None => format!("this program speaks version {ours}, the peer names none"),
        Some(newest) if *newest > ours => format!(
            "this program speaks version {ours} of the protocol, the peer {spoken}: update this program"
        ),
        Some(_) => format!(
            "this program speaks version {ours} of the protocol, the peer {spoken}: its owner has to \
             update it"
        ),
    }
}

const _: () = assert!(VERSIONS_BYTES_MAX as usize == 1 + 2 * VERSIONS_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_that_of_the_protocol() {
        assert!(PROTOCOL.as_ref().ends_with(&format!("/{VERSION}")));
        assert_eq!(parse_versions(&own_versions()), Some(vec![VERSION]));
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        for bytes in [&[][..], &[1], &[1, 0], &[2, 0, 1], &[0, 0, 1], &[17; 35]] {
            assert_eq!(parse_versions(bytes), None, "{bytes:?}");
        }
        assert_eq!(parse_versions(&[2, 0, 1, 0, 3]), Some(vec![1, 3]));
        assert_eq!(parse_versions(&[0]), Some(vec![]));
    }

    #[test]
    fn the_older_one_is_told_to_update() {
        assert!(advice(2, &[3, 4]).ends_with("the peer 3, 4: update this program"));
        assert!(advice(2, &[1]).ends_with("the peer 1: its owner has to update it"));
        assert!(advice(2, &[]).ends_with("names none"));
    }
}
