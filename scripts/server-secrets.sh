#!/usr/bin/env bash
# Prints Secrets of the bundled servers with new passwords, for manifests without Helm:
#
#   scripts/server-secrets.sh | kubectl apply --filename -
#
# Run it once, before the servers first start: their volumes keep these passwords.
set -euo pipefail

password() {
  # Letters and digits only: the password is part of a URL.
  LC_ALL=C tr -dc 'A-Za-z0-9' < <(head -c 4096 /dev/urandom) | head -c 32
}

secret() {
  local server=$1 before=$2 after=$3 password
  password=$(password)
  printf '%s\n' '---' 'apiVersion: v1' 'kind: Secret' 'type: Opaque' \
    "metadata: {name: octet-$server, namespace: octet}" \
    'stringData:' "  password: $password" "  connection: $before$password$after"
}

secret rabbitmq amqp://octet: @rabbitmq:5672/%2f
secret mongodb mongodb://octet: '@mongodb:27017/?authSource=admin'
