#!/usr/bin/env bash
# LiteLLM proxy with its Rust core: the same program, path and settings as litellm.sh.
#   litellm-rust.sh PATH PORT UPSTREAM_PORT WORK_DIR
RUST=1 exec "$(dirname "$0")/litellm.sh" "$@"
