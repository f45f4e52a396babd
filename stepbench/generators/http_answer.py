"""One answer of an HTTP service: its headers, its JSON or text, and its body as a stream that is known to be whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Any, Protocol

from stepbench.generators.http_address import next_address, shown

MAX_TEXT_BYTES = 2**16
CHUNK = 2**18
SHOWN_CHARACTERS = 200
SHORTEST_WAIT = 0.1
"""Seconds that are waited at least, whatever the service says."""


class ServiceError(Exception):
    """The service gave no clip; the sample is recorded as failed with this text."""


class UnreachableError(ServiceError):
    """No connection to the service could be made, or none that lasted."""


class RevisionChangedError(ServiceError):
    """The service runs another version than the sample was planned for: clips of two versions must not mix."""


class Limits(Protocol):
    """What an answer needs to know of its conversation."""

    def seconds_left(self) -> float:
        """Seconds until the time is up; raises `ServiceError` when it is."""
        ...

    def timed_out(self) -> ServiceError:
        """The error that says so."""
        ...

    def redacted(self, text: str) -> str:
        """The text without the token."""
        ...


class Answer:
    """An answer whose headers are here and whose body may still be on its way.

    Args:
        url: Where it comes from, redirects followed.

    Attributes:
        content_length: Bytes of the body as announced; None where they are not.
    """

    def __init__(self, limits: Limits, url: str, response: HTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self.content_length: int | None = response.length
        self._limits, self._response = limits, response

    def close(self) -> None:
        """End the connection."""
        self._response.close()

    def header(self, name: str) -> str:
        """Value of a header; empty where there is none."""
        return self._limits.redacted(self._response.headers.get(name, "")).strip()

    @property
    def media_type(self) -> str:
        """Such as `video/mp4`; empty where the answer does not say."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    def retry_after(self) -> float | None:
        """Seconds that the service asks to wait, as a number or a date; None where it does not."""
        text = self.header("Retry-After")
        if text.isascii() and text.isdigit():
            return max(SHORTEST_WAIT, float(text))
        try:
            when = parsedate_to_datetime(text)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(SHORTEST_WAIT, (when - datetime.now(UTC)).total_seconds())

    def linked(self, target: Any) -> str:
        """The absolute form of an address in this answer.

        Raises:
            ServiceError: It is none, or one that is not gone to.
        """
        url = next_address(self.url, target) if isinstance(target, str) and target else None
        if url is None:
            raise ServiceError(
                f"{shown(self.url)} sends on to {shown(str(target))[:SHOWN_CHARACTERS]!r}: that is no http(s) URL, or "
                "has a password in it, or leaves https"
            )
        return url

    def text(self) -> str:
        """The beginning of the body, without the token."""
        parts, size = [], 0
        for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_TEXT_BYTES:
                break
        return self._limits.redacted(b"".join(parts)[:MAX_TEXT_BYTES].decode("utf-8", errors="replace"))

    def described(self, text: str) -> str:
        """Status, type and the beginning of `text`, on one line."""
        line = "".join(letter if letter.isprintable() else " " for letter in text[:SHOWN_CHARACTERS])
        return f"{shown(self.url)} answered {self.status} ({self.media_type or 'no Content-Type'}): {line.strip()}"

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            ServiceError: It breaks off, or is not there in time.
        """
        whole, size = self.content_length, 0
        while whole is None or size < whole:
            self._limits.seconds_left()
            try:
                chunk = self._response.read1(CHUNK if whole is None else min(CHUNK, whole - size))
            except TimeoutError:
                raise self._limits.timed_out() from None
            except (OSError, HTTPException):
                raise self._broke_off(size, whole) from None
            if not chunk:
                break
            size += len(chunk)
            yield chunk
        if whole is not None and size < whole:
            raise self._broke_off(size, whole)

    def _broke_off(self, size: int, whole: int | None) -> ServiceError:
        of = "" if whole is None else f" of {whole:,}"
        return ServiceError(f"{shown(self.url)} broke off after {size:,}{of} bytes")


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None where it is none."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
