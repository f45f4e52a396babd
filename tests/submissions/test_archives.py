"""Archives from strangers: honest ones come out whole, hostile ones are refused and leave nothing behind."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepbench.submissions.limits import Limits, SubmissionError
from stepbench.submissions.unpack import unpack

SMALL = Limits(total=50 << 20, file=40 << 20, files=20, directory=1 << 16)


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes], packed: bool = True, **options: Any) -> Path:
    with tarfile.open(path, "w:gz" if packed else "w", **options) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def special(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


def with_mode(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., None]:
    """Unpacking raises what is expected, and writes nothing beside the scratch folder."""

    def check(archive: Path, match: str, limits: Limits = SMALL) -> None:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        before = {path for path in tmp_path.rglob("*") if scratch not in path.parents}
        with pytest.raises(SubmissionError, match=match):
            unpack(archive, scratch, limits)
        assert {path for path in tmp_path.rglob("*") if scratch not in path.parents} == before
        assert not any(path.is_symlink() for path in scratch.rglob("*"))

    return check


@pytest.mark.parametrize("name", ["run.zip", "run.tar.gz", "RUN.TGZ"])
def test_an_honest_archive_comes_out_whole(tmp_path: Path, name: str):
    files = {"run/run.json": b"{}", "run/clips/p0-s0.mkv": os.urandom(3 << 20), "run/scores/a@1:b.jsonl": b""}
    if name.endswith(".zip"):
        zipped(tmp_path / name, *files.items())
    else:
        tarred(tmp_path / name, *((tarfile.TarInfo(f"./{key}"), content) for key, content in files.items()))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    unpack(tmp_path / name, scratch, SMALL)
    found = {str(path.relative_to(scratch)): path.read_bytes() for path in scratch.rglob("*") if path.is_file()}
    assert found == files


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../out.json", "unsafe name"),
        ("run/../../out.json", "unsafe name"),
        ("/etc/out.json", "absolute name"),
        ("C:\\out.json", "absolute name|unsafe name"),
        ("run\\..\\out.json", "unsafe name"),
        ("run/a\nb.json", "unsafe name"),
        ("run/" + "a" * 300, "unsafe name"),
        ("a/b/c/d/e/f/g/h/run.json", "nests folders"),
        ("./.", "unsafe name"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, refused: Callable[..., None], name: str, match: str):
    # Written as they are: zipfile would put the names right.
    info = zipfile.ZipInfo("x")
    info.filename = name
    refused(zipped(tmp_path / "run.zip", (info, b"evil")), match)
    (tmp_path / "scratch").rmdir()
    refused(tarred(tmp_path / "run.tar.gz", (tarfile.TarInfo(name), b"evil")), match)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_zips_are_refused(tmp_path: Path, refused: Callable[..., None], kind: int):
    refused(zipped(tmp_path / "run.zip", (with_mode("run/x", kind | 0o777), b"/etc/passwd")), "neither a regular file")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tars_are_refused(tmp_path: Path, refused: Callable[..., None], kind: bytes):
    refused(tarred(tmp_path / "run.tar.gz", special("run/x", kind, "/etc/passwd")), "neither a regular file")


def test_bombs_are_refused_by_what_comes_out_of_them(tmp_path: Path, refused: Callable[..., None]):
    zeros = bytes(39 << 20)
    refused(zipped(tmp_path / "run.zip", ("run/zeros", zeros)), "100 times its size")
    (tmp_path / "scratch" / "run" / "zeros").unlink()
    (tmp_path / "scratch" / "run").rmdir()
    (tmp_path / "scratch").rmdir()
    refused(tarred(tmp_path / "run.tar.gz", (tarfile.TarInfo("run/zeros"), zeros)), "100 times its size")


def test_a_false_size_in_a_zip_helps_nobody(tmp_path: Path, refused: Callable[..., None]):
    archive = zipped(tmp_path / "run.zip", ("run/x", bytes(2 << 20)))
    data = archive.read_bytes()
    # The unpacked size stands in the local header and in the directory.
    archive.write_bytes(data.replace((2 << 20).to_bytes(4, "little"), (5).to_bytes(4, "little")))
    refused(archive, "damaged archive")


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        (Limits(total=1 << 20), "at most 1048576 are taken|more than 1048576 bytes"),
        (Limits(file=1 << 20), "at most 1048576 are taken"),
        (Limits(files=2), "more than 2 files"),
    ],
)
def test_limits_hold(tmp_path: Path, refused: Callable[..., None], limits: Limits, match: str):
    members = [(f"run/{number}", os.urandom(700_000)) for number in range(3)]
    refused(zipped(tmp_path / "run.zip", *members, ("run/large", os.urandom(1_100_000))), match, limits)


def test_a_long_header_of_a_tar_is_not_held_in_memory(tmp_path: Path, refused: Callable[..., None]):
    info = tarfile.TarInfo("run/x")
    info.pax_headers = {"comment": "a" * (30 << 20)}
    refused(tarred(tmp_path / "run.tar.gz", (info, b""), format=tarfile.PAX_FORMAT), "list of names is too large")


def test_a_long_directory_of_a_zip_is_not_held_in_memory(tmp_path: Path, refused: Callable[..., None]):
    members = [(f"run/{'x' * 200}{number}", b"") for number in range(1000)]
    refused(zipped(tmp_path / "run.zip", *members), "list of names is too large", Limits(directory=1 << 16))


def test_a_name_that_stands_there_twice_is_refused(tmp_path: Path, refused: Callable[..., None]):
    refused(zipped(tmp_path / "run.zip", ("run/a.json", b"1"), ("run/A.json", b"2")), "holds 'run/A.json' twice")
    (tmp_path / "scratch" / "run" / "a.json").unlink()
    (tmp_path / "scratch" / "run").rmdir()
    (tmp_path / "scratch").rmdir()
    refused(zipped(tmp_path / "run.zip", ("run/a", b"1"), ("run/a/b", b"2")), "holds 'run/a/b' twice")
    (tmp_path / "scratch" / "run" / "a").unlink()
    (tmp_path / "scratch" / "run").rmdir()
    (tmp_path / "scratch").rmdir()
    refused(zipped(tmp_path / "run.zip", ("run/a/b", b"1"), ("run/a", b"2")), "holds 'run/a' twice")


def test_sparse_members_are_refused(tmp_path: Path, refused: Callable[..., None]):
    refused(tarred(tmp_path / "run.tar.gz", special("run/x", tarfile.GNUTYPE_SPARSE)), "neither a regular|damaged")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.zip", b"PK\x03\x04 nothing"),
        ("run.tar.gz", b"no gzip"),
        ("run.tar.gz", gzip.compress(b"no tar" * 200)),
        ("run.tar.gz", gzip.compress(b"\0" * 10240)[:-9]),
    ],
    # Packed bytes hold the time: as names of tests they would differ between processes.
    ids=["no zip", "no gzip", "no tar", "cut short"],
)
def test_damaged_archives_are_refused(tmp_path: Path, refused: Callable[..., None], name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, "damaged archive|cannot be read")


def test_encrypted_members_are_refused(tmp_path: Path, refused: Callable[..., None]):
    archive = zipped(tmp_path / "run.zip", ("run/x", b"secret"))
    data = bytearray(archive.read_bytes())
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + offset] |= 1
    archive.write_bytes(bytes(data))
    refused(archive, "is encrypted")


def test_other_packings_are_refused(tmp_path: Path, refused: Callable[..., None]):
    with zipfile.ZipFile(tmp_path / "run.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("run/x", b"x")
    refused(tmp_path / "run.zip", "compression that is not read here")
    (tmp_path / "run.7z").write_bytes(b"7z")
    (tmp_path / "scratch").rmdir()
    refused(tmp_path / "run.7z", "not an archive that is read here")
