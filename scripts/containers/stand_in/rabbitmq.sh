#!/bin/bash
# What RabbitMQ's image does with its variables, for a stand-in of Debian's package.
set -euo pipefail

base=$(echo /usr/lib/rabbitmq/lib/rabbitmq_server-*)
export RABBITMQ_MNESIA_BASE=/var/lib/rabbitmq/mnesia RABBITMQ_LOGS=- RABBITMQ_LOG_BASE=/var/log/rabbitmq
export RABBITMQ_ADVANCED_CONFIG_FILE=/tmp/advanced.config RABBITMQ_CONFIG_FILE=/tmp/none RABBITMQ_CONF_ENV_FILE=/tmp/none
export RABBITMQ_ENABLED_PLUGINS_FILE=/tmp/enabled_plugins RUNNING_UNDER_SYSTEMD=true ERL_CRASH_DUMP_BYTES=0
# RABBITMQ_TLS: a directory with ca.pem, cert.pem and key.pem, for a broker that only speaks TLS.
listeners=
if [[ -n ${RABBITMQ_TLS:-} ]]; then
  listeners="{tcp_listeners, []}, {ssl_listeners, [5671]}, {ssl_options, [{cacertfile, \"$RABBITMQ_TLS/ca.pem\"},
    {certfile, \"$RABBITMQ_TLS/cert.pem\"}, {keyfile, \"$RABBITMQ_TLS/key.pem\"}, {verify, verify_none}]},"
fi
printf '[].\n' >"$RABBITMQ_ENABLED_PLUGINS_FILE"
cat >"$RABBITMQ_ADVANCED_CONFIG_FILE" <<END
[{rabbit, [
    $listeners
    {default_user, <<"$RABBITMQ_DEFAULT_USER">>},
    {default_pass, <<"$RABBITMQ_DEFAULT_PASS">>},
    {loopback_users, []}
]}].
END
exec "$base/sbin/rabbitmq-server"
