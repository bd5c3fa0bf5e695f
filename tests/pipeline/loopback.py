"""A server on loopback for stand-ins of sites."""

import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # clients that hang up are part of the play
            super().handle_error(request, client_address)


@contextmanager
def serving(answer, *, tls=None):
    """Answer on a free port of 127.0.0.1, over TLS where an ``ssl.SSLContext`` is given; gives the port.

    ``answer`` takes the ``BaseHTTPRequestHandler`` of a GET, POST or PUT.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            answer(self)

        do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *args):
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:  # without it the thread of a test that fails outlives the test
            server.shutdown()
            thread.join()
