#!/usr/bin/env bash
# LiteLLM proxy with its production settings (docs: "Best Practices for Production").
#   litellm.sh PATH PORT UPSTREAM_PORT WORK_DIR      PATH: the installed `litellm` program
#   pip install 'litellm[proxy]'
# RUST=1 asks for the Rust core where that version has it: `rust: true`, 1.108 reads LITELLM_RUST.
set -euo pipefail
path=$1 port=$2 upstream=$3 work=$4
cat >"$work/config.yaml" <<YAML
model_list:
  - model_name: bench-model
    litellm_params:
      model: anthropic/bench-model
      api_base: http://127.0.0.1:$upstream
      api_key: upstream-key
litellm_settings:
  request_timeout: 600
  set_verbose: false
  json_logs: true
  telemetry: false
  ${RUST:+rust: true}
general_settings:
  master_key: sk-bench-0000
  proxy_batch_write_at: 60
YAML
[ -z "${RUST:-}" ] || export LITELLM_RUST=true
export LITELLM_MODE=PRODUCTION LITELLM_LOG=ERROR NO_DOCS=True NO_REDOC=True
exec "$path" --config "$work/config.yaml" --host 127.0.0.1 --port "$port" --num_workers 1
