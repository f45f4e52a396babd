"""`http:URL` against real servers: what each answer becomes, and what stays secret."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from http_services import Reply, Service, json_reply

from stepbench.errors import Refused
from stepbench.generators import http_exchange, http_video
from stepbench.generators.http_answer import RevisionChangedError, ServiceError, UnreachableError
from stepbench.generators.registry import make_generator
from stepbench.records import Prompt, Request
from stepbench.video import read_clip, write_preview

PROMPT = Prompt(id="p1", text='a "red" circle 圆\n', language="en", category="a")
TOKEN = "correct-horse-battery"
CARD = {"name": "acme", "revision": "7"}


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    write_preview(path, np.full((3, 3, 16, 16), 90, np.uint8), 8)
    return path.read_bytes()


@pytest.fixture
def clip(video):
    return Reply(200, video, "video/mp4")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch, workplace):
    monkeypatch.setattr(http_exchange, "PAUSES", (0.01, 0.02, 0.03))
    monkeypatch.setattr("stepbench.generators.http_answer.SHORTEST_WAIT", 0.01)
    monkeypatch.setattr("stepbench.generators.http.FIRST_POLL", 0.01)


@pytest.fixture
def service():
    with Service(**CARD) as service:
        yield service


@pytest.fixture
def generate(service, workplace):
    """Asks the service for the clip of one request."""

    def call(*replies, settings=None, timeout=20.0, revision="", generator=None):
        if replies:
            service.replies["POST /model"] = list(replies)
        generator = generator or make_generator(f"http:{service.url}/model{revision}")
        resolved = generator.resolve(PROMPT, 7, settings or {})
        return generator.generate(
            Request(prompt_id="p1", text=PROMPT.text, seed=7, settings=resolved, output_dir=workplace, timeout=timeout)
        )

    return call


def test_a_video_is_taken_as_it_is(service, generate, clip, video, workplace):
    made = generate(clip, settings={"frames": 3, "negative_prompt": "blurred"})
    assert made.path == workplace / "clip.mp4"
    assert made.path.read_bytes() == video
    assert len(read_clip(made.path).frames) == 3
    asked = service.posts()[0]
    assert asked.document == {
        "prompt": PROMPT.text,
        "negative_prompt": "blurred",
        "seed": 7,
        "settings": {"frames": 3},
    }
    assert asked.headers["user-agent"].startswith("stepbench/")
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(("kind", "name"), [("video/webm; codecs=vp9", "clip.webm"), ("VIDEO/X-Other", "clip.mp4")])
def test_the_type_names_the_file(generate, clip, kind, name):
    assert generate(replace(clip, kind=kind)).path.name == name


def test_the_same_request_bears_the_same_key(service, generate, clip):
    generate(Reply(503), clip)
    generate(clip)
    generate(clip, settings={"steps": 3})
    service.replies["GET /model"] = [json_reply({**CARD, "revision": "8"})]
    generate(clip)
    keys = [asked.headers["idempotency-key"] for asked in service.posts()]
    assert len(keys) == 5
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 3


@pytest.mark.parametrize("where", ["Location", "status_url"])
def test_a_job_is_waited_for(service, generate, clip, where):
    accepted = json_reply({"status_url": "/jobs/1"}, 202) if where == "status_url" else Reply(202)
    accepted = replace(accepted, headers={"Location": "jobs/1"} if where == "Location" else {})
    service.replies["GET /jobs/1"] = [Reply(202), Reply(202, headers={"Retry-After": "0"}), Reply(503), clip]
    assert generate(accepted).path.is_file()
    assert [asked.path for asked in service.asked[:6]] == ["/model", "/model", *["/jobs/1"] * 4]
    assert len(service.posts()) == 1


def test_a_job_without_an_address_has_failed(generate):
    with pytest.raises(ServiceError, match=r"answered 202 .*: neither a Location nor a status_url says where"):
        generate(Reply(202))


def test_a_stored_video_is_fetched(service, generate, clip):
    service.replies["GET /files/1.mp4?signature=s3cret"] = [replace(clip, kind="application/octet-stream")]
    url = f"{service.url}/files/1.mp4?signature=s3cret"
    assert generate(json_reply({"video_url": url})).path.is_file()
    with pytest.raises(ServiceError, match=r"/files/2.mp4 answered 404 \(text/plain\): not here") as caught:
        generate(json_reply({"video_url": f"{service.url}/files/2.mp4?signature=s3cret"}))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (json_reply({"reason": "no people"}, 422), "no people"),
        (json_reply({"reason": "the law"}, 451), "the law"),
        (Reply(422, b"not this one\n"), "not this one"),
    ],
)
def test_a_declined_prompt_is_a_refusal(generate, reply, reason):
    with pytest.raises(Refused, match=f"^{reason}$"):
        generate(reply)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (json_reply({"detail": [{"msg": "field required"}]}, 422), r'answered 422 \(.*\): {"detail": \[{"msg": "field'),
        (Reply(422, b"<b>", "text/html"), "answered 422"),
        (Reply(451), "answered 451"),
        (
            Reply(500, b"out of memory\n\x1b[31m" + b"x" * 500),
            r"answered 500 \(text/plain\): out of memory  \[31mx{181}$",
        ),
        (Reply(200, b"hello", "text/html"), r"answered 200 \(text/html\): hello"),
        (Reply(200, b"hello", ""), r"answered 200 \(no Content-Type\): hello"),
        (Reply(200, b"hello", "application/octet-stream"), r"answered 200 \(application/octet-stream\)"),
        (json_reply({"status": "done"}), r'answered 200 \(application/json\): {"status": "done"}'),
        (Reply(200, b'{"video_url": NaN}', "application/json"), 'answered 200 .*: {"video_url": NaN}'),
        (json_reply({"video_url": 5}), "sends on to '5': that is no http"),
        (json_reply({"video_url": "file:///etc/passwd"}), "sends on to 'file:///etc/passwd': that is no http"),
        (json_reply({"video_url": "http://a:b@127.0.0.1/"}), "has a password in it"),
        (Reply(200, b"", "video/mp4"), "answered with an empty video"),
        (Reply(200, b"abc", "video/mp4", length=10), "broke off after 3 of 10 bytes"),
        (Reply(200, b"5\r\nabc", "video/mp4", {"Transfer-Encoding": "chunked"}, None), "broke off after"),
        (Reply(302, headers={"Location": "/new?key=1"}), "answered 302: it has moved to http://127.0.0.1:.*/new$"),
        (Reply(307), "sends on to '': that is no http"),
        (Reply(307, headers={"Location": "/model"}), "redirects more than 5 times"),
    ],
)
def test_any_other_answer_is_a_failure_with_its_words(generate, reply, message):
    with pytest.raises(ServiceError, match=message):
        generate(reply)


@pytest.mark.parametrize("talk", ["no HTTP", "no TLS"])
def test_what_cannot_be_talked_to_is_a_failure(service, generate, talk):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_mumble, args=(server,))
        thread.start()
        scheme = "http" if talk == "no HTTP" else "https"
        target = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(ServiceError, match=f"^{target} cannot be reached: .*(mumble|SSL)"):
            generate(Reply(307, headers={"Location": target}))
        thread.join()


def _mumble(server):
    connection, _ = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"mumble\r\n\r\n")


@pytest.mark.parametrize("status", [429, 502, 503, 504, None])
def test_a_busy_service_is_asked_again(service, generate, clip, status):
    again = Reply(reset=True) if status is None else Reply(status, b"later")
    assert generate(again, again, clip).path.is_file()
    assert len(service.posts()) == 3
    message = "cannot be reached: Remote end closed" if status is None else f"answered {status} .*: later"
    with pytest.raises(ServiceError, match=message):
        generate(again)
    assert len(service.posts()) == 3 + 4


def test_a_service_that_is_gone_costs_one_wait(service, generate):
    generator = make_generator(f"http:{service.url}/model")
    for _ in range(2):
        with pytest.raises(UnreachableError):
            generate(Reply(reset=True), generator=generator)
    assert len(service.posts()) == 4 + 1


def test_the_service_says_when_to_ask_again(service, generate, clip, monkeypatch):
    slept = []
    monkeypatch.setattr(http_exchange.Conversation, "wait", lambda self, seconds, problem: slept.append(seconds))
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    generate(
        Reply(429, headers={"Retry-After": "3"}),
        Reply(503, headers={"Retry-After": soon}),
        Reply(503, headers={"Retry-After": "soon"}),
        clip,
        timeout=100,
    )
    assert slept[0] == 3
    assert 20 < slept[1] <= 30
    assert slept[2] == http_exchange.PAUSES[2]


@pytest.mark.parametrize(("timeout", "seconds", "limit"), [(5.0, "9", "5"), (None, "86400", "3600")])
def test_a_wait_beyond_the_limit_is_a_failure_at_once(generate, timeout, seconds, limit):
    with pytest.raises(
        ServiceError, match=rf"/model answered 429; timed out: {seconds} s more would exceed the limit of {limit} s"
    ):
        generate(Reply(429, headers={"Retry-After": seconds}), timeout=timeout)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"x", "video/mp4", pause=1.0),
        Reply(200, (b"x",) * 20, "video/mp4", {"X-Model-Revision": "7"}, pause=0.05),
        Reply(202, headers={"Location": "/wait"}),
    ],
)
def test_the_time_limit_holds_for_everything_together(service, generate, reply):
    service.replies["GET /wait"] = [Reply(202)]
    with pytest.raises(ServiceError, match="timed out"):
        generate(reply, timeout=0.3)


@pytest.mark.parametrize("length", ["own", None])
def test_a_video_has_a_largest_size(generate, monkeypatch, length):
    monkeypatch.setattr(http_video, "MAX_VIDEO_BYTES", 1000)
    with pytest.raises(ServiceError, match="has more than the 1,000 bytes of the limit"):
        generate(Reply(200, b"x" * 1001, "video/mp4", length=length))


def test_a_huge_video_is_not_even_read(generate):
    with pytest.raises(ServiceError, match="has more than the 2,147,483,648 bytes of the limit"):
        generate(Reply(200, b"x", "video/mp4", length=2**31 + 1))


def test_a_video_of_unknown_length_is_taken(generate, clip):
    assert generate(replace(clip, length=None)).path.is_file()


@pytest.mark.parametrize("status", [303, 307, 308])
def test_redirects_are_followed_but_the_token_stays_home(service, generate, clip, status, monkeypatch):
    monkeypatch.setenv("STEPBENCH_HTTP_TOKEN", TOKEN)
    with Service() as other:
        other.replies["GET /there"] = other.replies["POST /there"] = [clip]
        assert generate(Reply(status, headers={"Location": f"{other.url}/there"})).path.is_file()
        assert service.posts()[0].headers["authorization"] == f"Bearer {TOKEN}"
        (asked,) = other.asked
        assert "authorization" not in asked.headers
        assert asked.method == ("GET" if status == 303 else "POST")
        assert (asked.document is None) == (status == 303)


@pytest.mark.parametrize("reply", ["Location", "video_url"])
def test_other_hosts_that_the_service_names_do_not_get_the_token(service, generate, clip, reply, monkeypatch):
    monkeypatch.setenv("STEPBENCH_HTTP_TOKEN", TOKEN)
    with Service() as other:
        other.replies["GET /there"] = [clip]
        url = f"{other.url}/there"
        generate(Reply(202, headers={"Location": url}) if reply == "Location" else json_reply({"video_url": url}))
        assert "authorization" not in other.asked[0].headers
    assert all(asked.headers["authorization"] == f"Bearer {TOKEN}" for asked in service.asked)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, f"bad token Bearer {TOKEN}".encode()),
        json_reply({"reason": f"bad {TOKEN}"}, 422),
        Reply(202, headers={"Location": f"file:///{TOKEN}"}),
        Reply(200, b"", "video/mp4", {"X-Model-Revision": TOKEN}),
    ],
)
def test_a_service_that_repeats_the_token_does_not_get_it_into_records(generate, reply, monkeypatch):
    monkeypatch.setenv("STEPBENCH_HTTP_TOKEN", TOKEN)
    with pytest.raises((ServiceError, Refused), match=r"\[token\]") as caught:
        generate(reply)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("how", ["header", "card", "weights", "gone", "refused"])
def test_another_revision_in_the_middle_of_a_run_is_named(service, generate, clip, how):
    generator = make_generator(f"http:{service.url}/model")
    if how == "header":
        generate(replace(clip, headers={"X-Model-Revision": "7"}), generator=generator)
        assert len(service.asked) == 2
        replies = replace(clip, headers={"X-Model-Revision": "8"})
        message = "now runs revision '8', this sample was planned with '7'"
    else:
        generate(clip, generator=generator)
        changed = {"card": {"revision": "8"}, "weights": {"weights_hash": "b"}, "gone": {"revision": None}}
        service.replies["GET /model"] = [json_reply({**CARD, **changed.get(how, {"revision": "8"})})]
        replies = json_reply({"reason": "no"}, 422) if how == "refused" else clip
        message = "now states (name|revision|weights_hash) .*, and stated (None|'7'|'acme') when it was first asked"
    with pytest.raises(RevisionChangedError, match=message):
        generate(replies, generator=generator)


def test_a_worker_that_starts_after_an_update_makes_nothing(service, generate, clip, workplace):
    planned = make_generator(f"http:{service.url}/model").resolve(PROMPT, 0, {})
    service.replies["GET /model"] = [json_reply({**CARD, "revision": "8"})]
    later = make_generator(f"http:{service.url}/model")
    with pytest.raises(RevisionChangedError, match="now runs revision '8', this sample was planned with '7'"):
        later.generate(Request(prompt_id="p", text="x", seed=0, settings=planned, output_dir=workplace))
    assert not service.posts()


def test_nothing_but_the_revision_is_known_where_the_user_names_it(service, generate, clip):
    service.replies["GET /model"] = [Reply(405)]
    generate(clip, revision="@7")
    assert [asked.method for asked in service.asked] == ["GET", "POST"]
    with pytest.raises(RevisionChangedError, match="now runs revision '9', this sample was planned with '7'"):
        generate(replace(clip, headers={"X-Model-Revision": "9"}), revision="@7")


def test_a_proxy_is_for_other_machines(generate, clip, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert generate(clip).path.is_file()
