#!/usr/bin/env bash
# Everything that must hold before a change is merged: format, lints, tests, documentation.
#
#     bash scripts/test.sh
#
# Installs by package name what the tests need and the machine lacks: a C compiler, Python 3, Chromium,
# Node.js, OpenSSL, strace (faults and loss of power), poppler (reads our PDF), Go with its reference code for logs and tlog-scales for Python (verifiers that are not ours), playwright-core and axe-core, which go to target/browser,
# and senders: rsyslog and logger, and the SDKs of OpenTelemetry, CloudEvents and Application Insights, which go to target/senders, and emulators of object storage: moto (S3) and Azurite (Azure), which go to target/clouds; scim2-tester and scim2-client (target/scim). Asks nothing, so it also runs without a terminal.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

say() { printf '\n== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Adds a package unless one of the commands that it gives is there.
packages=()
need() { # package, commands…
  local package=$1 command
  shift
  for command in "$@"; do
    if command -v "$command" >/dev/null 2>&1; then return 0; fi
  done
  packages+=("$package")
}

install_packages() {
  need gcc cc gcc clang
  need python3 python3
  need python3-pip pip3 pip
  need chromium chromium chromium-browser google-chrome google-chrome-stable
  need nodejs node nodejs
  need npm npm
  need openssl openssl
  need strace strace
  need golang-go go
  need bsdutils logger
  need poppler-utils pdftotext
  need rsyslog rsyslogd /usr/sbin/rsyslogd
  if [ -z "$(find /usr/lib -name lmnsd_gtls.so 2>/dev/null)" ]; then packages+=(rsyslog-gnutls); fi
  if [ ! -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then packages+=(golang-golang-x-mod-dev); fi
  if [ "${#packages[@]}" -eq 0 ]; then return 0; fi
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "Install these first, there is no apt-get here: ${packages[*]}" >&2
    return 1
  fi
  say "installing ${packages[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
}

install_tools() {
  if ! command -v cargo >/dev/null 2>&1; then
    echo "Install Rust first: https://rustup.rs" >&2
    return 1
  fi
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    rustup component add rustfmt clippy
  fi
  # A verifier that is not ours, from PyPI; needs Python 3.11. Without it its test says that it is skipped.
  if [ ! -d target/python/tlog_scales ]; then
    python3 -m pip install --quiet --target target/python tlog-scales==0.0.3 ||
      echo "tlog-scales could not be installed: one of the foreign verifiers is left out"
  fi
  # A witness that is not ours. It declares Python 3.12, and works with 3.11, which Debian 12 has.
  if [ ! -d target/witness/python/aics_witness ]; then
    python3 -m pip install --quiet --ignore-requires-python --target target/witness/python \
      aics-witness==0.1.0 aics-tlog==0.2.1 ||
      echo "aics-witness could not be installed: the test of a foreign witness is left out"
  fi
  # Real senders. Without them their tests say that they are skipped.
  if [ ! -d target/senders/python/opentelemetry ]; then
    python3 -m pip install --quiet --target target/senders/python opentelemetry-sdk==1.45.2 \
      opentelemetry-exporter-otlp-proto-http==1.45.2 opentelemetry-exporter-otlp-proto-grpc==1.45.2 cloudevents==2.2.0 ||
      echo "the SDKs of OpenTelemetry and CloudEvents could not be installed: their tests are left out"
  fi
  if [ ! -d target/senders/node_modules/applicationinsights ]; then
    mkdir -p target/senders
    npm install --prefix target/senders --no-save --no-audit --no-fund --silent applicationinsights@2.9.6 ||
      echo "the SDK of Application Insights could not be installed: its test is left out"
  fi
  # Emulators of object storage. Without them their tests say that they are skipped.
  if [ ! -d target/clouds/python/moto ]; then
    python3 -m pip install --quiet --target target/clouds/python "moto[server]==5.1.18" ||
      echo "moto could not be installed: the tests with S3 are left out"
  fi
  if [ ! -d target/clouds/node_modules/azurite ]; then
    mkdir -p target/clouds
    npm install --prefix target/clouds --no-save --no-audit --no-fund --silent azurite@3.35.0 ||
      echo "azurite could not be installed: the test with Azure is left out"
  fi
  # Identity providers: conformance checks and a client of SCIM. Without them their tests say that they are skipped.
  if [ ! -d target/scim/python/scim2_tester ]; then
    python3 -m pip install --quiet --target target/scim/python scim2-tester==0.5.2 scim2-client==0.13.2 httpx2 ||
      echo "scim2-tester could not be installed: its tests are left out"
  fi
  # Drives the browser that is installed; brings none of its own.
  if [ ! -d target/browser/node_modules/playwright-core ] || [ ! -d target/browser/node_modules/axe-core ]; then
    mkdir -p target/browser
    npm install --prefix target/browser --no-save --no-audit --no-fund --silent playwright-core axe-core
  fi
}

run_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked
    # nextest leaves out the examples in the documentation.
    cargo test --workspace --locked --doc --quiet
  else
    cargo test --workspace --locked
  fi
}

check_dependencies() {
  if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked check bans licenses sources
  else
    echo "cargo-deny is not installed: licences were not checked (cargo install --locked cargo-deny)"
  fi
}

install_packages
install_tools
export NODE_PATH="$PWD/target/browser/node_modules"
if [ "${CI:-}" = true ]; then
  # A fresh clone is built once: what a second build would reuse only fills the disk.
  export CARGO_INCREMENTAL=0
fi

say "format"
cargo fmt --all --check
say "house rules"
cargo run --quiet --locked -p xtask -- tidy
say "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
say "tests"
run_tests
say "documentation"
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --workspace --no-deps --locked --quiet
say "dependencies"
check_dependencies
say "all is well"
