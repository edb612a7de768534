"""The upstream behind the servers under test: it records every request that reaches it, byte for
byte, and answers as a model would, or with whatever bytes a test has prepared."""
import json
import re
import socket
import threading
import time

MESSAGE = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "fine"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
).encode()


class Request:
    def __init__(self, head, body, problem=None):
        self.head, self.body, self.problem = head, body, problem
        self.at = time.monotonic()

    @property
    def fields(self):
        lines = self.head.split(b"\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]

    def values(self, name):
        return [value for key, value in self.fields if key == name.encode()]


def ambiguity(request):
    """Why two servers might disagree about this request; None when it is plain."""
    if request.problem:
        return request.problem
    head = request.head
    if re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", head.replace(b"\r\n", b"")):
        return "a control byte in the head"
    if b"\r" in head.replace(b"\r\n", b"") or b"\n" in head.replace(b"\r\n", b""):
        return "a bare CR or LF in the head"
    for line in head.split(b"\r\n")[1:]:
        if line and not re.match(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]+:", line):
            return f"a field line that is none: {line[:40]!r}"
    lengths, codings = request.values("content-length"), request.values("transfer-encoding")
    if lengths and codings:
        return "Content-Length and Transfer-Encoding"
    if len(lengths) > 1 or (lengths and not re.match(rb"^[0-9]{1,18}$", lengths[0])):
        return f"Content-Length {lengths}"
    if len(codings) > 1 or (codings and codings[0].lower() != b"chunked"):
        return f"Transfer-Encoding {codings}"
    if len(request.values("host")) > 1:
        return "two Hosts"
    return None


class Upstream:
    """`script[key]` is a function (connection, request) that answers requests that contain the key."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.requests, self.script, self.connections = [], {}, 0
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def seen(self, key):
        with self.lock:
            return [r for r in self.requests if key in r.head or key in r.body]

    def _serve(self, connection):
        buffer = b""
        connection.settimeout(60)
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = connection.recv(65536)
                    if not data:
                        if buffer:
                            self._record(Request(buffer, b"", "bytes that are no request"))
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                request, buffer = self._body(connection, Request(head, b""), buffer)
                self._record(request)
                if request.problem or not self._answer(connection, request):
                    return
        except OSError:
            return
        finally:
            connection.close()

    def _record(self, request):
        with self.lock:
            self.requests.append(request)

    def _body(self, connection, request, buffer):
        def more():
            data = connection.recv(65536)
            if not data:
                raise EOFError
            return data

        try:
            lengths, codings = request.values("content-length"), request.values("transfer-encoding")
            if codings:
                while True:
                    while b"\r\n" not in buffer:
                        buffer += more()
                    line, _, buffer = buffer.partition(b"\r\n")
                    size = int(line, 16)
                    while len(buffer) < size + 2:
                        buffer += more()
                    request.body += buffer[:size]
                    buffer = buffer[size + 2 :]
                    if size == 0:
                        break
            elif lengths:
                while len(buffer) < int(lengths[0]):
                    buffer += more()
                request.body, buffer = buffer[: int(lengths[0])], buffer[int(lengths[0]) :]
        except EOFError:
            request.problem = "the body was cut"
        except ValueError as problem:
            request.problem = f"framing that cannot be read: {problem}"
        return request, buffer

    def _answer(self, connection, request):
        for key, answer in list(self.script.items()):
            if key in request.head or key in request.body:
                return answer(connection, request)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(MESSAGE)
        connection.sendall(head + (b"" if request.head.startswith(b"HEAD ") else MESSAGE))
        return True

    def close(self):
        self.listener.close()
