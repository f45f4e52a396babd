"""Signed texts: JSON under an HMAC-SHA256, so that only who has the secret can make one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

from stepbench.access.roles import AccessError

LONGEST_TOKEN = 2048
_FORM = re.compile(r"sb1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")


def sign(payload: dict[str, Any], secret: bytes) -> str:
    """`sb1.<payload>.<signature>`, both in URL-safe base64. The payload can be read by anybody, and changed by nobody.

    Args:
        payload: Of JSON's types.
        secret: At least 32 bytes.
    """
    body = _encode(json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())
    return f"sb1.{body}.{_encode(_mac(body, secret))}"


def read_token(token: str, secret: bytes) -> dict[str, Any]:
    """The payload of a signed text. The signature is checked, in constant time, before anything inside is looked at.

    Raises:
        AccessError: Another form, or not signed with this secret.
    """
    match = _FORM.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    if match is None:
        raise AccessError("not an invitation of this server", hint="open the whole link, exactly as you got it")
    body, signature = match.groups()
    # An encoding has spare bits, so texts are compared: there is one spelling of a signature only.
    if not hmac.compare_digest(_encode(_mac(body, secret)), signature):
        raise AccessError(
            "this invitation was not made by this server, or was changed", hint="ask the organiser for a new link"
        )
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def _mac(body: str, secret: bytes) -> bytes:
    return hmac.new(secret, b"stepbench invitation sb1." + body.encode("ascii"), hashlib.sha256).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
