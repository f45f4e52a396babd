"""The asking side of HTTP: one request per connection, no redirects, no proxies, every failure with its reason."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from torch import Tensor

from reference_model.serving.access import check_token
from reference_model.serving.address import parse_url
from reference_model.serving.errors import ServingError
from reference_model.serving.wire import JSON_TYPE, PROTOCOL, SERVICE, TensorRule, unpack

CONNECT_SECONDS = 10.0
MAX_ANSWER_BYTES = 2**31
START = "python -m reference_model.serving --folder MODEL_FOLDER"


class ServingClient:
    """Sends requests to one server.

    Args:
        url: `http://host:port`, or `https://...` where something in front of the server does TLS.
        token: The server's token, if it has one. Over plain http it can be read along the way.
        timeout: Seconds to wait for an answer, and for a place in a full queue.

    Raises:
        ServingError: For a URL or a token that cannot be used.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 600.0) -> None:
        address = parse_url(url)
        if timeout <= 0:
            raise ServingError(f"timeout must be above 0 seconds, got {timeout}")
        self.url = address.url
        self._kind = http.client.HTTPSConnection if address.encrypted else http.client.HTTPConnection
        self._address = (address.host, address.port)
        self._path = address.path
        self._token = None if token is None else check_token(token)
        self._timeout = timeout

    @cached_property
    def health(self) -> dict[str, Any]:
        """What the server said about itself when it was first asked.

        Raises:
            ServingError: It does not answer, or is no server of this version.
        """
        answer = _json_object(self._ask("GET", "/health", b"", JSON_TYPE))
        if answer.get("service") != SERVICE or answer.get("protocol") != PROTOCOL:
            raise ServingError(
                f"{self.url} does not speak version {PROTOCOL} of {SERVICE}",
                hint="client and server must be of the same version",
            )
        return answer

    def require(self, part: str) -> None:
        """Raises `ServingError` unless the server serves `text` or `vae`."""
        if part not in self.health["parts"]:
            raise ServingError(
                f"{self.url} serves {', '.join(self.health['parts'])}, not {part}", hint=f"start it with --parts {part}"
            )

    def post(self, path: str, body: bytes, kind: str, rules: Mapping[str, TensorRule]) -> dict[str, Tensor]:
        """Sends a body of a type, and returns the tensors of the answer.

        Raises:
            ServingError: Without an answer, or for one that is an error or no such tensors.
        """
        answer = self._ask("POST", path, body, kind)
        try:
            return unpack(answer, rules)
        except ServingError as error:
            raise ServingError(f"{self.url}{path} answered with something else: {error.message}") from None

    def _ask(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        end = time.monotonic() + self._timeout
        while True:
            try:
                status, answer, wait = self._exchange(method, path, body, kind)
            except ConnectionRefusedError:
                raise ServingError(f"nothing listens at {self.url}", hint=f"start a server: {START}") from None
            except TimeoutError:
                raise ServingError(
                    f"{self.url}{path} gave no answer within {self._timeout:g} s", hint="raise timeout"
                ) from None
            except (OSError, http.client.HTTPException) as error:
                raise ServingError(f"the exchange with {self.url}{path} broke off: {error!r}") from error
            if status == http.HTTPStatus.OK:
                return answer
            if status != http.HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() + wait > end:
                raise self._refusal(path, status, answer)
            time.sleep(wait)

    def _exchange(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, bytes, float]:
        connection = self._kind(*self._address, timeout=min(CONNECT_SECONDS, self._timeout))
        try:
            connection.connect()
            connection.sock.settimeout(self._timeout)
            headers = {"Content-Type": kind, "Content-Length": str(len(body))}
            if self._token is not None:
                headers["Authorization"] = f"Bearer {self._token}"
            # A server may refuse a body without reading all of it, and then its answer says why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self._path + path, body, headers)
            response = connection.getresponse()
            length = response.length
            if length is None or length > MAX_ANSWER_BYTES:
                raise ServingError(f"an answer must say its length, up to {MAX_ANSWER_BYTES} bytes, got {length}")
            answer = response.read(length)
            if len(answer) != length:
                raise http.client.IncompleteRead(answer[:0], length - len(answer))
            return response.status, answer, _seconds(response.getheader("Retry-After"))
        finally:
            connection.close()

    def _refusal(self, path: str, status: int, answer: bytes) -> ServingError:
        try:
            said = _json_object(answer)
        except ServingError:
            said = {}
        text = str(said.get("error") or "no reason given")[:1000]
        return ServingError(
            f"{self.url}{path} answered {status}: {text}", hint=str(said.get("hint") or "")[:1000], status=status
        )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ServingError("the server's answer is no JSON object")
    return values


def _seconds(header: str | None) -> float:
    return min(float(header), 5.0) if header and header.isascii() and header.isdigit() else 1.0
