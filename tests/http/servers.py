"""The servers under test, all in front of the recording upstream: the gateway, Debian's nginx and
HAProxy, each with a configuration of a few lines."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sk-conformance"

GATEWAY = """model_list:
  - model_name: m
    litellm_params:
      model: anthropic/m
      api_base: http://127.0.0.1:{upstream}
      api_key: upstream-key
      timeout: 20
router_settings:
  num_retries: 0
general_settings:
  master_key: {key}
{extra}
"""

NGINX = """daemon off;
master_process off;
pid {folder}/pid;
error_log /dev/null;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    client_max_body_size 32m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""

HAPROXY = """global
    maxconn 2048
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout http-request 10s
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    server one 127.0.0.1:{upstream}
"""


class Server:
    def __init__(self, name, command, port, folder, process, log):
        self.name, self.command, self.port, self.folder, self.process, self.log = name, command, port, folder, process, log

    def output(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _spawn(name, command, folder, port=None, env=None):
    log = os.path.join(folder, "output")
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=env)
    server = Server(name, command, port, folder, process, log)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if server.port is None:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", server.output())
            server.port = int(found.group(1)) if found else None
        if server.port is not None:
            try:
                socket.create_connection(("127.0.0.1", server.port), 1).close()
                return server
            except OSError:
                pass
        time.sleep(0.02)
    output = server.output()
    server.stop()
    raise RuntimeError(f"{name} did not start: {output}")


def gateway(upstream, extra="", binary=None, workers=2, wrapper=()):
    """The gateway; `extra` are further lines of general_settings."""
    folder = tempfile.mkdtemp(prefix="warmpath-http-")
    config = os.path.join(folder, "config.yaml")
    pathlib.Path(config).write_text(GATEWAY.format(upstream=upstream, key=KEY, extra=extra))
    binary = binary or os.environ.get("WARMPATH_BINARY") or str(ROOT / "build/warmpath")
    wrapper = [*wrapper, *os.environ.get("WARMPATH_WRAPPER", "").split()]
    command = [*wrapper, binary, "serve", "--config", config, "--port", "0", "--num_workers", str(workers)]
    command += ["--state-dir", os.path.join(folder, "state")]
    env = {"PATH": os.environ["PATH"], "HOME": folder}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    return _spawn("gateway", command, folder, env=env)


def _proxy(name, text, command):
    for attempt in range(5):  # the free port may be taken before the server has it
        folder = tempfile.mkdtemp(prefix="warmpath-http-")
        port = free_port()
        pathlib.Path(folder, "config").write_text(text(folder, port))
        try:
            return _spawn(name, command(os.path.join(folder, "config")), folder, port)
        except RuntimeError:
            if attempt == 4:
                raise
    return None


def nginx(upstream):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return _proxy("nginx", lambda folder, port: NGINX.format(folder=folder, port=port, upstream=upstream),
                  lambda file: [program, "-c", file, "-e", "/dev/null"])


def haproxy(upstream):
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    return _proxy("haproxy", lambda folder, port: HAPROXY.format(port=port, upstream=upstream),
                  lambda file: [program, "-f", file, "-db"])
