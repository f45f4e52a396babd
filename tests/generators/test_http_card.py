"""What a service states about its model, what must be right about it, and what the user says where it says nothing."""

from __future__ import annotations

import pytest
from http_services import Reply, Service, json_reply

from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators import http_exchange
from stepbench.generators.http import HttpGenerator
from stepbench.generators.protocol import Generator
from stepbench.generators.registry import make_generator
from stepbench.records import Prompt

PROMPT = Prompt(id="p1", text="a red circle", language="en", category="a")
CARD = {"name": "acme", "revision": "7"}


@pytest.fixture
def service(workplace, monkeypatch):
    monkeypatch.setattr(http_exchange, "PAUSES", (0.01, 0.02))
    with Service(**CARD) as service:
        yield service


def test_the_card_is_what_the_service_states(service):
    service.replies["GET /model"] = [
        json_reply({**CARD, "weights_hash": "ab", "licence": "MIT", "parameters": {"billions": 2}})
    ]
    generator = make_generator(f"http:{service.url}/model")
    assert isinstance(generator, Generator)
    assert generator.card.identity == {"name": "acme", "revision": "7", "weights_hash": "ab"}
    assert generator.card.licence == "MIT"
    assert generator.card.parameters == {"billions": 2, "spec": f"http:{service.url}/model"}
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [Reply(404), Reply(405), Reply(501), Reply(200, b"<p>welcome", "text/html"), json_reply({"hello": 1}), Reply(200)],
)
def test_without_a_card_the_user_must_name_the_revision(service, reply):
    service.replies["GET /model"] = [reply]
    with pytest.raises(UsageError, match="does not say which version of the model it runs") as caught:
        make_generator(f"http:{service.url}/model").card  # noqa: B018 - asking for it is what is tested
    assert f"http:{service.url}/model@REVISION" in caught.value.hint
    card = make_generator(f"http:{service.url}/model@v1.2").card
    assert card.identity == {"name": f"http:{service.url}/model", "revision": "v1.2", "weights_hash": ""}
    assert card.parameters == {"spec": f"http:{service.url}/model@v1.2"}


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"revision": 7}, "the revision that .* states must be text of one line, up to 200 characters, got 7"),
        ({"revision": " "}, "the revision that .* states is empty"),
        ({"revision": "7", "name": "a\nb"}, r"the name that .* states must be text .*, got 'a\\nb'"),
        ({"revision": "7", "parameters": [1]}, "the parameters that .* states are no JSON object"),
        ({"revision": "8"}, "runs revision '8', not '7'"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused(service, stated, message):
    service.replies["GET /model"] = [json_reply(stated)]
    revision = "@7" if stated == {"revision": "8"} else ""
    with pytest.raises(UsageError, match=message):
        make_generator(f"http:{service.url}/model{revision}").card  # noqa: B018


@pytest.mark.parametrize("reply", [Reply(401, b"who are you"), Reply(500, b"oh"), Reply(503, b"later")])
def test_a_service_that_does_not_work_is_no_fit_environment(service, reply):
    service.replies["GET /model"] = [reply]
    said = reply.body.decode()
    with pytest.raises(EnvironmentUnfitError, match=rf"/model answered {reply.status} \(text/plain\): {said}"):
        make_generator(f"http:{service.url}/model@1").card  # noqa: B018


def test_a_service_that_is_not_there_is_no_fit_environment(monkeypatch):
    monkeypatch.setattr(http_exchange, "PAUSES", (60,))
    with pytest.raises(EnvironmentUnfitError, match=r"127\.0\.0\.1:9/ cannot be reached: .*refused") as caught:
        make_generator("http:http://127.0.0.1:9/@1").card  # noqa: B018
    assert "STEPBENCH_HTTP_TOKEN" in caught.value.hint


def test_the_version_is_one_of_the_settings(service):
    service.replies["GET /model"] = [json_reply({**CARD, "weights_hash": "ab"})]
    generator = make_generator(f"http:{service.url}/model")
    assert generator.resolve(PROMPT, 0, {"steps": 3}) == {"steps": 3, "revision": "7", "weights_hash": "ab"}
    # As the command in a report has it, where 7 becomes a number.
    assert generator.resolve(PROMPT, 0, {"revision": 7})["revision"] == "7"
    with pytest.raises(UsageError, match="acme runs revision '7', not '8'"):
        generator.resolve(PROMPT, 0, {"revision": "8"})


def test_a_generator_is_ready_without_a_word_to_the_service(service):
    assert isinstance(make_generator(f"http:{service.url}/model"), HttpGenerator)
    assert not service.asked
