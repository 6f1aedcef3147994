#!/usr/bin/env bash
# Renders the chart into k8s/app/base, for use without Helm.
#
#   scripts/manifests.sh write    `make manifests` runs it
#   scripts/manifests.sh check    compares them with the chart; `make lint-deploy` runs it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly file=k8s/app/base/octet.yaml

# Without `helm test` and the labels that only Helm uses.
rendered() {
  printf '%s\n' '---' '# Generated from helm/octet and k8s/app/values.yaml by "make manifests": change those.'
  helm template octet helm/octet --namespace octet --values k8s/app/values.yaml --skip-tests |
    sed -e '/^ *helm\.sh\/chart: /d' -e 's/^\( *app\.kubernetes\.io\/managed-by: \)Helm$/\1kustomize/' \
      -e '/^# Source: /d' -e 's/[[:space:]]*$//' | awk '!(/^---$/ && seen++ == 0)' | cat -s
}

case "${1:-}" in
  write) rendered >"$file" ;;
  check)
    diff -u "$file" <(rendered) || {
      echo "$file differs from the rendered chart: run \`make manifests\`" >&2
      exit 1
    }
    ;;
  *)
    echo "usage: scripts/manifests.sh write|check" >&2
    exit 1
    ;;
esac
