"""One HTTP request: who asks, for what, how much; then the body, the service, and the answer."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from reference_model.serving.access import is_authorised, names_this_machine
from reference_model.serving.deadline import DeadlineReader
from reference_model.serving.errors import RequestError
from reference_model.serving.service import ModelService
from reference_model.serving.wire import JSON_TYPE, TENSORS_TYPE

if TYPE_CHECKING:
    from reference_model.serving.server import ModelServer

DRAIN_SECONDS = 2.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """A function of the service, and the type of the body that it takes."""

    run: Callable[[ModelService, bytes], bytes]
    body_type: str


ENDPOINTS = {
    "/encode-text": Endpoint(ModelService.encode_text, JSON_TYPE),
    "/decode": Endpoint(ModelService.decode, TENSORS_TYPE),
    "/encode": Endpoint(ModelService.encode, TENSORS_TYPE),
}


class RequestHandler(BaseHTTPRequestHandler):
    """Answers one request and closes the connection. Errors are JSON: `{"error": ..., "hint": ...}`."""

    server: ModelServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Puts a deadline on reading, and lets a server that shuts down know that nothing is at work here yet."""
        super().setup()
        self.rfile.close()
        self.reader = DeadlineReader(self.connection, self.server.limits.timeout_seconds)
        self.rfile = io.BufferedReader(self.reader, 2**16)
        self.server.receiving.add(self.connection)

    def handle(self) -> None:
        """Serves one request. After a refusal, what the peer still sends is read, or it might not see the answer."""
        self.close_connection = True
        self.refused = False
        try:
            self.handle_one_request()
        finally:
            self.server.receiving.discard(self.connection)
        if self.refused:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self.reader.allow(DRAIN_SECONDS)
                while self.rfile.read1(2**16):
                    pass

    def do_GET(self) -> None:
        """`/health`."""
        self._answer(self._health)

    def do_POST(self) -> None:
        """Every function of the service."""
        self._answer(self._serve)

    def _answer(self, serve: Callable[[], None]) -> None:
        started = time.monotonic()
        try:
            self._check_sender()
            serve()
        except RequestError as error:
            self._refuse(HTTPStatus(error.status or 500), error.message, error.hint, error.headers)
        logger.info("%s %s took %.3f s", self.command, ascii(self.path[:80]), time.monotonic() - started)

    def _health(self) -> None:
        if self.path in ENDPOINTS:
            raise RequestError(
                HTTPStatus.METHOD_NOT_ALLOWED, f"{self.path} takes POST, got GET", headers={"Allow": "POST"}
            )
        if self.path != "/health":
            raise self._unknown_path()
        self._send(HTTPStatus.OK, JSON_TYPE, json.dumps(self.server.service.health()).encode())

    def _serve(self) -> None:
        if self.path == "/health":
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "/health takes GET, got POST", headers={"Allow": "GET"})
        endpoint = ENDPOINTS.get(self.path)
        if endpoint is None:
            raise self._unknown_path()
        length = self._body_length(endpoint)
        if not self.server.slots.acquire(blocking=False):
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"one request is at work and {self.server.limits.max_waiting} wait already",
                hint="try again later",
                headers={"Retry-After": "1"},
            )
        try:
            body = self._read_body(length)
            self.server.receiving.discard(self.connection)
            answer = endpoint.run(self.server.service, body)
            self._send(HTTPStatus.OK, TENSORS_TYPE, answer)
        finally:
            self.server.slots.release()

    def _check_sender(self) -> None:
        token = self.server.token
        if token is not None and not is_authorised(self.headers.get("Authorization"), token):
            raise RequestError(
                HTTPStatus.UNAUTHORIZED,
                "this server needs its token",
                hint="send it as Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if token is None and not names_this_machine(self.headers.get("Host")):
            raise RequestError(
                HTTPStatus.FORBIDDEN,
                "without a token, this server answers only to names of its own machine",
                hint="ask for 127.0.0.1 or localhost, or give the server a token",
            )

    def _body_length(self, endpoint: Endpoint) -> int:
        if self.headers.get_content_type() != endpoint.body_type:
            raise RequestError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{self.path} takes a body of type {endpoint.body_type}"
            )
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or not lengths:
            raise RequestError(HTTPStatus.LENGTH_REQUIRED, "a request needs a Content-Length, and no Transfer-Encoding")
        if len(lengths) != 1 or not re.fullmatch(r"[0-9]{1,18}", lengths[0], re.ASCII):
            raise RequestError(HTTPStatus.BAD_REQUEST, "Content-Length must be one whole number")
        limits = self.server.limits
        most = limits.max_text_bytes if endpoint.body_type == JSON_TYPE else limits.max_body_bytes
        if int(lengths[0]) > most:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a body of {self.path} may have {most} bytes, got {lengths[0]}",
                hint="split the request, or raise the limits of the server",
            )
        return int(lengths[0])

    def _read_body(self, length: int) -> bytes:
        self.reader.allow(self.server.limits.seconds_for(length))
        try:
            body = self.rfile.read(length)
        except TimeoutError:
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT, f"a body of {length} bytes took too long") from None
        if len(body) != length:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"the body ended after {len(body)} of {length} bytes")
        return body

    def _unknown_path(self) -> RequestError:
        return RequestError(
            HTTPStatus.NOT_FOUND,
            f"there is nothing at {self.path[:80]!a}",
            hint=f"there are /health, {', '.join(ENDPOINTS)}",
        )

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers what is not HTTP as the base class finds it; methods that nothing takes are 405, not its 501."""
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        allow = {"Allow": "GET, POST"} if status == HTTPStatus.METHOD_NOT_ALLOWED else {}
        self._refuse(status, (message or status.phrase)[:200], "", allow)

    def _refuse(self, status: HTTPStatus, message: str, hint: str, headers: dict[str, str]) -> None:
        self.refused = True
        self._send(status, JSON_TYPE, json.dumps({"error": message, "hint": hint}).encode(), headers)

    def _send(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.connection.settimeout(self.server.limits.seconds_for(len(body)))
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """What the `Server` header says: no versions."""
        return "reference-model-serving"

    def log_message(self, format: str, *args: Any) -> None:
        """Sends the base class's lines to the log, without control characters."""
        logger.debug("%s: %s", self.client_address[0], ascii(format % args))
