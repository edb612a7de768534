#!/usr/bin/env bash
# claude-code-router 2.x (3.1 cannot be installed from npm: a dependency is missing there).
#   claude-code-router.sh PATH PORT UPSTREAM_PORT WORK_DIR      PATH: the installed package's `ccr`
#   npm install @musistudio/claude-code-router@2
set -euo pipefail
path=$1 port=$2 upstream=$3 work=$4
mkdir -p "$work/.claude-code-router"
cat >"$work/.claude-code-router/config.json" <<JSON
{
  "HOST": "127.0.0.1", "PORT": $port, "APIKEY": "sk-bench-0000", "LOG": false,
  "NON_INTERACTIVE_MODE": true, "API_TIMEOUT_MS": 600000,
  "Providers": [{"name": "bench", "api_base_url": "http://127.0.0.1:$upstream/v1/messages",
                 "api_key": "upstream-key", "models": ["bench-model"],
                 "transformer": {"use": ["Anthropic"]}}],
  "Router": {"default": "bench,bench-model"}
}
JSON
export HOME=$work SERVICE_PORT=$port NODE_ENV=production
exec "$path" start
