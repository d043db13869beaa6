#!/bin/bash
# A Connect worker as Debezium's public image starts it: CONNECT_A_B=x is a.b=x in the worker's settings.
set -euo pipefail
fail() { echo "error: $*" >&2; exit 1; }

[ "${1-}" = start ] || exec "$@"

: "${CONFIG_STORAGE_TOPIC:?is missing: the topic of the connectors\' configurations}"
: "${OFFSET_STORAGE_TOPIC:?is missing: the topic of the connectors\' offsets}"
address=$(hostname -I 2>/dev/null | cut -d ' ' -f 1)
export CONNECT_BOOTSTRAP_SERVERS=${BOOTSTRAP_SERVERS:-0.0.0.0:9092}
export CONNECT_GROUP_ID=${GROUP_ID:-1}
export CONNECT_CONFIG_STORAGE_TOPIC=$CONFIG_STORAGE_TOPIC
export CONNECT_OFFSET_STORAGE_TOPIC=$OFFSET_STORAGE_TOPIC
export CONNECT_STATUS_STORAGE_TOPIC=${STATUS_STORAGE_TOPIC:-connect-status}
export CONNECT_KEY_CONVERTER=${KEY_CONVERTER:-org.apache.kafka.connect.json.JsonConverter}
export CONNECT_VALUE_CONVERTER=${VALUE_CONVERTER:-org.apache.kafka.connect.json.JsonConverter}
export CONNECT_OFFSET_FLUSH_INTERVAL_MS=${OFFSET_FLUSH_INTERVAL_MS:-60000}
export CONNECT_OFFSET_FLUSH_TIMEOUT_MS=${OFFSET_FLUSH_TIMEOUT_MS:-5000}
export CONNECT_TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS=${SHUTDOWN_TIMEOUT:-10000}
export CONNECT_REST_ADVERTISED_HOST_NAME=${ADVERTISED_HOST_NAME:-${address:-127.0.0.1}}
export CONNECT_REST_ADVERTISED_PORT=${ADVERTISED_PORT:-8083}
export CONNECT_LISTENERS=${CONNECT_LISTENERS:-http://${REST_HOST_NAME:-0.0.0.0}:${REST_PORT:-8083}}

settings=/tmp/connect-distributed.properties
{
    cat /opt/kafka/config/worker.properties
    for name in "${!CONNECT_@}"; do
        [[ $name != CONNECT_LOG4J* ]] || continue
        key=${name#CONNECT_}
        key=${key//_/.}
        printf '%s=%s\n' "${key,,}" "${!name}"
    done
} >"$settings"
export KAFKA_HEAP_OPTS=${HEAP_OPTS:-${KAFKA_HEAP_OPTS--Xmx256m}}
exec /opt/kafka/engine "${LOG_LEVEL:-warn}" org.apache.kafka.connect.cli.ConnectDistributed "$settings"
