#!/usr/bin/env bash
# Makes the packages of binaries that are built already and looks whether they are what they should be:
#   check.sh --bin DIR
# Installs into a folder of its own; what is not installed here (lintian and others) is said and left out.
set -euo pipefail
[ "${1:-}" = --bin ] && [ -n "${2:-}" ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
BIN="$(cd "$2" && pwd)"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

fail() { printf 'check.sh: %s\n' "$*" >&2; exit 1; }

has() { # has PROGRAM: whether it is installed here
    command -v "$1" > /dev/null || { echo "left out: $1 is not installed"; return 1; }
}

package="$("$HERE/deb.sh" --bin "$BIN" --out "$scratch/one" --compress none)"
again="$("$HERE/deb.sh" --bin "$BIN" --out "$scratch/two" --compress none)"
cmp "$package" "$again" || fail "the same binaries gave two different packages"

files="$(dpkg-deb --fsys-tarfile "$package" | tar t)"
for file in usr/bin/sahakar usr/bin/sahakar-desktop usr/share/applications/sahakar-desktop.desktop \
    usr/share/icons/hicolor/scalable/apps/sahakar-desktop.svg usr/share/metainfo/org.sahakar.desktop.metainfo.xml \
    usr/lib/systemd/system/sahakar-trainer.service usr/lib/systemd/user/sahakar-trainer.service \
    usr/share/doc/sahakar/examples/trainer.toml usr/share/man/man1/sahakar-trainer.1.gz; do
    grep -qx "./$file" <<< "$files" || fail "the package lacks $file"
done

# Installed by dpkg itself, with a database of its own; what it depends on is this machine's.
root="$scratch/root"
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
: > "$root/var/lib/dpkg/status"
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(fakeroot)
"${as_root[@]}" dpkg --root="$root" --force-depends --force-not-root --log="$scratch/dpkg.log" -i "$package" \
    > "$scratch/dpkg.out" 2>&1 || { cat "$scratch/dpkg.out" >&2; fail "dpkg does not install it"; }
version="$("$root/usr/bin/sahakar" --version)"
[ "$version" = "sahakar $(dpkg-deb -f "$package" Version)" ] || fail "the installed program says $version"
[ "$("$root/usr/bin/sahakar-desktop" --version)" = "sahakar-desktop ${version#sahakar }" ] || fail "the window's version"

# Every flag of the trainer has its place in the manual.
manual="$(zcat "$root/usr/share/man/man1/sahakar-trainer.1.gz" | sed 's/\\-/-/g')"
for flag in $("$root/usr/bin/sahakar" trainer --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
    grep -q -- "$flag" <<< "$manual" || fail "sahakar-trainer(1) lacks $flag"
done

if has desktop-file-validate; then
    desktop-file-validate "$root/usr/share/applications/sahakar-desktop.desktop"
fi
if has appstreamcli; then
    appstreamcli validate --no-net "$root/usr/share/metainfo/org.sahakar.desktop.metainfo.xml" > "$scratch/appstream" \
        || { cat "$scratch/appstream" >&2; fail "the metainfo is not valid"; }
fi
if has systemd-analyze; then
    units="$root/usr/lib/systemd"
    export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$scratch}"
    for unit in system user; do
        # The program is where the unit says only on a machine that has the package installed.
        sed -e "s#=/usr/bin/sahakar#=$root/usr/bin/sahakar#" "$units/$unit/sahakar-trainer.service" > "$scratch/sahakar-trainer.service"
        said="$(systemd-analyze verify "--$unit" --man=no "$scratch/sahakar-trainer.service" 2>&1 | grep sahakar-trainer || true)"
        [ -z "$said" ] || fail "systemd about the unit ($unit): $said"
    done
    # 0 is everything forbidden, 10 everything allowed; systemd calls up to 2 "OK".
    systemd-analyze security --offline=true --threshold=20 "$units/system/sahakar-trainer.service" > "$scratch/security" \
        || { cat "$scratch/security" >&2; fail "the unit forbids too little"; }
    tail -1 "$scratch/security"
fi
full() { # what takes minutes with binaries of this size is done where it is asked for
    [ "${SAHAKAR_PACKAGES_FULL:-}" = 1 ]
}
if full && has lintian; then
    # Uncompressed is this check's own haste.
    lintian --fail-on error,warning --suppress-tags \
        uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball "$package"
fi

appdir="$("$HERE/appdir.sh" --bin "$BIN" --out "$scratch")"
[ "$(ARGV0=sahakar "$appdir/AppRun" --version)" = "$version" ] || fail "AppRun does not start the command line"
[ "$("$appdir/AppRun" --version)" = "sahakar-desktop ${version#sahakar }" ] || fail "AppRun does not start the window"
for link in sahakar-desktop.desktop sahakar-desktop.svg .DirIcon; do
    [ -f "$appdir/$link" ] || fail "the AppDir lacks $link"
done
! "$HERE/appdir.sh" --bin "$BIN" --out "$scratch" --runtime "$BIN/sahakar" 2> /dev/null \
    || fail "a program that is no runtime was taken for one"
if full && has mksquashfs; then
    # No runtime is at hand: a program that bears its mark stands in, to see how the two are put together.
    cp "$(command -v true)" "$scratch/runtime"
    printf 'AI\002' | dd of="$scratch/runtime" bs=1 seek=8 conv=notrunc status=none
    image="$("$HERE/appdir.sh" --bin "$BIN" --out "$scratch" --runtime "$scratch/runtime")"
    listed="$(unsquashfs -o "$(stat -c %s "$scratch/runtime")" -l "$image")"
    grep -q 'squashfs-root/AppRun$' <<< "$listed" || fail "the AppImage lacks AppRun"
    "$image" || fail "the AppImage does not start with its runtime"
fi
echo "$(basename "$package"), $(du -h "$package" | cut -f1) unpacked: installs, starts, and is the same each time"
