"""A target with a ledger of its own: a small HTTP server process that writes down every request as it arrives.

python ledger_server.py LEDGER_FILE; prints its port. It knows `/value` (a number that PUT sets), `/metrics` (the same
as a Prometheus page), `/state` (what was set with PUT /state/NAME and not deleted), `/slow` (never answers) and a few
pages that no probe should have to see. Standard library only.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ledger = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
value = "0"
state: dict[str, str] = {}
hold = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        global value
        arrived = time.clock_gettime(time.CLOCK_BOOTTIME)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        note = {"boot": arrived, "wall": time.time(), "method": self.command, "path": self.path, "body": body}
        os.write(ledger, json.dumps(note).encode() + b"\n")
        name = self.path.removeprefix("/state/")
        if self.path == "/slow":
            hold.wait()
        elif self.path == "/value" and self.command == "PUT":
            value = body
            self.answer(200, value)
        elif self.path == "/value":
            self.answer(200, value, "application/json")
        elif self.path == "/metrics":
            self.answer(200, f"# TYPE value gauge\nvalue {value}\n")
        elif self.path == "/html-labelled-json":
            self.answer(200, "<html>not what it says</html>", "application/json")
        elif self.path == "/null":
            self.answer(200, "null", "application/json")
        elif self.path.startswith("/state/") and self.command in ("PUT", "POST"):
            state[name] = body
            self.answer(200, "{}", "application/json")
        elif self.path.startswith("/state/") and self.command == "DELETE":
            self.answer(200 if state.pop(name, None) is not None else 404, "{}", "application/json")
        elif self.path.startswith("/state/"):
            self.answer(200 if name in state else 404, state.get(name, "null"), "application/json")
        elif self.path == "/state":
            self.answer(200, json.dumps(state), "application/json")
        elif self.path.startswith("/refuse"):
            self.answer(500, "no")
        elif self.path.startswith("/lie"):
            self.answer(200, "done, I promise")
        else:
            self.answer(404, "nothing here")

    do_GET = do_PUT = do_POST = do_DELETE = handle_any

    def answer(self, status: int, text: str, kind: str = "text/plain") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
