"""Roles, and who somebody is for a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from stepbench.errors import StepbenchError

Role = Literal["viewer", "annotator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may: look, vote, look after the study."""


class AccessError(StepbenchError):
    """Somebody who may not do this, or a link that is not good; messages name no secret and no other person.

    Attributes:
        reason: `unknown`, `used`, `ended` or `withdrawn`: for pages that say it in other languages.
    """

    def __init__(self, message: str, *, hint: str = "", reason: str = "unknown") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who is at the door.

    Attributes:
        name: As the organiser wrote it in the invitation, or the address with which somebody has signed in.
    """

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the visitor's role includes this one."""
        return ROLES.index(self.role) >= ROLES.index(role)
