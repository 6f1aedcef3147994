"""moto's S3 server on 127.0.0.1, at the port that is the first argument.

With a second argument, the name of a file, it keeps its objects: each request that changes something is appended to the
file before it is answered, and a new process repeats all of them.
"""

import io
import json
import logging
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

WRITES = ("PUT", "POST", "DELETE")


class Journal:
    """Lets writes through one at a time: repeated in this order, they have the same outcome."""

    def __init__(self, app, path):
        self.app, self.lock = app, threading.Lock()
        self.repeat(path)
        self.file = open(path, "a", encoding="utf-8")

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] not in WRITES:
            return self.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        kept = {name: value for name, value in environ.items() if isinstance(value, str)}
        with self.lock:
            self.file.write(json.dumps([kept, body.decode("latin-1")]) + "\n")
            self.file.flush()
            return list(self.app(environ, start_response))

    def repeat(self, path):
        try:
            lines = open(path, encoding="utf-8").read().splitlines(keepends=True)
        except FileNotFoundError:
            return
        # The last one may have been cut off: it was not answered.
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
            open(path, "w", encoding="utf-8").writelines(lines)
        for line in lines:
            kept, body = json.loads(line)
            body = body.encode("latin-1")
            wsgi = {"wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.version": (1, 0)}
            wsgi |= {"wsgi.url_scheme": "http", "wsgi.multithread": True, "wsgi.multiprocess": False}
            for _ in self.app(kept | wsgi | {"wsgi.run_once": False}, lambda *_: None):
                pass


# A line for each request would be most of the log.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = DomainDispatcherApplication(create_backend_app)
if len(sys.argv) > 2:
    app = Journal(app, sys.argv[2])
run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=MotoRequestHandler)
