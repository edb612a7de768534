"""Runs the cases of cases/*.json against a server and judges each one.

A case (JSON) has: name; level (MUST, SHOULD, MAY or -); rfc ("9112 6.3"); send: steps, each a string
or a list of strings and {"repeat", "times"} (characters are bytes); allow and tolerate: outcomes
that are right, or permitted but not the strictest. scored: false leaves it out of the sum.

Outcomes: a status (400), a class (2xx), answered (any answer), final (any but 1xx), not-101, close
(ended without an answer), timeout (still waiting), empty-body-400 (the request was understood and
its empty body refused: the connection stays), dropped (answered, and the field named by `foreign`
did not reach the upstream).

Further conditions, all of which must hold: then "closed" or "closed-after-first"; answers: the
status classes of all answers, in order; second: what may follow the second step; single: at most
one answer, and nothing but the first request reaches the upstream; no_smuggled: "/smuggled" is
never answered or forwarded; echo: the upstream got exactly the body; upstream_lacks; no_upstream;
never: statuses; header: status -> field that must be there; absent: the opposite; matches: field
-> pattern; no_body; body_lacks. Whatever the case: what reaches the upstream must be unambiguous.

In the bytes: $POST is a request line with Host, key and content type; $BODY a small model request,
$B1 and $B2 its halves (4 bytes and the rest); $LEN, $HEX, $HEXUPPER, $HEX2 their lengths;
$CHUNKEDLEN the length of $BODY as one chunk with the end; $SMUGLEN of the smuggled request with the
empty chunk before it; $AUTH the key's field.
"""
import json
import pathlib
import re
from concurrent.futures import ThreadPoolExecutor

from servers import KEY
from upstream import ambiguity
from wire import Broken, Wire

HERE = pathlib.Path(__file__).resolve().parent
SUITES = ["compliance", "smuggling", "malformed", "normalisation", "cookies", "h1spec", "garden", "ingress"]
WAIT, PATIENCE = 0.7, 6.0  # seconds: where waiting is right, and where an answer is expected


def load(suite):
    cases = json.loads((HERE / "cases" / f"{suite}.json").read_text())["cases"]
    for case in cases:
        case["suite"] = suite
    return cases


class Bytes:
    """The bytes of one case: macros replaced, and the host made unique so that what reaches the
    upstream can be told apart."""

    def __init__(self, number):
        self.host = f"c{number}.example"
        self.mark = f"case c{number}."
        body = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": self.mark}]})
        smuggled = f"GET /smuggled HTTP/1.1\r\nHost: {self.host}\r\n\r\n"
        auth = f"x-api-key: {KEY}\r\n"
        size = len(body)
        self.body = body.encode()
        self.macros = {
            "$POST": f"POST /v1/messages HTTP/1.1\r\nHost: {self.host}\r\n{auth}Content-Type: application/json\r\n",
            "$AUTH": auth,
            "$BODY": body,
            "$B1": body[:4],
            "$B2": body[4:],
            "$CHUNKEDLEN": str(len(f"{size:x}") + 2 + size + 7),
            "$HEXUPPER": f"{size:X}",
            "$HEX2": f"{size - 4:x}",
            "$HEX": f"{size:x}",
            "$LEN": str(size),
            "$SMUGLEN": str(5 + len(smuggled)),
        }
        self.order = sorted(self.macros, key=len, reverse=True)

    def text(self, text):
        for macro in self.order:
            text = text.replace(macro, self.macros[macro])
        return text.replace("a.example", self.host)

    def step(self, step):
        parts = step if isinstance(step, list) else [step]
        text = "".join(self.text(p) if isinstance(p, str) else self.text(p["repeat"]) * p["times"] for p in parts)
        return text.encode("latin1")


def is_outcome(word, got):
    """Whether an observed outcome (an Answer, "close", "timeout" or "broken") is what `word` names."""
    if isinstance(got, str):
        return word == got
    status = got.status
    if word == "answered":
        return True
    if word == "final":
        return status >= 200
    if word == "not-101":
        return status != 101
    if re.fullmatch(r"\dxx", word):
        return status // 100 == int(word[0])
    return word == str(status)


class Run:
    """What happened when a case was sent."""

    def __init__(self):
        self.first, self.answers, self.second, self.closed, self.closed_after_first = "timeout", [], None, False, False


def observe(case, steps, port):
    run = Run()
    head_only = steps[0].startswith(b"HEAD ")
    waits = "timeout" in case["allow"] or "timeout" in case.get("tolerate", [])
    with Wire(port) as wire:
        wire.send(steps[0])
        answer = wire.answer(WAIT if waits else PATIENCE, head_only)
        if answer is None:
            run.first = "close" if wire.closed else "timeout"
        else:
            run.first = answer
            run.answers.append(answer)
            if answer.status == 100 and (len(steps) == 1 or "100" not in case["allow"]):
                answer = wire.answer(PATIENCE, head_only)
                if answer is not None:
                    run.answers.append(answer)
                    if "100" not in case["allow"]:
                        run.first = answer
        wants_end = str(case.get("then", "")).startswith("closed")
        many = len(case.get("answers", []))
        while len(run.answers) < many:
            answer = wire.answer(PATIENCE)
            if answer is None:
                break
            run.answers.append(answer)
        run.closed_after_first = wire.ends(3.0 if wants_end else 0.15)
        for step in steps[1:]:
            if wire.closed and not wire.buffer:
                run.second = "closed"
                break
            wire.send(step)
            run.second = wire.answer(3.0) or ("closed" if wire.ends(0.1) else "timeout")
        while True:  # answers that nobody asked for
            extra = wire.answer(0.15, head_only)
            if extra is None:
                break
            run.answers.append(extra)
        run.closed = wire.closed or wire.ends(3.0 if case.get("then") == "closed" else 0.05)
    return run


def first_right(case, run, words, upstream, bytes_):
    for word in words:
        if word == "empty-body-400":
            if not isinstance(run.first, str) and run.first.status == 400 and not run.closed:
                return True
        elif word == "dropped":
            names = [name for r in upstream for name, _ in r.fields]
            if not isinstance(run.first, str) and run.first.status == 200 and case["foreign"].encode() not in names:
                return True
        elif is_outcome(word, run.first):
            return True
    return False


def complaints(case, run, upstream, bytes_):
    """Every further condition that does not hold."""
    out = []
    first = run.first
    status = None if isinstance(first, str) else first.status
    everything = [a for a in run.answers] + ([run.second] if run.second is not None and not isinstance(run.second, str) else [])
    finals = [a for a in run.answers if a.status >= 200]
    refused = isinstance(first, str) or status >= 400
    for request in upstream:
        problem = ambiguity(request)
        if problem:
            out.append(f"forwarded with {problem}")
    paths = [r.head.split(b" ")[1] for r in upstream if r.head.count(b" ") > 1]
    if (case.get("single") or case.get("no_smuggled")) and b"/smuggled" in paths:
        out.append("the smuggled request was forwarded")
    if case.get("single") and (len(finals) > 1 or len(upstream) > 1):
        out.append(f"{len(finals)} answers, {len(upstream)} requests forwarded")
    if case.get("single_first") and len(finals) > 1:
        out.append("the body was answered as a request")
    if case.get("then") == "closed" and not run.closed:
        out.append("the connection stays open")
    if case.get("then") == "closed-after-first" and not refused and not run.closed_after_first:
        out.append("the connection stays open")
    if case.get("then") == "closed-after-first" and refused and run.second not in (None, "closed"):
        out.append("a request behind the refused one was served")
    if "second" in case and not refused and run.second is not None:
        if not any(is_outcome(word, run.second) for word in case["second"].split()):
            out.append(f"the second step got {run.second if isinstance(run.second, str) else run.second.status}")
    if "answers" in case:
        got = [str(a.status) for a in run.answers]
        wanted = case["answers"]
        if len(got) != len(wanted) or not all(is_outcome(w, a) for w, a in zip(wanted, run.answers)):
            out.append(f"answers {got}")
    if case.get("echo") and status is not None and status // 100 == 2:
        if [r.body for r in upstream] != [bytes_.body]:
            out.append("the upstream did not get exactly the body")
    if "upstream_lacks" in case and any(case["upstream_lacks"].lower().encode() in r.head.lower() for r in upstream):
        out.append(f"{case['upstream_lacks']!r} was forwarded")
    if case.get("no_upstream") and upstream:
        out.append("the upstream was asked")
    for never in case.get("never", []):
        if any(str(a.status) == never for a in everything):
            out.append(f"{never} was sent")
    for key, name in case.get("header", {}).items():
        if status == int(key) and first.get(name) is None:
            out.append(f"{key} without {name}")
    for key, name in case.get("absent", {}).items():
        if status == int(key) and first.get(name) is not None:
            out.append(f"{key} with {name}")
    for name, pattern in case.get("matches", {}).items():
        if status is not None and not re.search(pattern, first.get(name) or ""):
            out.append(f"{name}: {first.get(name)}")
    if case.get("no_body") and status is not None and (first.body or len(run.answers) > 1):
        out.append("a body came")
    if "body_lacks" in case and status is not None and case["body_lacks"].encode() in first.body:
        out.append(f"{case['body_lacks']!r} came back")
    return out


def describe(run):
    if isinstance(run.first, str):
        return run.first
    text = str(run.first.status)
    if run.closed:
        text += " closed"
    if run.second is not None:
        text += " then " + (run.second if isinstance(run.second, str) else str(run.second.status))
    return text


def judge(case, number, server, upstream):
    """{"verdict": pass | tolerated | fail, "got": …, "why": […]}"""
    bytes_ = Bytes(number)
    steps = [bytes_.step(step) for step in case["send"]]
    mine = bytes_.host.encode()
    before = len(upstream.seen(mine)) + len(upstream.seen(bytes_.mark.encode()))
    assert before == 0, case["name"]
    try:
        run = observe(case, steps, server.port)
    except Broken as broken:
        return {"verdict": "fail", "got": "broken", "why": [f"not an answer: {broken}"]}
    seen = {id(r): r for key in (mine, bytes_.mark.encode()) for r in upstream.seen(key)}
    forwarded = list(seen.values())
    why = complaints(case, run, forwarded, bytes_)
    right = first_right(case, run, case["allow"], forwarded, bytes_)
    tolerated = right or first_right(case, run, case.get("tolerate", []), forwarded, bytes_)
    if not tolerated:
        why.insert(0, f"{describe(run)} instead of {' '.join(case['allow'])}")
    soft = case.get("soft_header") and all(" without " in w for w in why)
    verdict = "fail" if why and not soft else "pass" if right and not why else "tolerated"
    return {"verdict": verdict, "got": describe(run), "why": why}


def run(server, upstream, first_number, suites=SUITES, only=None, threads=16):
    """Every case of the suites → [(case, result)]. Cases marked `gateway` run against it alone."""
    cases = [case for suite in suites for case in load(suite)]
    cases = [c for c in cases if (server.name == "gateway" or not c.get("gateway")) and (only is None or only in c["name"])]
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(judge, case, first_number + i, server, upstream) for i, case in enumerate(cases)]
        return [(case, job.result()) for case, job in zip(cases, jobs)]
