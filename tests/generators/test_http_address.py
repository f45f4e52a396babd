"""Which URLs are taken, which of them may be sent on to, and when a token is too precious to be sent."""

from __future__ import annotations

import pytest

from stepbench.errors import UsageError
from stepbench.generators.http_address import next_address, origin, parse_address, read_token
from stepbench.generators.registry import make_generator

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("argument", "url", "revision"),
    [
        ("https://Video.example.org", "https://video.example.org/", ""),
        ("https://video.example.org:443/generate", "https://video.example.org/generate", ""),
        (" http://127.0.0.1:8000/generate/ ", "http://127.0.0.1:8000/generate/", ""),
        ("http://127.0.0.1:80/a@2026-11.b", "http://127.0.0.1/a", "2026-11.b"),
        ("http://[::1]:8000/@v1", "http://[::1]:8000/", "v1"),
        ("https://host/@acme/model@3", "https://host/@acme/model", "3"),
        ("https://host/a%40b", "https://host/a%40b", ""),
    ],
)
def test_url_and_revision(argument, url, revision):
    address = parse_address(argument)
    assert (address.url, address.revision) == (url, revision)
    assert parse_address(address.spec.removeprefix("http:")) == address


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", "http: needs a URL with http:// or https:// and a host"),
        ("example.org/generate", "http: needs a URL"),
        ("ftp://example.org/", "http: needs a URL"),
        ("https:///generate", "http: needs a URL"),
        (f"https://[{SECRET}/", "http: needs a URL"),
        (f"http://me:{SECRET}@example.org:99999/", "http: needs a URL"),
        (f"https://me:{SECRET}@example.org/", "the URL of example.org has an @ before its path"),
        (f"https://{SECRET}@example.org/", "the URL of example.org has an @ before its path"),
        ("http://127.0.0.1:8000@v2", "has an @ before its path"),
        (f"https://example.org/?key={SECRET}", "the URL of example.org has a query or a fragment"),
        (f"https://example.org/#{SECRET}", "the URL of example.org has a query or a fragment"),
        ("https://example.org/a b", "has blanks or other than ASCII characters"),
        ("https://example.org/圆", "has blanks or other than ASCII characters"),
        ("https://example.org/a@", "'' is no revision"),
        ("https://example.org/a@b@c", "'b@c' is no revision"),
    ],
)
def test_unusable_urls_are_refused_without_repeating_a_secret(argument, message):
    with pytest.raises(UsageError, match=message) as caught:
        make_generator(f"http:{argument}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/", "http://127.0.0.1:8000/", "http://localhost/", "http://[::1]/"]
)
def test_the_token_comes_from_the_environment(url, monkeypatch):
    monkeypatch.delenv("STEPBENCH_HTTP_TOKEN", raising=False)
    assert read_token(url) is None
    monkeypatch.setenv("STEPBENCH_HTTP_TOKEN", SECRET)
    assert read_token(url) == SECRET


@pytest.mark.parametrize(
    ("token", "url", "message"),
    [
        (SECRET, "http://example.org/", "http://example.org/ is plain http, over which others could read the token"),
        (f"{SECRET}\r\nX: y", "https://example.org/", "must be printable ASCII without blanks"),
    ],
)
def test_a_token_that_would_be_read_along_the_way_is_not_sent(token, url, message, monkeypatch):
    monkeypatch.setenv("STEPBENCH_HTTP_TOKEN", token)
    with pytest.raises(UsageError, match=message) as caught:
        make_generator(f"http:{url}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("b", "https://host/x/b"),
        ("/b?q=1#f", "https://host/b?q=1"),
        ("//other/b", "https://other/b"),
        ("https://other:8/b", "https://other:8/b"),
        ("http://host/b", None),
        ("file:///etc/passwd", None),
        ("https://a:b@host/", None),
        ("https://[x/", None),
        ("https://host:x/", None),
        ("/a b", None),
    ],
)
def test_where_a_service_may_send_us_on_to(target, url):
    assert next_address("https://host/x/a", target) == url


def test_an_origin_has_one_spelling():
    assert origin("https://HOST:443/a") == origin("https://host/b") == "https://host"
    assert len({origin(url) for url in ("http://host/", "https://host/", "https://host:8/", "http://[::1]:8/")}) == 4
