# The cutproof that the steps behind this one use: the one that was given, or this action's own sources, built.
set -euo pipefail

# What goes into the file of outputs is one line.
given() {
    case $1 in
        *[[:cntrl:]]*) echo "::error title=cutproof::expected a path for binary, and it has a control character"; exit 2 ;;
    esac
    printf '%s' "$1"
}

if [ -n "$CUTPROOF_BINARY" ]; then
    binary=$(given "$CUTPROOF_BINARY")
    # An artifact keeps no file modes.
    if [ -f "$binary" ] && [ ! -x "$binary" ]; then chmod +x "$binary"; fi
    binary=$(realpath -- "$binary")
else
    root=${RUNNER_TEMP:?}/cutproof
    cargo install --locked --quiet --path "$CUTPROOF_ACTION/../.." --root "$root"
    binary=$root/bin/cutproof
fi
"$binary" --version
echo "binary=$binary" >>"$GITHUB_OUTPUT"
