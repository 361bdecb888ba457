#!/usr/bin/env bash
# Makes a Debian package of binaries that are built already: deb.sh --bin DIR [--out DIR] [--compress xz|zstd|gzip|none]
# Needs dpkg-deb, strip and readelf; not root. Prints the package's path.
set -euo pipefail
BIN="" OUT="." COMPRESS="xz"
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) BIN="$2"; shift 2 ;;
        --out) OUT="$2"; shift 2 ;;
        --compress) COMPRESS="$2"; shift 2 ;;
        *) sed -n '2,3s/^# //p' "$0" >&2; exit 2 ;;
    esac
done
[ -n "$BIN" ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
# shellcheck source=parts.sh
. "$(dirname "${BASH_SOURCE[0]}")/parts.sh"
check_binaries

architecture() { # as Debian calls what the binary is for
    case "$(readelf -h "$BIN/sahakar" | sed -n 's/^ *Machine: *//p')" in
        *X86-64*) echo amd64 ;;
        *AArch64*) echo arm64 ;;
        *RISC-V*) echo riscv64 ;;
        *) die "no name in Debian is known for this binary's machine" ;;
    esac
}

glibc() { # the newest version of the C library that a binary asks for
    readelf -W --version-info "$BIN/sahakar" "$BIN/sahakar-desktop" \
        | grep -o 'GLIBC_[0-9.]*' | sort -u -V | tail -1 | sed 's/GLIBC_//'
}

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
chmod 0755 "$dir"
stage "$dir"
put 0644 "$HERE/system/sahakar-trainer.service" "$dir/usr/lib/systemd/system/sahakar-trainer.service"
put 0644 "$HERE/user/sahakar-trainer.service" "$dir/usr/lib/systemd/user/sahakar-trainer.service"
put 0644 "$HERE/lintian-overrides" "$dir/usr/share/lintian/overrides/sahakar"
{
    printf 'sahakar (%s) unstable; urgency=medium\n\n  * See the changelog of the source.\n\n' "$VERSION"
    printf ' -- The Sahakar authors <sahakar@localhost>  %s\n' "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n | put_from "$dir/usr/share/doc/sahakar/changelog.gz"
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: Sahakar\n\n'
    printf 'Files: *\nCopyright: The Sahakar authors\nLicense: MIT or Apache-2.0\n\nLicense: MIT\n'
    sed -e 's/^$/./' -e 's/^/ /' "$ROOT/LICENSE-MIT"
    printf '\nLicense: Apache-2.0\n On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.\n\n'
    printf 'Files: usr/bin/sahakar-desktop\nCopyright: The Sahakar authors; the Noto project authors (an embedded font)\n'
    printf 'License: MIT or Apache-2.0, and OFL-1.1\n\nLicense: OFL-1.1\n'
    sed -e 's/\r$//' -e 's/^$/./' -e 's/^/ /' "$HERE/../fonts/OFL.txt"
} | put_from "$dir/usr/share/doc/sahakar/copyright"

mkdir "$dir/DEBIAN"
(cd "$dir" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$dir/DEBIAN/md5sums"
cat > "$dir/DEBIAN/control" << CONTROL
Package: sahakar
Version: $VERSION
Architecture: $(architecture)
Maintainer: The Sahakar authors <sahakar@localhost>
Installed-Size: $(du -sk --apparent-size "$dir/usr" | cut -f1)
Section: science
Priority: optional
Depends: libc6 (>= $(glibc)), libgcc-s1
Recommends: libgl1, libegl1, libx11-6, libxcursor1, libxi6, libxkbcommon0, libwayland-client0, xdg-desktop-portal
Suggests: libvulkan1
Description: train a model together on data that stay at home
 People who own data train a model together, are credited for what their
 data was measurably worth, sell access to the model, and govern the whole
 as a co-operative.
 .
 This package has the data owner's window (sahakar-desktop), and the command
 line (sahakar) with the headless trainer and its systemd units.
CONTROL
find "$dir" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$OUT"
package="$OUT/sahakar_${VERSION}_$(architecture).deb"
dpkg-deb --root-owner-group -Z"$COMPRESS" $([ "$COMPRESS" != gzip ] || echo -z1) --build "$dir" "$package" > /dev/null
printf '%s\n' "$package"
