"""What a run keeps of a reference set, so that the values of set metrics can be computed again from its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress

from stepbench.errors import IncompleteError
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.journal import saving
from stepbench.runs.reference import Reference


def take_reference_in(folder: RunFolder, reference: Reference, feature_ids: Iterable[str]) -> None:
    """Note which clips form the set, and copy what features the reference run has of them already.

    Raises:
        IncompleteError: The folder cannot be written.
    """
    listed = reference.listed()
    content = {"run_id": reference.run.name, "hash": reference.hash, "clips": listed}
    path = folder.reference_list(reference.hash)
    if not path.is_file():
        with saving(folder.features):
            folder.features.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    _copy(RunFolder(reference.run.folder), folder, listed, feature_ids)


def hand_features_back(folder: RunFolder, reference: Reference, feature_ids: Iterable[str]) -> None:
    """Leave the features of the reference's clips in its own folder, so that the next run to be scored finds them."""
    # A cache: where that folder cannot be written, every run makes the features for itself.
    with suppress(IncompleteError):
        _copy(folder, RunFolder(reference.run.folder), reference.listed(), feature_ids)


def _copy(source: RunFolder, target: RunFolder, listed: list[dict[str, str]], feature_ids: Iterable[str]) -> None:
    clips = {row["clip_sha256"] for row in listed}
    for feature_id in feature_ids:
        there, here = source.feature_store(feature_id), target.feature_store(feature_id)
        wanted = sorted(clips & there.keys() - here.keys())
        if wanted:
            here.add(dict(zip(wanted, there.read(wanted), strict=True)))
