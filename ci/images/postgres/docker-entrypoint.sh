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

# What initdb makes: a copy of what it made for the image, or with arguments of one's own the thing itself.
make_cluster() {
    [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] ||
        fail 'POSTGRES_PASSWORD is missing; POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one'
    if [ -z "$POSTGRES_INITDB_ARGS" ]; then
        cp -R /opt/postgres/cluster/. "$PGDATA"
        new-identifier "$PGDATA"
    else
        # shellcheck disable=SC2086 # Several arguments.
        initdb --username=postgres --no-sync $POSTGRES_INITDB_ARGS >/tmp/initdb.log 2>&1 ||
            { cat /tmp/initdb.log >&2; fail 'initdb failed'; }
    fi
    printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
}

name() { printf '"%s"' "${1//\"/\"\"}"; }
literal() { printf "'%s'" "${1//\'/\'\'}"; }

# The superuser that initdb made gets the name and the password; nobody renames himself.
statements() {
    if [ "$POSTGRES_USER" != postgres ]; then
        echo 'CREATE ROLE another SUPERUSER'
        echo 'SET SESSION AUTHORIZATION another'
        echo "ALTER ROLE postgres RENAME TO $(name "$POSTGRES_USER")"
        echo "SET SESSION AUTHORIZATION $(name "$POSTGRES_USER")"
        echo 'DROP ROLE another'
    fi
    [ -z "$POSTGRES_PASSWORD" ] ||
        echo "ALTER ROLE $(name "$POSTGRES_USER") PASSWORD $(literal "$POSTGRES_PASSWORD")"
    [ "$POSTGRES_DB" = postgres ] || echo "CREATE DATABASE $(name "$POSTGRES_DB")"
}

# Without a server: single-user mode reads one statement a line, and ends well whatever they said.
make_database() {
    [[ $POSTGRES_USER$POSTGRES_PASSWORD$POSTGRES_DB != *$'\n'* ]] || fail 'a name or the password has two lines'
    statements | postgres --single -c fsync=off -c log_checkpoints=off -c log_statement=none \
        -c log_min_error_statement=panic postgres >/tmp/database.log 2>&1
    ! grep -E 'ERROR|FATAL|PANIC' /tmp/database.log >&2 ||
        fail "the user $POSTGRES_USER and the database $POSTGRES_DB were not made"
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
