"""A study's votes as data for Video-DPO: rules, leak check, splits by prompt family, files and a manifest."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stepbench import __version__
from stepbench.canonical import sha256_file, sha256_json
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.dpo.clip_files import ClipFinder, ClipOnDisk
from stepbench.preferences.dpo.leaks import EvaluationTexts, refuse_leaks
from stepbench.preferences.dpo.preference_rows import preference_row, write_rows
from stepbench.preferences.dpo.rules import PairRules, PreferredPair, candidate_votes, select_pairs
from stepbench.preferences.dpo.splits import SPLITS, SplitShares, prompt_families, split_families
from stepbench.preferences.ratings.counting import Table

SCHEMA = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class PreferenceExport:
    """What was written.

    Attributes:
        files: Split -> its JSONL file; splits without pairs have none.
        manifest: The manifest's path.
        content: What it says.
    """

    files: dict[str, Path]
    manifest: Path
    content: dict[str, Any]

    def lines(self) -> list[str]:
        """What came of it, for people."""
        pairs, votes = self.content["pairs"], self.content["votes"]
        dropped = ", ".join(f"{number} by {rule!r}" for rule, number in pairs["dropped"].items()) or "none dropped"
        lines = [f"{pairs['kept']} of {pairs['voted_on']} pairs kept; {dropped}"]
        for split, path in self.files.items():
            counts = self.content["splits"][split]
            lines.append(f"{path}: {counts['pairs']} pairs of {counts['prompts']} prompts")
        compressed = sum(clip["kind"] == "study" for clip in self.content["clips"].values())
        if compressed:
            lines.append(f"{compressed} clips are compressed copies; --runs FOLDER finds the lossless ones")
        if votes["simulated"]:
            lines.append(f"SIMULATED: {votes['simulated']} of {votes['used']} votes are by programs")
        return [*lines, f"{self.manifest}: rules, counts and hashes"]


@dataclass(frozen=True, kw_only=True)
class PreferenceSource:
    """What preferences are made from.

    Attributes:
        votes: As `Study.votes()`.
        facts: About the study, for the manifest: study_id, protocol_sha256 ...
        clips: Finds clips.
    """

    votes: Table
    facts: Mapping[str, Any]
    clips: ClipFinder


def export_preferences(
    source: PreferenceSource,
    out: Path,
    *,
    rules: PairRules,
    shares: SplitShares,
    evaluation: EvaluationTexts,
    copy: bool = False,
    dataset_card: bool = False,
) -> PreferenceExport:
    """Write preferences.

    Every prompt with a vote that could count is checked against the evaluation prompts before anything is written.

    Args:
        source: Votes and clips.
        out: A folder, which gets one JSONL and one Parquet file per split and `manifest.json`; or a name ending in
            .jsonl for the training split, with the others beside it as NAME.val.jsonl, NAME.test.jsonl and
            NAME.manifest.json.
        rules: What a pair needs.
        shares: How many prompt families are held out.
        evaluation: What must not be trained on.
        copy: Copy the clips to `clips/` under their hashes, so that the folder can travel.
        dataset_card: Write a README.md by which `datasets.load_dataset(FOLDER)` finds the splits.

    Raises:
        LeakError: An evaluation prompt is among the prompts voted on; it is named.
        NothingSelectedError: No pair is left; says which rule dropped how many.
        UsageError: A clip is missing or was changed, or the files of another export are in the way.
    """
    votes = candidate_votes(source.votes, rules)
    # One id may stand with several texts, where a table of pairs is not from one suite.
    asked = votes[["prompt_id", "text", "pair_group"]].drop_duplicates()
    refuse_leaks(
        ((str(row["prompt_id"]), str(row["text"]), row["pair_group"] or None) for row in asked.to_dict("records")),
        evaluation,
    )
    selected = select_pairs(votes, rules)
    if not selected.pairs:
        listed = ", ".join(f"{number} by {rule!r}" for rule, number in selected.dropped.items()) or "there were none"
        raise NothingSelectedError(f"no pair is left: {listed}", hint="collect more votes, or loosen the rules")
    families = prompt_families(selected.pairs)
    sides = split_families(families, shares)
    places = _places(out)
    clips = _clips(selected.pairs, source.clips, places["train"].parent, copy=copy)
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for pair, family in zip(selected.pairs, families, strict=True):
        rows[sides[family]].append(_row(pair, clips, places["train"].parent, sides[family], rules))
    written = {split: write_rows(own, places[split]) for split, own in rows.items() if own}
    kinds = {file.sha256: file.kind for file in clips.values()}
    content = {
        "schema": SCHEMA,
        "stepbench": __version__,
        "study": dict(source.facts),
        "rules": asdict(rules),
        "shares": asdict(shares),
        **_counts(votes, selected.pairs, selected.dropped),
        "splits": _split_counts(rows, selected.pairs, families, sides),
        "evaluation_suites": dict(evaluation.suites),
        "files": {path.name: sha256_file(path) for files in written.values() for path in files},
        "clips": {
            row[side]: {"sha256": row[f"{side}_sha256"], "kind": kinds[row[f"{side}_sha256"]]}
            for own in rows.values()
            for row in own
            for side in ("chosen", "rejected")
        },
    }
    manifest = places["manifest"]
    manifest.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if dataset_card:
        (manifest.parent / "README.md").write_text(_card(written, content), encoding="utf-8")
    files = {split: paths[0] for split, paths in written.items()}
    return PreferenceExport(files=files, manifest=manifest, content=content)


def _row(
    pair: PreferredPair, clips: Mapping[tuple[str, ...], ClipOnDisk], folder: Path, split: str, rules: PairRules
) -> dict[str, Any]:
    chosen, rejected = (clips[_key(clip)] for clip in (pair.chosen, pair.rejected))
    return preference_row(
        pair,
        chosen=Path(os.path.relpath(chosen.path, folder.resolve())).as_posix(),
        rejected=Path(os.path.relpath(rejected.path, folder.resolve())).as_posix(),
        sha256=(chosen.sha256, rejected.sha256),
        split=split,
        dimension=rules.dimension,
    )


_CARD = """\
---
configs:
- config_name: default
  data_files:
{files}
---

Preferences between video clips: `prompt`, `chosen`, `rejected` (files below this folder) and where they come from.
{who} `manifest.json` holds rules, counts and hashes. Written by stepbench {version}.
"""
_HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def _card(written: Mapping[str, Sequence[Path]], content: Mapping[str, Any]) -> str:
    files = "\n".join(f"  - split: {_HUB_SPLITS[split]}\n    path: {paths[1].name}" for split, paths in written.items())
    votes = content["votes"]
    who = f"{votes['used']} votes, of which {votes['simulated']} are by programs (simulated annotators)."
    return _CARD.format(files=files, who=who, version=content["stepbench"])


def _places(out: Path) -> dict[str, Path]:
    """Where each split and the manifest go; what an earlier export left there is removed, so that nothing mixes."""
    if out.suffix == ".jsonl":
        names = {split: out if split == "train" else out.with_suffix(f".{split}.jsonl") for split in SPLITS}
        places = names | {"manifest": out.with_suffix(".manifest.json")}
    else:
        places = {split: out / f"{split}.jsonl" for split in SPLITS} | {"manifest": out / MANIFEST}
    there = [path for path in places.values() if path.exists()]
    if there and not places["manifest"].is_file():
        raise UsageError(f"{there[0]} is there and no export made it", hint="choose another place")
    places["manifest"].parent.mkdir(parents=True, exist_ok=True)
    for path in there:
        path.unlink()
        path.with_suffix(".parquet").unlink(missing_ok=True)
    return places


def _clips(
    pairs: Sequence[PreferredPair], finder: ClipFinder, folder: Path, *, copy: bool
) -> dict[tuple[str, ...], ClipOnDisk]:
    clips: dict[tuple[str, ...], ClipOnDisk] = {}
    for clip in (clip for pair in pairs for clip in (pair.chosen, pair.rejected)):
        found = finder.find(clip)
        target = found.path.resolve()
        if copy:
            target = folder.resolve() / "clips" / f"{found.sha256[:32]}{found.path.suffix}"
            target.parent.mkdir(exist_ok=True)
            if not target.is_file():
                shutil.copyfile(found.path, target)
        clips[_key(clip)] = ClipOnDisk(path=target, sha256=found.sha256, kind=found.kind)
    return clips


def _key(clip: Mapping[str, Any]) -> tuple[str, ...]:
    return (clip["run"], clip["sample_key"], clip["clip"])


def _counts(votes: Table, pairs: Sequence[PreferredPair], dropped: Mapping[str, int]) -> dict[str, Any]:
    used = [vote for pair in pairs for vote in pair.votes]
    # Outcomes are told by who was chosen, so the clips belong to what is hashed.
    said = [[pair.pair_id, pair.chosen, pair.rejected, list(pair.votes)] for pair in pairs]
    return {
        "pairs": {"voted_on": int(votes["pair_id"].nunique()), "kept": len(pairs), "dropped": dict(dropped)},
        "votes": {
            "used": len(used),
            "simulated": sum(vote["simulated"] for vote in used),
            "annotators": len({vote["annotator"] for vote in used}),
            "sha256": sha256_json(said),
        },
        "simulated": any(vote["simulated"] for vote in used),
    }


def _split_counts(
    rows: Mapping[str, Sequence[Any]], pairs: Sequence[PreferredPair], families: Sequence[str], sides: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    own = Counter(sides[family] for family in set(families))
    prompts = Counter(
        sides[family] for family in dict(zip((p.prompt_id for p in pairs), families, strict=True)).values()
    )
    return {split: {"pairs": len(rows[split]), "prompts": prompts[split], "families": own[split]} for split in SPLITS}
