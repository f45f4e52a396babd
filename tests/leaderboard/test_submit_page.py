"""The page for handing runs in: what an upload is answered, and that nothing of it stays."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from board_runs import make_run
from streamlit.testing.v1 import AppTest

import leaderboard
from stepbench.submissions.limits import MIB, MOST_MIB, SubmissionError
from stepbench.submissions.upload import check_upload

PAGE = Path(leaderboard.__file__).with_name("pages") / "submit.py"


def packed(**files: bytes) -> io.BytesIO:
    """A .zip of these files."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    held.seek(0)
    return held


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every test leaves the folder for temporary files empty."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    yield
    assert list(scratch.iterdir()) == []


def test_the_page_says_how_and_answers_uploads():
    page = AppTest.from_file(str(PAGE), default_timeout=30).run()
    assert not page.exception
    assert "self-reported" in page.markdown[0].value
    assert "stepbench leaderboard check" in page.code[0].value
    page.file_uploader[0].set_value(
        ("run.zip", packed(**{"run.json": b'{"a": NaN}'}).getvalue(), "application/zip")
    ).run()
    assert not page.exception
    assert "NaN is no number" in page.error[0].value


def test_a_run_is_checked_without_torch(tmp_path: Path):
    run = make_run(tmp_path / "runs", "mine")
    files = {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    name, checks = check_upload("My Run.ZIP", packed(**files))
    assert name == "mine"
    results = {check.name: check.result for check in checks}
    # The test has changed run.json behind the sums, and its suite is known nowhere.
    assert (results["plan"], results["samples"], results["suite"]) == ("passed", "passed", "failed")


def test_what_is_no_archive_or_too_large_is_refused():
    with pytest.raises(SubmissionError, match="no archive that is read here"):
        check_upload("run.exe", io.BytesIO(b"MZ"))
    with pytest.raises(SubmissionError, match=f"more than {MOST_MIB} MiB"):
        check_upload("run.zip", io.BytesIO(bytes((MOST_MIB + 1) * MIB)))
    with pytest.raises(SubmissionError, match="damaged archive"):
        check_upload("run.zip", io.BytesIO(b"no zip"))
    with pytest.raises(SubmissionError, match=r"card of metric|name must be text"):
        check_upload("run.zip", _with_a_broken_card())


def _with_a_broken_card() -> io.BytesIO:
    with tempfile.TemporaryDirectory() as place:
        run = make_run(Path(place), "mine")
        text = (run / "run.json").read_text().replace('"metric_cards": {}', '"metric_cards": {"x@1": {"id": "x@1"}}')
        return packed(**{"run.json": text.encode()})
