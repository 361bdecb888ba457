# What both packages are made of. Sourced by deb.sh and appdir.sh, which set BIN (a folder with built binaries).
# shellcheck shell=bash
set -euo pipefail
umask 022
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT="$(cd "$HERE/../../.." && pwd)"
export LC_ALL=C.UTF-8 TZ=UTC

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

VERSION="$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")"
[ -n "$VERSION" ] || die "Cargo.toml names no version"
# The same source gives the same package: the time is that of the last commit, if nobody names one.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct 2> /dev/null || echo 0)}"
export SOURCE_DATE_EPOCH
DATE="$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)"

check_binaries() {
    local name
    for name in sahakar sahakar-desktop; do
        [ -x "$BIN/$name" ] || die "$BIN/$name is not there: build it with \`cargo build --release --workspace\`"
    done
}

filled() { # filled FILE: the file with version and date in it
    sed -e "s/@VERSION@/$VERSION/g" -e "s/@DATE@/$DATE/g" "$1"
}

roff_of_options() { # clap's help on standard input, as a list of options
    awk '
        function text(line) { gsub(/\\/, "\\e", line); gsub(/-/, "\\-", line); sub(/^[.\047]/, "\\\\\\&", line); return line }
        /^Options:$/ { on = 1; next }
        /^[^ ].*:$/ && on { sub(/:$/, ""); print ".SS " text($0); next }
        !on || /^$/ { next }
        /^ +-/ { line = $0; sub(/^ +/, "", line); about = ""
                 if (match(line, /  +/)) { about = substr(line, RSTART + RLENGTH); line = substr(line, 1, RSTART - 1) }
                 print ".TP"; print "\\fB" text(line) "\\fR"; if (about != "") print text(about); next }
        { line = $0; sub(/^ +/, "", line); print text(line) }
    '
}

roff_of_commands() { # clap's help on standard input, as a list of commands
    awk '
        /^Commands:$/ { on = 1; next }
        /^$/ { on = 0 }
        on { name = $1; line = $0; sub(/^ +[^ ]+ +/, "", line); gsub(/-/, "\\-", line); print ".TP\n.B " name "\n" line }
    '
}

manual() { # manual NAME PLACEHOLDER: man/NAME.1.in with what standard input says in the placeholder's place
    local lines
    lines="$(mktemp)"
    cat > "$lines"
    [ -s "$lines" ] || die "$1: the program's help was not understood"
    filled "$HERE/man/$1.1.in" | sed -e "/^@$2@$/{r $lines" -e "d}"
    rm -f "$lines"
}

put() { # put MODE SOURCE TARGET
    install -D -m "$1" "$2" "$3"
}

put_from() { # put_from TARGET: standard input as a file of data
    mkdir -p "$(dirname "$1")"
    cat > "$1"
    chmod 0644 "$1"
}

stage() { # stage DIR: what is the same in every package, below DIR/usr
    local usr="$1/usr" name
    for name in sahakar sahakar-desktop; do
        put 0755 "$BIN/$name" "$usr/bin/$name"
        # Names of functions are not needed where nobody debugs, and are a third of the size.
        strip --strip-unneeded --remove-section=.comment --remove-section=.note "$usr/bin/$name"
    done
    put 0644 "$HERE/sahakar-desktop.desktop" "$usr/share/applications/sahakar-desktop.desktop"
    put 0644 "$HERE/sahakar-desktop.svg" "$usr/share/icons/hicolor/scalable/apps/sahakar-desktop.svg"
    filled "$HERE/org.sahakar.desktop.metainfo.xml" | put_from "$usr/share/metainfo/org.sahakar.desktop.metainfo.xml"
    put 0644 "$HERE/trainer.toml" "$usr/share/doc/sahakar/examples/trainer.toml"
    put 0644 "$ROOT/trainer/agent/EVENTS.md" "$usr/share/doc/sahakar/EVENTS.md"
    "$BIN/sahakar" --help | roff_of_commands | manual sahakar COMMANDS | gzip -9n | put_from "$usr/share/man/man1/sahakar.1.gz"
    "$BIN/sahakar" trainer --help | roff_of_options | manual sahakar-trainer OPTIONS | gzip -9n \
        | put_from "$usr/share/man/man1/sahakar-trainer.1.gz"
    "$BIN/sahakar-desktop" --help | roff_of_options | manual sahakar-desktop OPTIONS | gzip -9n \
        | put_from "$usr/share/man/man1/sahakar-desktop.1.gz"
}
