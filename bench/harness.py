"""What the scorecard is made with: servers under test, loads, processor time from the kernel."""
import glob
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
KEY = "sk-bench-0000"
SETTLE_S = 0.3  # the recorder commits within 0.2 s; what it takes belongs to the load


def median(values):
    return statistics.median(values)


def spread(values):
    """Interquartile range over median: how far rounds disagree."""
    if len(values) < 4:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / abs(median(values)) if median(values) else 0.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process, seconds=120):
    end = time.time() + seconds
    while time.time() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2) as s:
                if s.getsockname() != s.getpeername():  # a free port can be drawn for both ends
                    return
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"a server ended before it listened: {process.args}")
            time.sleep(0.01)
    raise SystemExit(f"nothing answers on port {port}: {process.args}")


def family(pid):
    """A process and its descendants."""
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            found += [x for child in open(path).read().split() for x in family(int(child))]
        except OSError:
            pass
    return found


def cpu_us(pid):
    """User and system time of all threads so far, from the scheduler's own nanoseconds."""
    total = 0
    for p in family(pid):
        for path in glob.glob(f"/proc/{p}/task/*/schedstat"):
            try:
                total += int(open(path).read().split()[0])
            except OSError:
                pass
    return total / 1000


def memory_kib(pid, field="VmRSS"):
    total = 0
    for p in family(pid):
        for line in open(f"/proc/{p}/status"):
            if line.startswith(field + ":"):
                total += int(line.split()[1])
    return total


def reset_peak(pid):
    """VmHWM counts from here on."""
    for p in family(pid):
        pathlib.Path(f"/proc/{p}/clear_refs").write_text("5")


def place(pid, cpu):
    """All threads of a process and its descendants onto one processor."""
    for p in family(pid):
        for path in glob.glob(f"/proc/{p}/task/*"):
            os.sched_setaffinity(int(path.rsplit("/", 1)[1]), {cpu})


def own_cpu_share():
    """Processor time over wall time of a short spin: what is missing others have taken."""
    wall, cpu = time.perf_counter(), time.process_time()
    while time.process_time() - cpu < 0.02:
        pass
    return 0.02 / (time.perf_counter() - wall)


def make_body(size, stream):
    """A Claude-Code-shaped request of about `size` bytes: tools, system, a long history, markers."""
    def tool(i):
        return {"name": f"tool_{i}", "description": "Does a thing with care. " * 20,
                "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}

    def text(words):
        return {"type": "text", "text": words}
    mark = {"cache_control": {"type": "ephemeral"}}
    if size <= 2000:
        body = {"model": "bench-model", "max_tokens": 1024,
                "messages": [{"role": "user", "content": "x" * max(1, size - 120)}]}
    else:
        body = {"model": "bench-model", "max_tokens": 1024, "messages": [],
                "system": [{**text("You are a careful engineer. " * min(size // 400, 600)), **mark}],
                "tools": [tool(i) for i in range(max(1, min(24, size // 8000)))]}
        used, turn = len(json.dumps(body, separators=(",", ":"))), 0
        while used < size - 2500:
            pair = [
                {"role": "user", "content": [text(f"Turn {turn}: \"please\" look at it again.\n" * 30)]},
                {"role": "assistant", "content": [text(f"Answer {turn}: I have looked at it.\n" * 30)]}]
            body["messages"] += pair
            used += len(json.dumps(pair, separators=(",", ":")))
            turn += 1
        body["messages"].append({"role": "user", "content": [{**text("And now the last step."), **mark}]})
    if stream:
        body["stream"] = True
    return json.dumps(body, separators=(",", ":")).encode()


def make_blocks(size, blocks):
    """A request of about `size` bytes with that many blocks of equal length, one in each message."""
    def message(i, words):
        return {"role": ("user", "assistant")[i % 2], "content": [{"type": "text", "text": words}]}
    empty = len(json.dumps(message(0, ""), separators=(",", ":"))) + 3
    words = "x" * max(1, size // blocks - empty)
    body = {"model": "bench-model", "max_tokens": 1024, "messages": [message(i, words) for i in range(blocks)]}
    body["messages"][-1]["content"][0]["cache_control"] = {"type": "ephemeral"}
    return json.dumps(body, separators=(",", ":")).encode()


class Server:
    """A process under test. `path`: where requests go; `headers`: what they carry."""

    def __init__(self, name, command, port, path="/v1/messages", env=None, log=None,
                 wait=True):
        self.name, self.port, self.path = name, port, path
        output = open(log, "wb") if log else subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=output, stderr=output,
                                        env={**os.environ, **(env or {})})
        if wait:
            wait_port(port, self.process)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Field:
    """Everything that runs during one scenario, and where its files lie."""

    def __init__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="warmpath-bench-"))
        self.servers = []
        self.bodies = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def start(self, *args, **kwargs):
        server = Server(*args, **kwargs)
        self.servers.append(server)
        return server

    def end(self, server):
        server.stop()
        self.servers.remove(server)

    def body(self, size, stream, blocks=0):
        path = self.work / f"body-{size}-{int(stream)}-{blocks}.json"
        if path not in self.bodies:
            path.write_bytes(make_blocks(size, blocks) if blocks else make_body(size, stream))
            self.bodies[path] = True
        return path

    def certificate(self):
        cert, key = self.work / "cert.pem", self.work / "key.pem"
        if not cert.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                            "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                            "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        return cert, key

    def upstream(self, events=20, interval_us=0, tls=False):
        port = free_port()
        command = [BUILD / "bench" / "bench_upstream", str(port), str(events), str(interval_us)]
        if tls:
            command += self.certificate()
        return self.start("direct", command, port)

    def nginx(self, upstream, tls=False, path="/v1/messages", buffered=False):
        port = free_port()
        work = self.work / f"nginx-{port}"
        work.mkdir()
        secure = "proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse on;" if tls else ""
        (work / "nginx.conf").write_text(f"""worker_processes 1; daemon off; pid {work}/nginx.pid;
error_log {work}/error.log; worker_rlimit_nofile 65536; events {{ worker_connections 32768; }}
http {{ access_log off; client_body_buffer_size 4m; client_max_body_size 64m;
 client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
 uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
 upstream up {{ server 127.0.0.1:{upstream.port}; keepalive 1024; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{port} reuseport backlog=4096; keepalive_requests 100000000;
  location / {{ proxy_pass http{'s' if tls else ''}://up; proxy_http_version 1.1; {secure}
   proxy_set_header Connection ""; proxy_buffering off;
   proxy_request_buffering {'on' if buffered else 'off'}; }} }} }}""")
        return self.start("nginx-buffered" if buffered else "nginx", [shutil.which("nginx") or "/usr/sbin/nginx", "-c",
                                    work / "nginx.conf", "-p", work], port, path)

    def haproxy(self, upstream, tls=False, path="/v1/messages"):
        port = free_port()
        config = self.work / f"haproxy-{port}.cfg"
        secure = "ssl verify none" if tls else ""
        config.write_text(f"""global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-no-delay
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server u 127.0.0.1:{upstream.port} {secure} pool-max-conn 2000
""")
        return self.start("haproxy", [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-q",
                                      "-f", config], port, path)

    def warmpath(self, upstream, tls=False, bedrock=False, workers=1, wait=True, under=()):
        """`under`: a command that runs it, such as a profiler's."""
        port = free_port()
        name = f"warmpath-{port}"
        url = f"http{'s' if tls else ''}://127.0.0.1:{upstream.port}"
        deployments = ""
        for i in range(2):
            deployments += "  - model_name: bench-model\n    litellm_params:\n"
            if bedrock:
                deployments += (f"      model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0\n"
                                f"      aws_bedrock_runtime_endpoint: {url}\n      aws_region_name: us-east-1\n"
                                f"      aws_access_key_id: AKIABENCH{i}\n"
                                f"      aws_secret_access_key: secret-of-{i}\n")
            else:
                deployments += (f"      model: anthropic/bench-model\n      api_base: {url}\n"
                                f"      api_key: upstream-key-{i}\n")
        config = self.work / f"{name}.yaml"
        config.write_text('router_settings:\n  optional_pre_call_checks: ["prompt_caching"]\n'
                          f"general_settings:\n  master_key: {KEY}\nmodel_list:\n{deployments}")
        command = [*under, BUILD / "warmpath", "serve", "--config", config, "--port", str(port),
                   "--num_workers", str(workers), "--state-dir", self.work / f"state-{name}",
                   "--log-level", "error"]
        if tls:
            command += ["--ca-file", self.certificate()[0]]
        return self.start("warmpath", command, port, wait=wait)

    def peer(self, name, path, upstream):
        """A peer by its script in bench/peers: SCRIPT PATH PORT UPSTREAM_PORT WORK_DIR."""
        port, work = free_port(), self.work / f"peer-{name}"
        work.mkdir()
        return self.start(name, [ROOT / "bench" / "peers" / f"{name}.sh", path, str(port),
                                 str(upstream.port), work], port, log=work / "log")


def raise_limits():
    """More descriptors, where this user may have them. Returns how many there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (131072, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
            return wanted
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def load_command(server, body, connections, requests, *options):
    return [str(BUILD / "bench" / "bench_load"), *options, "127.0.0.1", str(server.port), server.path,
            str(body), str(connections), str(requests), f"Authorization: Bearer {KEY}",
            "anthropic-version: 2023-06-01"]


def load(server, body, connections, requests, *options):
    out = subprocess.run(load_command(server, body, connections, requests, *options),
                         capture_output=True, text=True)
    if not out.stdout.strip():
        raise SystemExit(f"load failed: {out.stderr}")
    return json.loads(out.stdout.splitlines()[-1])


def measure(server, body, connections, requests, *options):
    """One load; with the server's processor time per request."""
    before = cpu_us(server.pid)
    result = load(server, body, connections, requests, *options)
    time.sleep(SETTLE_S)
    result["cpu_us"] = (cpu_us(server.pid) - before) / max(1, result["requests"])
    result["rate"] = result["requests"] / result["seconds"]
    return result


SLOW_S = 4  # a load lasts no longer for peers that take milliseconds per request


class Rounds:
    """The same load on every server, `count` times, in rotating order; paired figures. Who is slow
    gets fewer requests: as many as it answered in SLOW_S when it was warmed up."""

    def __init__(self, servers, body, connections, requests, count, *options, pinned=False):
        cpus = sorted(os.sched_getaffinity(0))
        if pinned and len(cpus) > 1:
            # The load and the upstream on one processor, who is measured on another: left alone, the
            # kernel puts them on one or on two, and the wake-up between processors is half of what
            # is added.
            os.sched_setaffinity(0, {cpus[0]})
            for server in servers:
                place(server.pid, cpus[0] if server.name == "direct" else cpus[-1])
        self.names = [s.name for s in servers]
        self.rounds, self.shares = [], []
        loads = {}
        for server in servers:
            warm = load(server, body, connections, max(requests // 10, connections, 20), *options)
            rate = warm["requests"] / warm["seconds"]
            loads[server.name] = max(connections, 20, min(requests, int(rate * SLOW_S)))
        time.sleep(SETTLE_S)
        for number in range(count):
            turn = number % len(servers)
            self.shares.append(own_cpu_share())
            self.rounds.append({s.name: measure(s, body, connections, loads[s.name], *options)
                                for s in servers[turn:] + servers[:turn]})
        os.sched_setaffinity(0, cpus)

    def of(self, name, key):
        return median([r[name][key] for r in self.rounds])

    def errors(self):
        return sum(r[n]["errors"] for r in self.rounds for n in self.names)

    def ratios(self, key, name="warmpath", to="nginx"):
        return [r[name][key] / r[to][key] for r in self.rounds]

    def added(self, key, name):
        return [r[name][key] - r["direct"][key] for r in self.rounds]

    def added_ratios(self, key, name="warmpath", to="nginx"):
        return [(r[name][key] - r["direct"][key]) / max(r[to][key] - r["direct"][key], 1.0)
                for r in self.rounds]

    def quiet(self):
        """Whether the machine left latencies alone: a spin got its processor in most rounds."""
        return median(self.shares) >= 0.8


def sha256_us(body):
    """Processor time of OpenSSL's SHA-256 over the body."""
    data, count = body.read_bytes(), 0
    begun = time.process_time()
    while time.process_time() - begun < 0.05:
        hashlib.sha256(data).digest()
        count += 1
    return (time.process_time() - begun) * 1e6 / count
