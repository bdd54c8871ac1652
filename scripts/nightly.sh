#!/usr/bin/env bash
# The long runs: the same tests with many more cases. Takes hours; not needed before a merge.
#
#     bash scripts/nightly.sh
#
# WHOWAS_KILL_ROUNDS  how often a writing server is killed and recovered (1000)
# WHOWAS_FLIPS        bits that are flipped in the files of a trail (10000), and a tenth of it in those beside
# WHOWAS_POWER_CUTS   all: power is lost before every call, in four ways
# WHOWAS_FAULTS       all: every call of a kind fails once
# WHOWAS_FUZZ         changed copies of the corpus for each fuzz target (200000)
# WHOWAS_SEEDS        stories of simulated sources: so many of Graph's sign-ins, and so many of the others together (1000 each)
# PROPTEST_CASES      cases of every property (5000)
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

export WHOWAS_KILL_ROUNDS="${WHOWAS_KILL_ROUNDS:-1000}"
export WHOWAS_FLIPS="${WHOWAS_FLIPS:-10000}"
export WHOWAS_POWER_CUTS="${WHOWAS_POWER_CUTS:-all}"
export WHOWAS_FAULTS="${WHOWAS_FAULTS:-all}"
export WHOWAS_FUZZ="${WHOWAS_FUZZ:-200000}"
export WHOWAS_SEEDS="${WHOWAS_SEEDS:-1000}"
export PROPTEST_CASES="${PROPTEST_CASES:-5000}"
export NODE_PATH="$PWD/target/browser/node_modules"

echo "kill rounds: $WHOWAS_KILL_ROUNDS, flipped bits: $WHOWAS_FLIPS, stories: $WHOWAS_SEEDS, cases of a property: $PROPTEST_CASES"
cargo test --workspace --locked --no-fail-fast
