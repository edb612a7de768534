#!/usr/bin/env bash
# Busbar: one Rust binary, YAML configuration.
#   busbar.sh PATH PORT UPSTREAM_PORT WORK_DIR      PATH: the installed `busbar` program
# Written after its documentation of 1.5; where a later version wants other keys, its own message
# names them.
set -euo pipefail
path=$1 port=$2 upstream=$3 work=$4
cat >"$work/busbar.yaml" <<YAML
listen: 127.0.0.1:$port
auth:
  keys: [sk-bench-0000]
providers:
  bench:
    protocol: anthropic
    base_url: http://127.0.0.1:$upstream
    api_key: upstream-key
pools:
  bench-model:
    members: [{provider: bench, model: bench-model}]
YAML
exec "$path" --config "$work/busbar.yaml"
