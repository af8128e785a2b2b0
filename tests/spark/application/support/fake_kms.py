"""Cloud KMS's Decrypt method on loopback; counts its calls and fails on demand."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reseal.crc32c import crc32c

Answer = tuple[int, dict[str, Any]]


def failure(code: int, status: str) -> Answer:
    """An error in Google's shape."""
    return code, {"error": {"code": code, "status": status, "message": status}}


class FakeKms:
    """Keys by resource name, each an AES-256-GCM key: a ciphertext is iv 12 | ct | tag 16."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self.keys = keys
        self.calls: Counter[bytes] = Counter()
        # Asked before each call; what it returns replaces the real answer.
        self.fault: Callable[[int], Answer | None] = lambda call: None
        self._lock = threading.Lock()
        self._number = 0
        kms = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code, answer = kms.answer(self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        # shutdown() waits for the end of a poll interval, by default half a second.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def decrypts(self, key: str) -> int:
        """Answered calls for ciphertexts of one key."""
        return sum(count for text, count in self.calls.items() if text.startswith(key.encode()))

    def answer(self, path: str, body: dict[str, str]) -> Answer:
        name = path.removeprefix("/v1/").removesuffix(":decrypt")
        ciphertext = base64.b64decode(body["ciphertext"])
        with self._lock:
            self._number += 1
            fault = self.fault(self._number)
            if fault is not None:
                return fault
            self.calls[name.encode() + b" " + ciphertext] += 1
        if name not in self.keys:
            return failure(404, "NOT_FOUND")
        if int(body["ciphertextCrc32c"]) != crc32c(ciphertext):
            return failure(400, "INVALID_ARGUMENT")
        try:
            plain = AESGCM(self.keys[name]).decrypt(ciphertext[:12], ciphertext[12:], None)
        except (InvalidTag, ValueError):
            return failure(400, "INVALID_ARGUMENT")
        answer = {"plaintext": base64.b64encode(plain).decode(), "plaintextCrc32c": str(crc32c(plain))}
        return 200, answer
