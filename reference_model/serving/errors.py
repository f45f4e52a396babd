"""What goes wrong between two processes."""

from __future__ import annotations

from http import HTTPStatus

from reference_model.errors import ReferenceModelError


class ServingError(ReferenceModelError):
    """A server that may not start like this, cannot be reached, or refused a request; server texts are passed on.

    Attributes:
        status: The HTTP status that a server answered with, None if it did not come to that.
    """

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class RequestError(ServingError):
    """A request that the server does not carry out; raised and answered inside the server.

    Args:
        status: Status of the answer.
        message: The broken rule together with the value that broke it.
        hint: What to do about it.
        headers: Headers that belong to the status.
    """

    def __init__(
        self, status: HTTPStatus, message: str, *, hint: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.headers = headers or {}
