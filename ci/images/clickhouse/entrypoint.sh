#!/bin/bash
# ClickHouse's engine behind its HTTP interface, as the public image starts the server: CLICKHOUSE_USER,
# CLICKHOUSE_PASSWORD and CLICKHOUSE_DB. The front reads them itself.
set -euo pipefail
shopt -s nullglob
fail() { echo "error: $*" >&2; exit 1; }

[ $# -eq 0 ] || exec "$@"
scripts=(/docker-entrypoint-initdb.d/*)
[ ${#scripts[@]} -eq 0 ] || fail "${scripts[0]}: this local image runs no scripts; send them over HTTP"
data=/var/lib/clickhouse
front=(clickhouse-front /usr/lib/libchdb.so "$data" 0.0.0.0:8123
    "${CLICKHOUSE_CONFIG:-/etc/clickhouse-server/config.xml}")
[ "$(id -u)" = 0 ] || exec "${front[@]}"
chown clickhouse:clickhouse "$data"
exec setpriv --reuid=clickhouse --regid=clickhouse --clear-groups -- "${front[@]}"
