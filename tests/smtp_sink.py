"""A mail server on this machine that keeps what it is given, for tests with a real worker."""

from __future__ import annotations

import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from threading import Lock, Thread


class Sink:
    """`accepted` are the messages in the order in which it has taken them.

    `on_data` is called when a message is complete and not yet answered: there a test can kill the sender.
    """

    def __init__(self) -> None:
        self.accepted: list[Message] = []
        self.on_data: Callable[[int], None] = lambda count: None
        self.port = 0
        self._lock = Lock()

    def take(self, data: bytes) -> None:
        with self._lock:
            self.accepted.append(message_from_bytes(data))
            count = len(self.accepted)
        self.on_data(count)

    @property
    def message_ids(self) -> list[str]:
        return [message["Message-ID"] for message in self.accepted]


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            self._answer("220 sink")
            while line := self.rfile.readline():
                command = line[:4].upper()
                if command == b"DATA":
                    self._answer("354 go on")
                    self.server.sink.take(self._read_data())
                    self._answer("250 taken")
                elif command == b"QUIT":
                    self._answer("221 bye")
                    return
                else:
                    self._answer("250 ok")
        except ConnectionError:
            return  # the worker has been killed

    def _read_data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionError
            lines.append(line)
        return b"".join(lines)

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    sink: Sink


@contextmanager
def smtp_sink() -> Iterator[Sink]:
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.sink = Sink()
        server.sink.port = server.server_address[1]
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.sink
        server.shutdown()
