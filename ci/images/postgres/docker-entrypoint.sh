#!/bin/bash
# PostgreSQL as its public image starts it: an empty data folder gets POSTGRES_USER, POSTGRES_PASSWORD and
# POSTGRES_DB, then the scripts of /docker-entrypoint-initdb.d; arguments are the server's.
set -euo pipefail
shopt -s nullglob
fail() { echo "error: $*" >&2; exit 1; }

# The variable itself, or the file that NAME_FILE names, or the default.
from_file() {
    local file=$1_FILE
    if [ -n "${!1-}" ] && [ -n "${!file-}" ]; then fail "$1 and $file are both set: take one"; fi
    [ -z "${!file-}" ] || printf -v "$1" %s "$(<"${!file}")"
    printf -v "$1" %s "${!1:-$2}"
    # The server needs none of these.
    export -n "${1?}"
    unset "$file"
}

make_cluster() {
    [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] ||
        fail 'POSTGRES_PASSWORD is missing; POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one'
    local password=()
    [ -z "$POSTGRES_PASSWORD" ] || password=(--pwfile=/dev/stdin)
    # shellcheck disable=SC2086 # Several arguments.
    initdb --username="$POSTGRES_USER" "${password[@]}" --no-sync $POSTGRES_INITDB_ARGS \
        <<<"$POSTGRES_PASSWORD" >/tmp/initdb.log 2>&1 || { cat /tmp/initdb.log >&2; fail 'initdb failed'; }
    printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
}

# Without a server: single-user mode reads one statement a line, and ends well whatever they said.
make_database() {
    [ "$POSTGRES_DB" != postgres ] || return 0
    postgres --single -c fsync=off -c log_checkpoints=off postgres >/tmp/database.log 2>&1 \
        <<<"CREATE DATABASE \"${POSTGRES_DB//\"/\"\"}\""
    ! grep -E 'ERROR|FATAL|PANIC' /tmp/database.log >&2 || fail "no database $POSTGRES_DB was made"
}

# psql as scripts are run by: to a socket inside the container, which nobody else reaches.
ask() {
    PGPASSWORD=$POSTGRES_PASSWORD psql --quiet --no-psqlrc --no-password --set ON_ERROR_STOP=1 \
        --username "$POSTGRES_USER" --host /var/run/postgresql --dbname "$POSTGRES_DB" "$@"
}

# On a server that listens to nobody else, with the same arguments: a script may need what they switch on.
run_scripts() {
    local file scripts=(/docker-entrypoint-initdb.d/*)
    [ ${#scripts[@]} -gt 0 ] || return 0
    pg_ctl start --silent --wait --options "$(printf '%q ' "${@:2}") -c listen_addresses=''" >/tmp/first.log ||
        { cat /tmp/first.log >&2; fail 'the server did not start'; }
    export POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB
    for file in "${scripts[@]}"; do
        echo "running $file"
        case $file in
        *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) ask --file "$file" ;;
        *.sql.gz) gunzip --stdout "$file" | ask ;;
        *) echo "$file is neither .sh, .sql nor .sql.gz: left alone" ;;
        esac
    done
    export -n POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB
    pg_ctl stop --silent --wait --mode fast
}

case ${1-} in '' | -*) set -- postgres "$@" ;; esac
[ "$1" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi
chmod 700 "$PGDATA" 2>/dev/null || true
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    from_file POSTGRES_USER postgres
    from_file POSTGRES_PASSWORD ''
    from_file POSTGRES_DB "$POSTGRES_USER"
    from_file POSTGRES_INITDB_ARGS ''
    : "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
    make_cluster
    make_database
    run_scripts "$@"
fi
exec "$@"
