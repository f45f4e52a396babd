"""What an HTTP service says about its model: the JSON that GET of its URL answers, as a generator's card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepbench.errors import UsageError
from stepbench.generators.http_address import ServiceAddress
from stepbench.generators.http_answer import ServiceError, json_object
from stepbench.generators.http_exchange import Conversation
from stepbench.records import GeneratorCard

MAX_CHARACTERS = 200
NO_CARD = (400, 404, 405, 406, 410, 415, 422, 501)
"""Statuses by which services say that their URL is for POST alone."""


def read_stated(conversation: Conversation, address: ServiceAddress) -> dict[str, Any] | None:
    """What the service states about its model; None where that is no JSON object with a `revision`.

    Raises:
        ServiceError: It cannot be reached, or answers with an error.
    """
    answer = conversation.ask("GET", address.url)
    if answer.status in NO_CARD:
        return None
    text = answer.text()
    if answer.status != 200:
        raise ServiceError(answer.described(text))
    stated = json_object(text)
    return stated if stated is not None and stated.get("revision") is not None else None


def make_card(address: ServiceAddress, stated: Mapping[str, Any] | None) -> GeneratorCard:
    """The card of a service.

    Raises:
        UsageError: Nobody says the revision, the user and the service say different ones, or a field cannot be used.
    """
    if stated is None:
        if not address.revision:
            raise UsageError(
                f"{address.url} does not say which version of the model it runs: GET answers no JSON with a revision",
                hint=f"name the version yourself, {address.spec}@REVISION, and another one whenever the model changes",
            )
        stated = {"revision": address.revision}
    revision = _text(address, stated, "revision", "")
    if not revision:
        raise UsageError(f"the revision that {address.url} states is empty", hint="mend the service")
    if address.revision not in ("", revision):
        raise UsageError(
            f"{address.url} runs revision {revision!r}, not {address.revision!r}",
            hint="leave @REVISION out, or start the service with the version that is asked for",
        )
    parameters = stated.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise UsageError(f"the parameters that {address.url} states are no JSON object", hint="mend the service")
    return GeneratorCard(
        name=_text(address, stated, "name", "") or f"http:{address.url}",
        revision=revision,
        weights_hash=_text(address, stated, "weights_hash", ""),
        licence=_text(address, stated, "licence", "unknown"),
        description="model behind an HTTP service",
        parameters={**parameters, "spec": address.spec},
    )


def _text(address: ServiceAddress, stated: Mapping[str, Any], key: str, default: str) -> str:
    value = stated.get(key)
    if value is None:
        return default
    if not isinstance(value, str) or len(value) > MAX_CHARACTERS or not value.isprintable():
        raise UsageError(
            f"the {key} that {address.url} states must be text of one line, up to {MAX_CHARACTERS} characters, "
            f"got {value!r:.80}",
            hint="mend the service",
        )
    return value.strip()
