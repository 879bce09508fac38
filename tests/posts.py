"""Where programs post events to, for tests of what they post."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Posts:
    """An HTTP server on loopback that keeps what is posted and answers as it is told."""

    def __init__(self):
        posts = self
        self.answers, self.bodies, self.tokens = [], [], set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.tokens.add(self.headers["Authorization"])
                status = posts.answers.pop(0) if posts.answers else 202
                if status < 400:
                    posts.bodies.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"
