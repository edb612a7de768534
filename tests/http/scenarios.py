"""What needs time, many sockets or an upstream of its own: each scenario is a function named after
what it shows, with the numbers of the faults that it stands for. It returns a sentence of what was
seen, or raises Unseen."""
import gzip
import json
import pathlib
import random
import resource
import socket
import struct
import threading
import time

import servers
from conformance import HERE, PATIENCE, is_outcome
from upstream import MESSAGE, Upstream
from wire import Broken, Wire

SCENARIOS = []


class Unseen(Exception):
    """What was owed did not happen."""


def owed(condition, sentence):
    if not condition:
        raise Unseen(sentence)


def scenario(*faults, extra=""):
    """extra: lines of general_settings for the gateway."""
    def add(function):
        SCENARIOS.append((function.__name__.replace("_", "-"), list(faults), extra, function))
        return function
    return add


class Place:
    """A gateway of its own, with its upstream."""

    def __init__(self, extra):
        self.upstream = Upstream()
        lines = "\n".join(f"  {line}" for line in extra.strip().splitlines())
        self.gateway = servers.gateway(self.upstream.port, lines)
        self.pid = self.gateway.process.pid
        self.port = self.gateway.port

    def close(self):
        code = self.gateway.stop()
        self.upstream.close()
        return code

    def rss(self):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def body(self, mark, **more):
        return json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": mark}], **more}).encode()

    def head(self, rest):
        return (f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {servers.KEY}\r\n"
                f"Content-Type: application/json\r\n{rest}\r\n\r\n").encode()

    def post(self, mark, **more):
        body = self.body(mark, **more)
        return self.head(f"Content-Length: {len(body)}") + body

    def works(self, mark="still there"):
        with Wire(self.port) as wire:
            wire.send(self.post(mark))
            answer = wire.answer(PATIENCE)
            owed(answer is not None and answer.status == 200, f"an ordinary request got {answer and answer.status}")

    def rows(self):
        with Wire(self.port) as wire:
            wire.send(f"GET /spend/logs/ui?page_size=100 HTTP/1.1\r\nHost: x\r\nx-api-key: {servers.KEY}\r\n\r\n".encode())
            return json.loads(wire.answer(PATIENCE).body)["data"]


def many_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard) if hard > 0 else count, hard))


@scenario("A12", extra="header_bytes_max: 2000\nheader_count_max: 10\nmax_request_size_mb: 1")
def limits_are_what_the_configuration_says(place):
    for sent, status in ((b"GET /?" + b"q" * 2100, 414), (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"v" * 2100, 431),
                         (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 12 + b"\r\n", 431), (place.head("Content-Length: 1048577"), 413)):
        with Wire(place.port) as wire:
            wire.send(sent)
            answer = wire.answer(PATIENCE)
            owed(answer is not None and answer.status == status, f"{answer and answer.status} instead of {status}")
    with Wire(place.port) as wire:  # chunked: refused as soon as the limit is passed
        wire.send(place.head("Transfer-Encoding: chunked"))
        sent = 0
        while sent < 64 and wire.send(b"10000\r\n" + b"x" * 65536 + b"\r\n") and not wire.poll.poll(0):
            sent += 1
        answer = wire.answer(PATIENCE)
        owed(answer is not None and answer.status == 413, f"chunks: {answer and answer.status}")
    owed(not place.upstream.requests, "the upstream was asked")
    return "414, 431, 431, 413, 413 at the configured limits; no upstream call"


@scenario("A13", extra="header_timeout: 3")
def slowloris_with_a_thousand_sockets(place):
    many_descriptors(4096)
    place.works()
    wires = [Wire(place.port) for _ in range(1000)]
    for wire in wires:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Drip: ")
    begin, slowest, alive = time.monotonic(), 0.0, list(wires)
    answers, dropped = 0, 0
    while alive and time.monotonic() - begin < 20:
        for wire in alive:
            wire.send(b"x")
        before = time.monotonic()
        place.works("while they drip")
        slowest = max(slowest, time.monotonic() - before)
        for wire in list(alive):
            if wire.ends(0):
                alive.remove(wire)
                answers += wire.buffer.startswith(b"HTTP/1.1 408 ")
                dropped += wire.buffer == b""
        time.sleep(0.1)
    took = time.monotonic() - begin
    for wire in wires:
        wire.socket.close()
    owed(not alive, f"{len(alive)} sockets were still open after {took:.0f} s")
    owed(answers + dropped == 1000 and answers > 900, f"{answers} got 408, {dropped} were dropped")
    owed(slowest < 2.0, f"an ordinary request took {slowest:.2f} s meanwhile")
    place.works("afterwards")
    return f"{answers} got 408, {dropped} closed, all within {took:.1f} s (deadline 3 s); slowest ordinary request {slowest * 1000:.0f} ms"


@scenario("A14", extra="body_idle_timeout: 2\nbody_bytes_per_second_min: 200")
def slow_bodies(place):
    with Wire(place.port) as silent, Wire(place.port) as slow:
        begin = time.monotonic()
        for wire in (silent, slow):
            wire.send(place.head("Content-Length: 100000") + b"{")
        while time.monotonic() - begin < 15 and not slow.poll.poll(100):
            slow.send(b" " * 10)  # 100 bytes a second
        took = time.monotonic() - begin
        answers = [wire.answer(PATIENCE) for wire in (silent, slow)]
        owed(all(a is not None and a.status == 408 for a in answers), f"{[a and a.status for a in answers]}")
        owed(3 <= took < 10, f"the slow body was ended after {took:.1f} s")
    owed(not place.upstream.requests, "the upstream was asked")
    place.works()
    return f"silence 408; 100 bytes/s with a minimum of 200 ended with 408 after {took:.1f} s; no upstream call"


@scenario("A14", extra="write_timeout: 3")
def slow_reader(place):
    sent, done = [0], threading.Event()

    def stream(connection, request):
        event = b"event: content_block_delta\ndata: " + json.dumps(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 8000}}).encode() + b"\n\n"
        start = json.loads(MESSAGE)
        start.update(content=[], stop_reason=None)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: message_start\ndata: "
                           + json.dumps({"type": "message_start", "message": start}).encode() + b"\n\nevent: content_block_start\ndata: "
                           + b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n')
        try:
            while sent[0] < 256 << 20:
                connection.sendall(event)
                sent[0] += len(event)
        except OSError:
            pass
        done.set()
        return False

    place.works()
    place.upstream.script[b"never read"] = stream
    before = place.rss()
    with Wire(place.port, receive_buffer=4096) as wire:
        wire.send(place.post("never read", stream=True))
        most = 0.0
        begin = time.monotonic()
        while not done.is_set() and time.monotonic() - begin < 30:
            most = max(most, place.rss() - before)
            time.sleep(0.1)
        took = time.monotonic() - begin
        owed(done.is_set(), "the upstream was never let go")
    owed(sent[0] < 64 << 20, f"{sent[0] >> 20} MiB were taken from the upstream")
    owed(most < 24, f"the gateway grew by {most:.0f} MiB")
    place.works("afterwards")
    return (f"{sent[0] / 1048576:.1f} MiB taken from the upstream (with all socket buffers), gateway +{most:.1f} MiB, "
            f"both ends closed after {took:.1f} s (write_timeout 3 s)")


@scenario("A17")
def compressed_bodies_and_bombs(place):
    bomb = gzip.compress(b" " * (64 << 20), 9)
    with Wire(place.port) as wire:
        wire.send(place.head(f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}"))
        answer = wire.answer(PATIENCE)
        owed(answer is not None and answer.status == 415, f"{answer and answer.status}")
        owed(answer.get("accept-encoding") == "identity", "415 without Accept-Encoding")
        owed(wire.ends(5), "the connection stays open")
    owed(not place.upstream.requests, "the upstream was asked")
    return f"a gzip bomb of {len(bomb) >> 10} KiB (64 MiB unpacked) got 415 before a byte of it was read"


def row_for(place, count):
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        rows = place.rows()
        if len(rows) >= count:
            return rows
        time.sleep(0.2)
    raise Unseen(f"{len(place.rows())} rows instead of {count}")


@scenario("A19")
def a_body_that_ends_early(place):
    body = place.body("cut short")
    hard = struct.pack("ii", 1, 0)
    ways = [(place.head(f"Content-Length: {len(body)}") + body[:-5], False), (place.head("Transfer-Encoding: chunked") + b"%x\r\n" % len(body) + body, False),
            (place.head(f"Content-Length: {len(body)}") + body[:20], True)]
    for sent, reset in ways:
        wire = Wire(place.port)
        wire.send(sent)
        if reset:
            time.sleep(0.2)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
        else:
            wire.socket.shutdown(socket.SHUT_WR)
            owed(wire.ends(5), "the connection stays open")
            owed(wire.buffer == b"" or wire.buffer.startswith(b"HTTP/1.1 400 "), f"{wire.buffer[:40]!r}")
        wire.socket.close()
    place.works("to be sure")
    rows = row_for(place, 4)
    owed(len(place.upstream.requests) == 1, f"{len(place.upstream.requests)} upstream calls")
    failed = [r for r in rows if r["status"] == "failure"]
    owed(len(failed) == 3 and all(not r["spend"] for r in failed), f"{[(r['status'], r['spend']) for r in rows]}")
    return "FIN in a body, FIN in chunks and RST: no upstream call, one row each with spend 0"


@scenario("A20", extra="idle_timeout: 1")
def requests_that_meet_the_idle_close(place):
    chance, lock = random.Random(20), threading.Lock()
    results = {"answered": 0, "closed unseen": 0}

    def one(number):
        mark = f"race {number}."
        with Wire(place.port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            owed(wire.answer(PATIENCE) is not None, "the first request was not answered")
            time.sleep(1 + chance.uniform(-0.02, 0.02))
            wire.send(place.post(mark))
            answer = wire.answer(PATIENCE)
            seen = len(place.upstream.seen(mark.encode()))
            if answer is not None:
                owed(answer.status == 200 and answer.whole and seen == 1, f"{answer.status}, seen {seen} times")
            else:
                owed(wire.closed and wire.buffer == b"" and seen == 0, f"no answer, yet the upstream saw it {seen} times")
            with lock:
                results["answered" if answer else "closed unseen"] += 1

    failures = []

    def guarded(number):
        try:
            one(number)
        except (Unseen, Broken) as problem:
            failures.append(str(problem))

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owed(not failures, "; ".join(failures[:3]))
    return f"120 requests at the moment of the close: {results['answered']} answered, {results['closed unseen']} closed before anything was done"


@scenario("A20")
def a_pooled_upstream_connection_that_is_closing(place):
    """The other side: an upstream that closes behind its answer without saying so."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(MESSAGE)

    def answer_and_close(connection, request):
        connection.sendall(head + MESSAGE)
        return False

    place.upstream.script[b"then close"] = answer_and_close
    for i in range(100):
        place.works(f"then close {i}.")
    twice = [i for i in range(100) if len(place.upstream.seen(b"then close %d." % i)) != 1]
    owed(not twice, f"requests {twice} were sent more than once")
    return "100 requests to an upstream that closes behind each answer: all answered, each sent once"


class Script:
    """The upstream's answers of cases/upstream.json."""

    def __init__(self, case):
        self.case = case
        self.macros = (("$MESSAGE", MESSAGE.decode()), ("$SIZEHEX", f"{len(MESSAGE):x}"), ("$SIZE", str(len(MESSAGE))))

    def bytes(self):
        out = []
        for part in self.case["answer"]:
            text, times = (part, 1) if isinstance(part, str) else (part["repeat"], part["times"])
            for macro, value in self.macros:
                text = text.replace(macro, value)
            out.append(text * times)
        return "".join(out).encode("latin1")

    def __call__(self, connection, request):
        if self.case.get("reset"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(self.bytes())
        if self.case.get("close") or self.case.get("reset"):
            return False
        if self.case.get("body") or self.case.get("whole"):
            return True
        connection.settimeout(10)  # the gateway is to end it: another request here gets no answer
        while connection.recv(4096):
            pass
        return False


def upstream_case(place, case):
    mark = f"answer {case['name']}."
    place.upstream.script[mark.encode()] = Script(case)
    with Wire(place.port) as wire:
        wire.send(place.post(mark))
        answer = wire.answer(12)
        owed(answer is not None, "no answer")
        owed(any(is_outcome(word, answer) for word in case["allow"] + case.get("tolerate", [])), f"{answer.status} instead of {case['allow']}")
        owed(not case.get("body") or json.loads(answer.body) == json.loads(MESSAGE), "another body than the upstream's")
        for name in case.get("lacks", []):
            owed(answer.get(name) is None, f"{name}: {answer.get(name)} reached the caller")
        if "lacks_after" in case:
            for i in range(4):
                wire.send(place.post(f"after {case['name']} {i}."))
                later = wire.answer(12)
                owed(later is not None and case["lacks_after"].encode() not in later.body, "a later request got the injected answer")
    return str(answer.status)


def run_upstream(only, verbose):
    cases = json.loads((HERE / "cases" / "upstream.json").read_text())["cases"]
    cases = [c for c in cases if only is None or only in c["name"]]
    if not cases:
        return []
    place, results = Place(""), []
    for case in cases:
        try:
            outcome, passed = upstream_case(place, case), True
        except (Unseen, Broken, OSError) as problem:
            outcome, passed = str(problem), False
        results.append({"name": case["name"], "faults": ["C48"] + case.get("faults", []), "passed": passed, "outcome": outcome})
    try:
        place.works()
    except Unseen as problem:
        results.append({"name": "upstream-cases-end", "faults": ["C48"], "passed": False, "outcome": str(problem)})
    code = place.close()
    results.append({"name": "upstream-cases-exit", "faults": ["C48"], "passed": code == 0, "outcome": f"exit {code}"})
    return results


def run_scenario(name, faults, extra, function):
    place = Place(extra)
    try:
        outcome, passed = function(place), True
    except (Unseen, Broken, OSError) as problem:
        outcome, passed = f"{type(problem).__name__}: {problem}", False
    code = place.close()
    if code != 0:
        outcome, passed = f"{outcome}; the gateway ended with {code}", False
    return {"name": name, "faults": faults, "passed": passed, "outcome": outcome}


def run(only, verbose):
    chosen = [s for s in SCENARIOS if only is None or only in s[0]]
    results = [run_scenario(*s) for s in chosen] + run_upstream(only, verbose)
    for result in results:
        if verbose or not result["passed"] or not result["name"].startswith("up-"):
            print(f"{'passed' if result['passed'] else 'FAILED'} {','.join(result['faults'])} {result['name']}: {result['outcome']}")
    return results
