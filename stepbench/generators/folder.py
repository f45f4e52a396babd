"""`folder:PATH`: clips that exist already, looked up in a manifest, become a generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file, sha256_json
from stepbench.errors import UsageError
from stepbench.generators.protocol import Clip
from stepbench.generators.settings import refuse_unknown_settings
from stepbench.layouts.manifest import Manifest, ManifestRow, read_manifest
from stepbench.layouts.names import composed
from stepbench.records import GeneratorCard, Prompt, Request, Settings

OFFERED = ("frames", "height", "width", "fps", "negative_prompt")
"""Settings that suites offer and that mean nothing here: the files are what they are."""


class ClipUnavailableError(Exception):
    """The manifest has no usable clip for a sample, which is recorded as failed with this text."""


class FolderGenerator:
    """Hands out the clips that a manifest lists; generates nothing.

    The seed of a sample is the seed, or sample index, in the manifest. A sample without a clip is planned like any
    other and fails when its turn comes, so gaps stay in the denominator. Cut or damaged files are handed out as they
    are: the run decodes them and records what is wrong.

    Args:
        path: A `manifest.jsonl` or `manifest.csv`, or a folder that holds one.
        name: Name of the model; None takes the manifest's own, or else `folder:<folder name>`.
    """

    def __init__(self, path: str | Path, *, name: str | None = None) -> None:
        self._manifest = read_manifest(path)
        folder = self._manifest.path.resolve().parent
        self._hashes = {row.where: _hash(self._manifest, row) for row in self._manifest.rows}
        self._by_id = {(row.prompt_id, row.seed): row for row in self._manifest.rows if row.prompt_id is not None}
        self._by_text = {(composed(row.text), row.seed): row for row in self._manifest.rows if row.text is not None}
        self.card = GeneratorCard(
            name=name or self._manifest.name or f"folder:{folder.name}",
            revision="files",
            weights_hash=sha256_json(
                [
                    [row.prompt_id or row.text, row.seed, row.path, self._hashes[row.where]]
                    for row in self._manifest.rows
                ]
            ),
            description="clips made elsewhere, read from a manifest",
            parameters={
                "manifest": self._manifest.path.name,
                "clips": sum(digest is not None for digest in self._hashes.values()),
            },
        )

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """The file's path in the manifest and its sha256 under `clip`, both None if there is no clip.

        Raises:
            UsageError: A setting that files cannot follow, or a manifest made for another text under this prompt id.
        """
        refuse_unknown_settings(self.card.name, settings, OFFERED)
        row = self._row(prompt, seed)
        if row is None:
            return {"clip": {"path": None, "sha256": None}}
        if row.text is not None and composed(row.text) != composed(prompt.text):
            raise UsageError(
                f"{row.where} has prompt {prompt.id} as {row.text!r:.80}, the suite has {prompt.text!r:.80}",
                hint="use the suite that the clips were made for",
            )
        return {"clip": {"path": row.path, "sha256": self._hashes[row.where]}}

    def generate(self, request: Request) -> Clip:
        """The clip that `resolve` found.

        Raises:
            ClipUnavailableError: There is none, or its file is gone or no longer the one the manifest was made from.
        """
        found = request.settings["clip"]
        sample = f"prompt {request.prompt_id} seed {request.seed}"
        if found["path"] is None:
            raise ClipUnavailableError(f"no clip for {sample}{self._reason(request)}")
        path = self._manifest.path.parent / found["path"]
        if found["sha256"] is None or not path.is_file():
            raise ClipUnavailableError(f"no clip for {sample}: {path} is not there")
        digest = sha256_file(path)
        if digest != found["sha256"]:
            raise ClipUnavailableError(
                f"the clip for {sample} changed: {path} has sha256 {digest}, the manifest says {found['sha256']}"
            )
        return Clip(path=path)

    def _row(self, prompt: Prompt, seed: int) -> ManifestRow | None:
        # The text serves where the clips were imported for a suite that has other ids.
        return self._by_id.get((prompt.id, seed)) or self._by_text.get((composed(prompt.text), seed))

    def _reason(self, request: Request) -> str:
        row = self._by_id.get((request.prompt_id, request.seed))
        return f": {row.reason}" if row is not None and row.reason else ""


def folder_generator(argument: str) -> FolderGenerator:
    """Factory of the `folder` family; the argument is the path.

    Raises:
        UsageError: No path, or no manifest there.
        SuiteError: A manifest that breaks its format.
    """
    if not argument.strip():
        raise UsageError("folder: needs a path", hint="for example folder:clips/manifest.jsonl")
    return FolderGenerator(Path(argument).expanduser())


def _hash(manifest: Manifest, row: ManifestRow) -> str | None:
    """The clip's hash as the manifest has it, else that of the file; None if there is no file."""
    path = manifest.clip(row)
    if path is None or not path.is_file():
        return row.sha256
    return row.sha256 or sha256_file(path)
