#!/usr/bin/env bash
# Makes an AppDir of binaries that are built already, and an AppImage of it where its runtime is at hand:
#   appdir.sh --bin DIR [--out DIR] [--runtime FILE]
# FILE is the type-2 runtime of https://github.com/AppImage/type2-runtime for this machine; with it and mksquashfs the
# AppImage is made here. Without it the AppDir is left, for `appimagetool Sahakar.AppDir`. Prints the path.
set -euo pipefail
BIN="" OUT="." RUNTIME=""
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) BIN="$2"; shift 2 ;;
        --out) OUT="$2"; shift 2 ;;
        --runtime) RUNTIME="$2"; shift 2 ;;
        *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
    esac
done
[ -n "$BIN" ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
# shellcheck source=parts.sh
. "$(dirname "${BASH_SOURCE[0]}")/parts.sh"
check_binaries

dir="$OUT/Sahakar.AppDir"
rm -rf "$dir"
stage "$dir"
# What an AppDir has at its top: how it starts, what it is called, how it looks.
put 0755 "$HERE/AppRun" "$dir/AppRun"
ln -s usr/share/applications/sahakar-desktop.desktop "$dir/sahakar-desktop.desktop"
ln -s usr/share/icons/hicolor/scalable/apps/sahakar-desktop.svg "$dir/sahakar-desktop.svg"
ln -s sahakar-desktop.svg "$dir/.DirIcon"
if [ -z "$RUNTIME" ]; then
    printf '%s\n' "$dir"
    exit 0
fi
# The runtime says by these bytes that it is one (AppImage specification 1.0, type 2).
[ "$(dd if="$RUNTIME" bs=1 skip=8 count=3 status=none | od -An -tx1 | tr -d ' ')" = 414902 ] \
    || die "$RUNTIME is no type-2 runtime of AppImage"
image="$OUT/Sahakar-$VERSION-$(uname -m).AppImage"
squash="$(mktemp -u)"
trap 'rm -f "$squash"' EXIT
mksquashfs "$dir" "$squash" -root-owned -noappend -quiet -no-progress -comp gzip -mkfs-time "$SOURCE_DATE_EPOCH" > /dev/null
cat "$RUNTIME" "$squash" > "$image"
chmod 0755 "$image"
printf '%s\n' "$image"
