#!/usr/bin/env bash
# Times Terraform beside dsenv on the same graphs, in one run on one machine: `value` resources here,
# `terraform_data` there, which need no provider download. Usage: tests/bench/terraform.sh [N ...]
# (default 1000). Needs `terraform` on the PATH; builds dsenv in release mode.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v terraform >/dev/null || { echo "SKIPPED: there is no terraform on the PATH"; exit 0; }
[ -n "${DSENV:-}" ] || cargo build --quiet --release
dsenv=${DSENV:-$PWD/target/release/dsenv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
mkdir -p "$HOME"

# A tree: each resource takes the output of the one at half its number.
tree_dsenv() {
  echo "blueprint: bench"; echo "resources:"
  echo "  r0: {kind: value, input: root}"
  for ((i = 1; i < $1; i++)); do echo "  r$i: {kind: value, input: \"\${r$(((i - 1) / 2)).output}-$i\"}"; done
}
tree_terraform() {
  echo 'resource "terraform_data" "r0" { input = "root" }'
  for ((i = 1; i < $1; i++)); do
    echo "resource \"terraform_data\" \"r$i\" { input = \"\${terraform_data.r$(((i - 1) / 2)).output}-$i\" }"
  done
}

# Ten layers; each resource takes the outputs of three of the layer before.
layers_dsenv() {
  local per=$(($1 / 10))
  echo "blueprint: bench"; echo "resources:"
  for ((i = 0; i < per; i++)); do echo "  l0_$i: {kind: value, input: x$i}"; done
  for ((l = 1; l < 10; l++)); do
    for ((i = 0; i < per; i++)); do
      echo "  l${l}_$i: {kind: value, input: \"\${l$((l - 1))_$i.output}\", replace_on:" \
        "[\"\${l$((l - 1))_$(((i * 7 + 1) % per)).output}\", \"\${l$((l - 1))_$(((i * 13 + 5) % per)).output}\"]}"
    done
  done
}

# The best of ten, for commands of a few milliseconds.
best() { for _ in 1 2 3 4 5 6 7 8 9 10; do measure "$@"; done | sort -n | head -1; }

# Seconds and peak memory of a command, as the operating system counts them.
measure() {
  python3 - "$@" <<'P'
import os, sys, time, resource, subprocess
start = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
took = time.monotonic() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{took:9.3f} s {peak:6.0f} MB" + ("" if code == 0 else f"  (exit {code})"))
P
}

row() { printf '%-34s | %-20s | %s\n' "$1" "$2" "$3"; }
row "what" "terraform" "dsenv"
row "start: version" "$(best terraform version)" "$(best "$dsenv" --version)"
for n in "${@:-1000}"; do
  mkdir -p "$work/tf$n" "$work/ds$n"
  tree_terraform "$n" >"$work/tf$n/main.tf"
  tree_dsenv "$n" >"$work/ds$n/dsenv.yaml"
  terraform -chdir="$work/tf$n" init >/dev/null
  ds() { (cd "$work/ds$n" && measure "$dsenv" "$@"); }
  tf() { measure terraform -chdir="$work/tf$n" "$@"; }
  row "plan, tree of $n, nothing applied" "$(tf plan)" "$(ds plan)"
  row "apply, tree of $n" "$(tf apply -auto-approve)" "$(ds apply --yes)"
  row "plan, tree of $n, no change" "$(tf plan)" "$(ds plan)"
done

# Linear growth: ten times as many cost ten times as much. The best of three, since a machine that has
# just given 150 MB to somebody else pays for them once; an apply starts from nothing each time.
for n in 1000 10000; do
  mkdir -p "$work/layers$n"
  layers_dsenv $n >"$work/layers$n/dsenv.yaml"
  ds() { (cd "$work/layers$n" && for _ in 1 2 3; do "$before" && measure "$dsenv" "$@"; done) | sort -n | head -1; }
  anew() { rm -rf .dsenv; }
  before=anew
  row "plan, $n in ten layers" "not run" "$(ds plan)"
  row "apply, $n in ten layers" "not run" "$(ds apply --yes)"
  before=true
  row "plan, $n in ten layers, no change" "not run" "$(ds plan)"
done
