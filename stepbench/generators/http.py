"""`http:URL[@REVISION]`: a model behind a hosted or in-house HTTP service becomes a generator."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

from stepbench.canonical import sha256_json
from stepbench.errors import EnvironmentUnfitError, Refused, UsageError
from stepbench.generators.http_address import TOKEN_VARIABLE, ServiceAddress, parse_address, read_token
from stepbench.generators.http_answer import Answer, RevisionChangedError, ServiceError, UnreachableError, json_object
from stepbench.generators.http_card import make_card, read_stated
from stepbench.generators.http_exchange import Conversation
from stepbench.generators.http_video import is_video, save_video
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings

CARD_SECONDS = 300.0
"""Seconds that a service may take to say what it is: some do not answer while they make a clip for somebody else."""

REFUSALS = (422, 451)
VERSION = ("revision", "weights_hash")
FIRST_POLL, LONGEST_POLL = 0.5, 10.0


class HttpGenerator:
    """Asks a service for one clip per sample: POST of `{prompt, negative_prompt, seed, settings}`.

    The version that a run was planned with is one of its settings, so that a worker that starts later, or a service
    that is updated meanwhile, cannot mix clips of two versions. The token comes from `STEPBENCH_HTTP_TOKEN`.

    Args:
        address: The service, and the revision where the user names it.
    """

    def __init__(self, address: ServiceAddress) -> None:
        self._address = address
        self._was_down = False

    @cached_property
    def card(self) -> GeneratorCard:
        """Name, revision, weights_hash and licence as GET of the URL states them, else name and revision of the spec.

        Raises:
            EnvironmentUnfitError: The service cannot be reached, or does not let us in.
            UsageError: Nobody says the revision, or what the service states cannot be used.
        """
        return make_card(self._address, self._stated)

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """All settings pass, and the version of the model is put beside them.

        Raises:
            UsageError: Another version is set than the service runs.
        """
        version = {name: getattr(self.card, name) for name in VERSION}
        for name, value in version.items():
            if str(settings.get(name, value)) != value:
                raise UsageError(
                    f"{self.card.name} runs {name} {value!r}, not {settings[name]!r}",
                    hint=f"leave {name} out: it is no setting, the service states it",
                )
        return {**settings, **{name: value for name, value in version.items() if value}}

    def generate(self, request: Request) -> Clip:
        """The clip of one request, as the service made it.

        Raises:
            Refused: Status 422 or 451 with a reason.
            RevisionChangedError: The service runs another version than the run was planned with.
            ServiceError: Any other answer, a video that is cut off or too large, or no time left.
        """
        self._check_version(request.settings)
        try:
            with self._conversation(
                revision=self.card.revision, timeout=request.timeout, patient=not self._was_down
            ) as conversation:
                clip = self._clip(conversation, request)
        except UnreachableError:
            # The next samples do not wait as long for a service that is gone.
            self._was_down = True
            raise
        self._was_down = False
        return clip

    def _clip(self, conversation: Conversation, request: Request) -> Clip:
        answer = self._last_answer(conversation, request)
        text = "" if is_video(answer) else answer.text()
        said = json_object(text) or {}
        if answer.status in REFUSALS and (reason := _reason(answer, text, said)):
            self._check_unchanged(conversation)
            raise Refused(reason)
        if answer.status == 200 and said.get("video_url"):
            answer = conversation.ask("GET", answer.linked(said["video_url"]))
            if not is_video(answer, stored=True):
                raise ServiceError(answer.described(answer.text()))
        elif not is_video(answer):
            raise ServiceError(answer.described(text))
        path = save_video(answer, request.output_dir)
        self._check_unchanged(conversation)
        return Clip(path=path)

    def _last_answer(self, conversation: Conversation, request: Request) -> Answer:
        """The answer to the request, or of the address where its result is to be waited for."""
        document = {
            "prompt": request.text,
            "negative_prompt": request.settings.get("negative_prompt", ""),
            "seed": request.seed,
            "settings": {
                name: value for name, value in request.settings.items() if name not in (*VERSION, "negative_prompt")
            },
        }
        # The same for every try of a sample, in every run: a service that heeds it makes, and bills, a clip once.
        key = sha256_json({"generator": self.card.identity, "url": self._address.url, "request": document})
        started = time.monotonic()
        answer = conversation.ask("POST", self._address.url, document=document, headers={"Idempotency-Key": key})
        status_url = ""
        while answer.status == 202:
            named = answer.header("Location") or (json_object(answer.text()) or {}).get("status_url")
            if named:
                status_url = answer.linked(named)
            if not status_url:
                raise ServiceError(answer.described("neither a Location nor a status_url says where the clip will be"))
            growing = min(max(FIRST_POLL, (time.monotonic() - started) / 10), LONGEST_POLL)
            conversation.wait(answer.retry_after() or growing, "the clip is not ready")
            answer = conversation.ask("GET", status_url)
        return answer

    def _check_version(self, planned: Settings) -> None:
        for name in VERSION:
            now = getattr(self.card, name)
            if planned.get(name, now) != now:
                raise RevisionChangedError(
                    f"{self._address.url} now runs {name} {now!r}, this sample was planned with {planned[name]!r}"
                )

    def _check_unchanged(self, conversation: Conversation) -> None:
        """Ask for the card again, where the service has one and named its revision in no header."""
        if conversation.has_seen_revision or self._stated is None:
            return
        now = read_stated(conversation, self._address) or {}
        for name in ("name", *VERSION):
            if now.get(name) != self._stated.get(name):
                raise RevisionChangedError(
                    f"{self._address.url} now states {name} {now.get(name)!r:.100}, and stated "
                    f"{self._stated.get(name)!r:.100} when it was first asked"
                )

    @cached_property
    def _stated(self) -> dict[str, Any] | None:
        try:
            with self._conversation(timeout=CARD_SECONDS, patient=False) as conversation:
                return read_stated(conversation, self._address)
        except ServiceError as error:
            raise EnvironmentUnfitError(
                str(error),
                hint=f"see that the service runs and {TOKEN_VARIABLE} holds its token, then run the same command again",
            ) from error

    def _conversation(self, **options: Any) -> Conversation:
        return Conversation(self._address.url, read_token(self._address.url), **options)


def http_generator(argument: str) -> HttpGenerator:
    """Factory of the `http` family: `URL` or `URL@REVISION`.

    Raises:
        UsageError: No usable URL, or a token that cannot be sent to it.
    """
    address = parse_address(argument)
    read_token(address.url)
    return HttpGenerator(address)


def _reason(answer: Answer, text: str, said: dict[str, Any]) -> str:
    """Why a service declines a prompt; empty where it says that the request was wrong, as web frameworks do by 422."""
    reason = said.get("reason", "") if said else text if answer.media_type == "text/plain" else ""
    return reason.strip()[:1000] if isinstance(reason, str) else ""
