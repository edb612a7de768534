#!/usr/bin/env bash
# Portkey AI gateway (OSS, Node).
#   portkey.sh PATH PORT UPSTREAM_PORT WORK_DIR      PATH: the installed package's start-server.js
#   npm install @portkey-ai/gateway; PATH is node_modules/@portkey-ai/gateway/build/start-server.js
# It takes provider and upstream from request headers: a small nginx in front adds them, as its
# users' ingress does; the load generator sends the same request to everybody.
set -euo pipefail
path=$1 port=$2 upstream=$3 work=$4
inner=$((port > 40000 ? port - 1711 : port + 1711))
cat >"$work/nginx.conf" <<NGINX
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 4096; }
http { access_log off; client_max_body_size 64m; client_body_buffer_size 4m;
 client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f;
 uwsgi_temp_path $work/u; scgi_temp_path $work/s;
 upstream portkey { server 127.0.0.1:$inner; keepalive 256; }
 server { listen 127.0.0.1:$port; location / { proxy_pass http://portkey; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off;
  proxy_set_header x-portkey-provider anthropic;
  proxy_set_header x-portkey-custom-host http://127.0.0.1:$upstream/v1; } } }
NGINX
export NODE_ENV=production TRUSTED_CUSTOM_HOSTS=127.0.0.1,localhost
node "$path" --headless --port="$inner" &
trap 'kill %1 2>/dev/null' EXIT
until (echo >"/dev/tcp/127.0.0.1/$inner") 2>/dev/null; do sleep 0.1; kill -0 %1; done
nginx -c "$work/nginx.conf" -p "$work" &
trap 'kill %1 %2 2>/dev/null' EXIT
wait -n
