"""The HTTP server: connections, queue, shutdown. One request per connection; `handler.py` reads and answers it."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from http.server import ThreadingHTTPServer
from typing import Any

from reference_model.serving.access import check_binding
from reference_model.serving.handler import RequestHandler
from reference_model.serving.limits import Limits
from reference_model.serving.service import ModelService

logger = logging.getLogger(__name__)


class ModelServer(ThreadingHTTPServer):
    """A server for one `ModelService`.

    The port is taken at once, so that one in use, or a missing token, shows before models are loaded. Then come
    `listen`, which takes the service, and `serve_forever`. Another thread may call `shutdown`, after which
    `server_close` hangs up on those who are still sending, and lets those who wait for an answer have it.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: What requests must carry. Needed on any address that other machines can reach.
        limits: Bounds on requests and connections.

    Raises:
        ServingError: For an address that needs a token, or a token that is no good.
        OSError: If the address cannot be had.
    """

    daemon_threads = False  # so that server_close waits for requests at work
    request_queue_size = 64
    service: ModelService

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, token: str | None = None, limits: Limits | None = None
    ) -> None:
        check_binding(host, token)
        self.limits = limits or Limits()
        self.token = token
        self.slots = threading.BoundedSemaphore(1 + self.limits.max_waiting)
        self.receiving: set[socket.socket] = set()
        self._connections = threading.BoundedSemaphore(self.limits.max_connections)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), RequestHandler, bind_and_activate=False)
        try:
            self.server_bind()
        except BaseException:
            self.server_close()
            raise

    @property
    def url(self) -> str:
        """Where clients find it."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def server_bind(self) -> None:
        """Binds without the look-up of a host name that the base class would make."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def listen(self, service: ModelService) -> None:
        """From here on, connections wait for `serve_forever`; before, they are refused."""
        self.service = service
        self.server_activate()

    def server_close(self) -> None:
        """Ends what has begun; see the class."""
        for connection in list(self.receiving):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a thread for a connection, unless there are too many."""
        if not self._connections.acquire(blocking=False):
            logger.warning("closed a connection: %d are open", self.limits.max_connections)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self._connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Notes a connection that ended in an error; peers that hang up are everyday."""
        error = sys.exception()
        expected = isinstance(error, OSError)
        logger.log(logging.INFO if expected else logging.ERROR, "a connection ended: %r", error, exc_info=not expected)
