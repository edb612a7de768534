#!/usr/bin/env bash
# Busbar 1.5.3 and later: one Rust binary, YAML configuration.
#   busbar.sh PATH PORT UPSTREAM_PORT WORK_DIR      PATH: the installed `busbar` program
# Its keys are minted by its administration interface, so a fixed one cannot be sent to everybody:
# the chain of identities is empty here, and it checks no key (which spares it that work).
set -euo pipefail
path=$1 port=$2 upstream=$3 work=$4
cat >"$work/config.yaml" <<YAML
listen: "127.0.0.1:$port"
admin_listen: "127.0.0.1:$((port > 40000 ? port - 1712 : port + 1712))"
identity-providers:
  admin-tokens: { module: admin-tokens, token: { env: BUSBAR_ADMIN_TOKEN } }
auth:
  chain: []
  admin_auth: [admin-tokens]
providers_file: $work/providers.yaml
providers:
  bench:
    api_key: { env: BENCH_KEY }
models:
  bench-model:
    provider: bench
    max_concurrent: 4096
    max_requests: -1
pools:
  all:
    members: [{ model: bench-model, weight: 1 }]
YAML
cat >"$work/providers.yaml" <<YAML
bench:
  protocol: anthropic
  base_url: http://127.0.0.1:$upstream
YAML
export BUSBAR_ADMIN_TOKEN=admin-bench-0000-0000-0000-0000 BENCH_KEY=upstream-key
export BUSBAR_CONFIG=$work/config.yaml RUST_LOG=error
cd "$work"
exec "$path"
