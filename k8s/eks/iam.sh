#!/usr/bin/env bash
# Creates the policies that k8s/eks/cluster.yaml names, from the files in k8s/eks/iam. Run it once, before creating the
# cluster.
#
#   k8s/eks/iam.sh create      prints each policy's ARN
#   k8s/eks/iam.sh delete
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/iam"

readonly policies=(external-dns external-secrets)

account=$(aws sts get-caller-identity --query Account --output text)
for policy in "${policies[@]}"; do
  case "${1:-}" in
    create)
      aws iam create-policy --policy-name "octet-$policy" --policy-document "file://$policy.json" \
        --tags Key=project,Value=octet --query Policy.Arn --output text
      ;;
    delete) aws iam delete-policy --policy-arn "arn:aws:iam::$account:policy/octet-$policy" ;;
    *)
      echo "say which: create or delete" >&2
      exit 1
      ;;
  esac
done
