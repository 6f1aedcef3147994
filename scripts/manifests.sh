#!/usr/bin/env bash
# Renders the chart for people without Helm into k8s/app/base.
#
#   scripts/manifests.sh write    `make manifests` runs it
#   scripts/manifests.sh check    whether they are what the chart renders; `make lint-deploy` runs it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly file=k8s/app/base/octet.yaml

# `helm test` is Helm's own, and so are the labels and annotations by which it finds what it made.
rendered() {
  printf '%s\n' '---' '# Made from helm/octet and k8s/app/values.yaml by "make manifests": change those.'
  helm template octet helm/octet --namespace octet --values k8s/app/values.yaml --skip-tests |
    sed -e '/^ *helm\.sh\/chart: /d' -e 's/^\( *app\.kubernetes\.io\/managed-by: \)Helm$/\1kustomize/' \
      -e '/^# Source: /d' -e 's/[[:space:]]*$//' | awk '!(/^---$/ && seen++ == 0)' | cat -s
}

case "${1:-}" in
  write) rendered >"$file" ;;
  check)
    diff -u "$file" <(rendered) || {
      echo "$file is not what the chart renders: run \`make manifests\`" >&2
      exit 1
    }
    ;;
  *)
    echo "say which: write or check" >&2
    exit 1
    ;;
esac
