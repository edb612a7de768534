"""A client that sends exactly the bytes it is given, and reads HTTP/1.1 answers one by one."""
import select
import socket
import time


class Answer:
    """One response: status, headers (lower-case names, list of values), body, and whether it was whole."""

    def __init__(self, status, headers, body=b"", whole=True):
        self.status, self.headers, self.body, self.whole = status, headers, body, whole

    def get(self, name):
        values = self.headers.get(name)
        return values[0] if values else None


class Broken(Exception):
    """What came is not an HTTP/1.1 answer."""


class Wire:
    """One connection. `closed` becomes True when the peer has ended it."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.poll = select.poll()  # select() knows no descriptors beyond 1023
        self.poll.register(self.socket, select.POLLIN)
        self.buffer = b""
        self.closed = False
        self.reset = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the peer no longer takes bytes."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def fill(self, deadline):
        """Reads something more; False at the deadline or the end of the stream."""
        if self.closed:
            return False
        while True:
            left = max(0, deadline - time.monotonic())
            if not self.poll.poll(left * 1000):
                return False
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data, self.reset = b"", True
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return False
            self.buffer += data
            return True

    def ends(self, seconds):
        """Whether the peer ends the connection within that time; what it says meanwhile is kept."""
        deadline = time.monotonic() + seconds
        while self.fill(deadline):
            pass
        return self.closed

    def _line_end(self, mark, start, deadline):
        while True:
            at = self.buffer.find(mark, start)
            if at >= 0 or not self.fill(deadline):
                return at

    def _exactly(self, count, deadline):
        while len(self.buffer) < count:
            if not self.fill(deadline):
                return None
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _chunks(self, deadline):
        body = b""
        while True:
            at = self._line_end(b"\r\n", 0, deadline)
            if at < 0:
                return body, False
            size = int(self.buffer[:at].split(b";")[0], 16)
            self.buffer = self.buffer[at + 2 :]
            if size == 0:
                break
            data = self._exactly(size + 2, deadline)
            if data is None:
                return body + self.buffer, False
            body += data[:-2]
        while True:  # trailers
            at = self._line_end(b"\r\n", 0, deadline)
            if at < 0:
                return body, False
            line, self.buffer = self.buffer[:at], self.buffer[at + 2 :]
            if not line:
                return body, True

    def answer(self, seconds=5.0, head_only=False):
        """The next answer (100 Continue included), or None when none comes in time or before the end."""
        deadline = time.monotonic() + seconds
        at = self._line_end(b"\r\n\r\n", 0, deadline)
        if at < 0:
            if self.buffer and not (b"HTTP/1.1 ".startswith(self.buffer[:9]) or self.buffer.startswith(b"HTTP/1.")):
                raise Broken(self.buffer[:80])
            return None
        lines = self.buffer[:at].split(b"\r\n")
        self.buffer = self.buffer[at + 4 :]
        parts = lines[0].split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
            raise Broken(lines[0])
        status, headers = int(parts[1]), {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers.setdefault(name.decode("latin1").lower(), []).append(value.strip().decode("latin1"))
        if head_only or status // 100 == 1 or status in (204, 304):
            return Answer(status, headers)
        if "chunked" in headers.get("transfer-encoding", []):
            body, whole = self._chunks(deadline)
        elif "content-length" in headers:
            data = self._exactly(int(headers["content-length"][0]), deadline)
            body, whole = (data, True) if data is not None else (self.buffer, False)
        else:
            self.ends(max(0.1, deadline - time.monotonic()))
            body, whole, self.buffer = self.buffer, self.closed, b""
        return Answer(status, headers, body, whole)
