"""Copies of runs at other addresses: complete, in an order that is safe at any moment, and good to go on from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import fsspec
import pytest
from run_files import clip_bytes, final_bytes, final_samples

from stepbench.errors import EnvironmentUnfitError, IncompleteError, RunFolderError, UsageError
from stepbench.runs import copies
from stepbench.runs.copies import RunCopy, copied
from stepbench.runs.folder import RunFolder
from stepbench.runs.pull import pull_run
from stepbench.runs.remote import Remote

RUN = ["run", "-M", "python:toy_generators:noise", "-t", "mini", "-m", "flicker", "--run-id", "r"]


@pytest.fixture(params=["file", "memory"])
def address(request, workplace):
    """A folder of runs, empty."""
    if request.param == "file":
        yield f"file://{workplace}/bucket"
        return
    memory = fsspec.filesystem("memory")
    yield "memory://bucket/runs"
    memory.rm("/bucket", recursive=True)


def content(folder: Path) -> dict[str, bytes]:
    """Every file that belongs to a copy."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if name != "copies.json" and not any(part.startswith(".") for part in Path(name).parts)
    }


def content_there(address: str) -> dict[str, bytes]:
    remote = Remote(address)
    return {name: remote.read(name) for name in remote.sizes()}


def test_a_run_is_copied_whole_and_sent_but_once(stepbench, make_suite, workplace, address, monkeypatch):
    make_suite("one", "two")
    assert stepbench(*RUN, "--copy-to", address).code == 0
    assert content_there(f"{address}/r") == content(workplace / "runs/r")
    note = json.loads((workplace / "runs/r/copies.json").read_text(encoding="utf-8"))
    assert note[f"{address}/r"]["error"] is None
    assert note[f"{address}/r"]["files"] == len(content(workplace / "runs/r"))
    sent = []
    send = Remote.send
    monkeypatch.setattr(Remote, "send", lambda remote, path, name: sent.append(name) or send(remote, path, name))
    assert stepbench(*RUN, "--copy-to", address, "-m", "sharpness").code == 0
    assert not any(name.startswith("clips/") for name in sent)
    assert content_there(f"{address}/r") == content(workplace / "runs/r")


def test_what_is_gone_here_goes_there_too(stepbench, make_suite, workplace, address):
    make_suite("one")
    assert stepbench(*RUN, "--copy-to", address).code == 0
    assert stepbench(*RUN, "--copy-to", address, "--keep", "previews").code == 0
    there = content_there(f"{address}/r")
    assert there == content(workplace / "runs/r")
    assert not any(name.endswith(".mkv") for name in there)


def test_a_pulled_run_is_the_run_and_goes_on(stepbench, make_suite, workplace, address):
    make_suite("one", "two")
    assert stepbench(*RUN, "--copy-to", address).code == 0
    (workplace / "runs").rename(workplace / "before")
    pulled = stepbench("pull", f"{address}/r", "--json")
    assert pulled.code == 0
    assert pulled.records()[0]["changed"] == []
    assert content(workplace / "runs/r") == content(workplace / "before/r")
    # A clip of which there is but a part is made anew; all else stays as it is.
    shutil.rmtree(workplace / "runs")
    clip = json.loads((workplace / "before/r/samples.jsonl").read_text(encoding="utf-8").splitlines()[0])["clip"]
    Remote(f"{address}/r").write(clip, b"half")
    pulled = stepbench("pull", f"{address}/r")
    assert f"{clip} is missing there, or is not the clip of its row" in pulled.err
    assert stepbench(*RUN, "--copy-to", address).code == 0
    for files in (final_bytes, clip_bytes):
        assert files(workplace / "runs/r") == files(workplace / "before/r")
    made = final_samples(workplace / "runs/r")
    assert [row["clip_sha256"] for row in made] == [row["clip_sha256"] for row in final_samples(workplace / "before/r")]
    assert content_there(f"{address}/r")[clip] == (workplace / "runs/r" / clip).read_bytes()


def test_a_row_never_goes_before_its_clip(stepbench, make_suite, workplace, address, monkeypatch):
    make_suite("one", "two", "three", "four")
    monkeypatch.setattr(copies, "COPY_SECONDS", 0.01)
    looks = []
    write = Remote.write

    def checked(remote, name, data):
        if name == "samples.jsonl":
            rows = [json.loads(line) for line in data.splitlines()]
            looks.append(len(rows))
            assert {row["clip"] for row in rows} <= remote.sizes().keys()
        write(remote, name, data)

    monkeypatch.setattr(Remote, "write", checked)
    assert stepbench(*RUN, "--set", "sleep=0.3", "--copy-to", address).code == 0
    assert looks[-1] == 4
    assert looks[0] < 4


def test_what_cannot_be_copied_is_told_and_nothing_is_lost(stepbench, make_suite, workplace, address, monkeypatch):
    make_suite("one")

    def refuse(*_):
        raise IncompleteError("cannot write: the bucket is full")

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "send", refuse)
        ended = stepbench(*RUN, "--copy-to", address)
    assert ended.code == 3
    assert "the bucket is full" in ended.err
    assert json.loads((workplace / "runs/r/run.json").read_text(encoding="utf-8"))["status"] == "complete"
    note = json.loads((workplace / "runs/r/copies.json").read_text(encoding="utf-8"))[f"{address}/r"]
    assert note["error"] == "cannot write: the bucket is full"
    assert stepbench(*RUN, "--copy-to", address).code == 0
    assert content_there(f"{address}/r") == content(workplace / "runs/r")


def test_an_address_that_cannot_be_written_is_refused_before_any_work(stepbench, make_suite, workplace):
    make_suite("one")
    (workplace / "bucket").write_text("a file", encoding="utf-8")
    ended = stepbench(*RUN, "--copy-to", f"file://{workplace}/bucket/runs")
    assert ended.code == 12
    assert f"cannot write file://{workplace}/bucket/runs/r: NotADirectoryError" in ended.err
    assert not (workplace / "runs").exists()


def test_no_bucket_is_made(address, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a bucket was asked for")

    monkeypatch.setattr("stepbench.runs.remote.BUCKETS", {"memory"})
    if address.startswith("memory"):
        monkeypatch.setattr(type(fsspec.filesystem("memory")), "makedirs", never)
    Remote(address).write("a", b"1")
    assert Remote(address).read("a") == b"1"


def interrupted(path: Path, address: str, place: Path, text: str) -> None:
    with copied(path, address, "hash"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        raise KeyboardInterrupt


def test_an_interrupted_run_is_copied_as_it_is_and_stays_interrupted(workplace):
    path, row = workplace / "runs/r", '{"sample_key": "k", "outcome": "failed", "attempt": 1}\n'
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, f"{workplace}/bucket/r", path / "samples.jsonl", row + '{"torn')
    assert content_there(f"{workplace}/bucket/r") == {"samples.jsonl": row.encode()}
    # The first error counts, also when there is a second one.
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, f"{workplace}/other/r", workplace / "other/r/samples.jsonl.tmp/a", "in the way")
    notes = json.loads((path / "copies.json").read_text(encoding="utf-8"))
    assert notes[f"{workplace}/bucket/r"]["error"] is None
    assert "cannot write" in notes[f"{workplace}/other/r"]["error"]


def test_a_copy_of_something_else_is_left_alone(stepbench, make_suite, workplace, address):
    make_suite("one", "two")
    assert stepbench(*RUN, "--copy-to", address).code == 0
    there = content_there(f"{address}/r")
    shutil.rmtree(workplace / "runs")
    ended = stepbench(*RUN, "--copy-to", address)
    assert ended.code == 2
    assert f"{address}/r holds 2 clips that runs/r lacks" in ended.err
    assert f"stepbench pull {address}/r -o runs" in ended.err
    with pytest.raises(UsageError, match="holds a run with another plan"):
        RunCopy(RunFolder(workplace / "runs/r"), f"{address}/r", "another")
    assert content_there(f"{address}/r") == there


def test_shards_have_copies_of_their_own(stepbench, make_suite, workplace, address):
    make_suite("one", "two")
    for shard in ("1/2", "2/2"):
        assert stepbench(*RUN, "-o", f"machine-{shard[0]}", "--shard", shard, "--copy-to", address).code == 0
    for number, out in ((0, "machine-2"), (1, "machine-1")):
        assert content_there(f"{address}/r-shard-{number}-of-2") == content(workplace / out / "r")


def test_addresses_that_cannot_be(stepbench, make_suite, monkeypatch):
    make_suite("one")
    with pytest.raises(UsageError, match="is no address: Protocol not known: nowhere"):
        Remote("nowhere://bucket")

    def lacking(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(EnvironmentUnfitError, match="cannot be reached: Install s3fs to access S3"):
        Remote("s3://bucket")
    assert stepbench(*RUN, "--copy-to", "s3://bucket").code == 12
    assert not Path("runs").exists()


def test_what_is_no_copy_is_not_pulled(stepbench, make_suite, workplace, address):
    make_suite("one")
    assert stepbench(*RUN, "--copy-to", address).code == 0
    with pytest.raises(RunFolderError, match="there is no run at"):
        pull_run(address, workplace / "else")
    with pytest.raises(RunFolderError, match="is here already"):
        pull_run(f"{address}/r", workplace / "runs")
    Remote(f"{address}/r").write(".writing", b"")
    with pytest.raises(RunFolderError, match=r"unsafe file name '\.writing'"):
        pull_run(f"{address}/r", workplace / "else")
    Remote(f"{address}/r").write("run.json", b'{"run_id": "../up"}')
    with pytest.raises(RunFolderError, match=r"unsafe run id '\.\./up'"):
        pull_run(f"{address}/r", workplace / "else")
    with pytest.raises(IncompleteError, match="cannot read"):
        Remote(f"{address}/r").read("nothing")
