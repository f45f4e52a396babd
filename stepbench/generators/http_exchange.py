"""A conversation with an HTTP service about one sample: one time limit, tries, redirects, and who gets the token."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPErrorProcessor, ProxyHandler, Request, build_opener

from stepbench import __version__
from stepbench.generators.http_address import is_on_this_machine, origin, shown
from stepbench.generators.http_answer import Answer, RevisionChangedError, ServiceError, UnreachableError

RETRIED = (429, 502, 503, 504)
"""Statuses of a service that is busy or about to be back."""

PAUSES: tuple[float, ...] = (1, 2, 4, 8, 16, 32)
"""Seconds before each further try, unless the service names a time."""

MAX_REDIRECTS = 5
LONGEST_SILENCE = 3600.0
"""Seconds without a byte after which a service counts as gone, and the longest time it may ask to wait."""


class Conversation:
    """Sends requests until the time is up; holds one answer open at a time.

    Args:
        home: The service's URL. The token goes to its scheme, host and port alone.
        token: Sent as `Authorization: Bearer`; it stands in no text that comes from here.
        revision: What a header `X-Model-Revision` must say, where an answer has one; empty for anything.
        timeout: Seconds for everything together, waits included; None for no limit.
        patient: Whether to try again where a connection cannot be made or breaks.
    """

    def __init__(
        self, home: str, token: str | None, *, revision: str = "", timeout: float | None = None, patient: bool = True
    ) -> None:
        self._home, self._token, self._revision = origin(home), token, revision
        self._timeout, self._patient = timeout, patient
        self._end = None if timeout is None else time.monotonic() + timeout
        self._open_answer: Answer | None = None
        self.has_seen_revision = False

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def ask(
        self, method: str, url: str, *, document: Mapping[str, Any] | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """The answer, whatever its status; the last one where the service stays busy. The answer before it is closed.

        Raises:
            UnreachableError: No connection, in none of the tries.
            RevisionChangedError: The answer comes from another version of the model.
            ServiceError: The time is up, or an exchange that no further try would mend.
        """
        body = None if document is None else json.dumps(document, ensure_ascii=False).encode()
        own = {"Content-Type": "application/json", **headers} if body is not None else dict(headers)
        pauses = iter(PAUSES)
        while True:
            pause = next(pauses, None)
            try:
                answer = self._follow(method, url, body, own)
            except ConnectionError as error:
                problem = f"{shown(url)} cannot be reached: {self._words(error)}"
                if pause is None or not self._patient:
                    raise UnreachableError(problem) from None
            else:
                if pause is None or answer.status not in RETRIED:
                    self._check_revision(answer)
                    return answer
                problem, pause = f"{shown(url)} answered {answer.status}", answer.retry_after() or pause
            self.wait(pause, problem)

    def wait(self, seconds: float, problem: str) -> None:
        """Wait, unless the time would be up meanwhile.

        Raises:
            ServiceError: It would be; the text begins with `problem`.
        """
        if seconds > min(LONGEST_SILENCE, self.seconds_left()):
            limit = LONGEST_SILENCE if self._timeout is None else self._timeout
            raise ServiceError(f"{problem}; timed out: {seconds:g} s more would exceed the limit of {limit:g} s")
        self._close()
        time.sleep(seconds)

    def seconds_left(self) -> float:
        """Seconds until the time is up, at most `LONGEST_SILENCE`.

        Raises:
            ServiceError: It is up.
        """
        left = LONGEST_SILENCE if self._end is None else min(LONGEST_SILENCE, self._end - time.monotonic())
        if left <= 0:
            raise self.timed_out()
        return left

    def timed_out(self) -> ServiceError:
        """The error that says so."""
        return ServiceError(f"timed out after {LONGEST_SILENCE if self._timeout is None else self._timeout:g} s")

    def redacted(self, text: str) -> str:
        """`text` without the token, in case that a service repeats it."""
        return text.replace(self._token, "[token]") if self._token else text

    def _follow(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            self._close()
            answer = self._open_answer = Answer(self, url, self._send(method, url, body, headers))
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            target = answer.linked(answer.header("Location"))
            if answer.status == 303:
                method, body = "GET", None
            elif answer.status in (301, 302) and method == "POST":
                # Clients differ in whether they would send a POST or a GET there.
                raise ServiceError(f"{shown(url)} answered {answer.status}: it has moved to {shown(target)}")
            url = target
        raise ServiceError(f"{self._home} redirects more than {MAX_REDIRECTS} times")

    def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HTTPResponse:
        own = {"User-Agent": f"stepbench/{__version__}", "Accept": "video/*, application/json", **headers}
        if self._token and origin(url) == self._home:
            own["Authorization"] = f"Bearer {self._token}"
        request = Request(url, data=body, headers=own, method=method)
        # A proxy that the environment names is for other machines.
        opener = build_opener(_EveryAnswer, *([ProxyHandler({})] if is_on_this_machine(url) else []))
        try:
            return opener.open(request, timeout=self.seconds_left())
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            if isinstance(reason, TimeoutError):
                raise self.timed_out() from None
            if isinstance(reason, ConnectionError):
                raise reason from None
            raise ServiceError(f"{shown(url)} cannot be reached: {self._words(reason)}") from None

    def _check_revision(self, answer: Answer) -> None:
        said = answer.header("X-Model-Revision")
        self.has_seen_revision |= bool(said)
        if said and self._revision and said != self._revision:
            raise RevisionChangedError(
                f"{shown(answer.url)} now runs revision {said!r:.120}, this sample was planned with {self._revision!r}"
            )

    def _words(self, error: object) -> str:
        return self.redacted(str(error) or type(error).__name__)[:200]

    def _close(self) -> None:
        if self._open_answer is not None:
            self._open_answer.close()
            self._open_answer = None


class _EveryAnswer(HTTPErrorProcessor):
    """Hands out answers of every status. urllib itself would follow redirects and take the token along."""

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        return response

    https_response = http_response
