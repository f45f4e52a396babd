"""How a run was made and how to make it again: facts, environment, and shell commands checked against the suite."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stepbench.errors import StepbenchError
from stepbench.records import Prompt, Suite
from stepbench.reporting.model import RunFacts
from stepbench.runs.metric_spec import MetricSpec
from stepbench.suites import load_suite
from stepbench.suites.load import select_prompts

if TYPE_CHECKING:
    from stepbench.runs.run import Run

OUTCOMES = ("ok", "failed", "refused")


def run_facts(name: str, run: Run, label: str, number: int) -> RunFacts:
    """Everything that was recorded about a run."""
    info, generator, environment = run.info, run.info["generator"], run.info["environment"] or {}
    outcomes = list(run.samples()["outcome"])
    counts = {outcome: outcomes.count(outcome) for outcome in OUTCOMES}
    return RunFacts(
        run=name,
        label=label,
        number=number,
        generator=run.generator_name,
        **{field: str(generator[field]) for field in ("revision", "weights_hash", "licence", "description")},
        status=str(info["status"]),
        created_at=str(info["created_at"]),
        updated_at=str(info.get("updated_at") or ""),
        settings=dict(info["settings"]),
        seeds=tuple(info["seeds"]),
        reference=info["reference"]["run_id"] if info["reference"] else None,
        plan_hash=str(info["plan_hash"]),
        suite=str(info["suite"]["name"]),
        suite_version=str(info["suite"]["version"]),
        suite_hash=str(info["suite"]["hash"]),
        samples={"planned": len(outcomes), **counts, "missing": len(outcomes) - sum(counts.values())},
        commands=tuple(commands(run)),
        environment=_environment(environment),
        packages={str(key): str(value) for key, value in (environment.get("packages") or {}).items()},
    )


def commands(run: Run) -> list[str]:
    """Shell lines that make the run again; a remark says what they cannot hold."""
    info = run.info
    # A generator that bears another name than the one it is called by says how it is called.
    spec = str(info["generator"].get("parameters", {}).get("spec", run.generator_name))
    words = ["stepbench", "run", "-M", spec, "-t", info["suite"]["name"]]
    words += ["--seeds", _seeds(info["seeds"])]
    suite = _same_suite(info["suite"])
    selection, remarks = _selection(run, suite)
    defaults = {**(suite.card.defaults if suite else {}), **info["generator"].get("defaults", {})}
    changed = {key: value for key, value in info["settings"].items() if defaults.get(key, "") != value}
    words += selection
    words += [word for key, value in sorted(changed.items()) for word in ("--set", f"{key}={value}")]
    asked = [MetricSpec(name=card["name"], options=card.get("options", {})) for card in run.metric_cards.values()]
    metrics = list(dict.fromkeys(map(str, asked)))
    words += ["-m", ",".join(metrics)] if metrics else ["--no-score"]
    if info["reference"]:
        words += ["--reference", f"runs/{info['reference']['run_id']}"]
    words += ["--run-id", run.name]
    if suite is None:
        remarks.append(f"the suite with hash {info['suite']['hash'][:12]} is not on this machine")
    return [*(f"# {remark}" for remark in remarks), shlex.join(words)]


def _same_suite(recorded: Mapping[str, Any]) -> Suite | None:
    try:
        suite = load_suite(recorded["name"])
    except StepbenchError:
        # A suite that was given by path, or of a package that is not installed here: the remark says so.
        return None
    return suite if suite.hash == recorded["hash"] else None


def _selection(run: Run, suite: Suite | None) -> tuple[list[str], list[str]]:
    """Options that select the planned prompts from the suite, and a remark where no options do."""
    planned = list(dict.fromkeys(prompt.id for _, prompt, _ in run.planned))
    if suite is not None:
        prompts = [run.prompts[key] for key in planned]
        languages, categories = (_values(prompts, field) for field in ("language", "category"))
        filters: list[dict[str, list[str]]] = [{}, {"languages": languages}, {"categories": categories}]
        for kept in (*filters, {"languages": languages, "categories": categories}):
            for split in (None, "test", "train", "all"):
                try:
                    selected = [prompt.id for prompt in _selected(suite, split, **kept)]
                except StepbenchError:
                    # The suite has no such split, or nothing of it passes the filters: not how the run was selected.
                    continue
                if selected[: len(planned)] != planned:
                    continue
                words = [word for field, values in kept.items() for word in (f"--{field}", ",".join(values))]
                words += ["--split", split] if split else []
                words += ["-L", str(len(planned))] if len(selected) > len(planned) else []
                return words, []
    return [], [f"{len(planned)} prompts were planned, those in runs/{run.name}/prompts.jsonl"]


def _selected(
    suite: Suite, split: str | None, languages: Sequence[str] = (), categories: Sequence[str] = ()
) -> tuple[Prompt, ...]:
    return select_prompts(suite, split=split, languages=languages, categories=categories)


def _values(prompts: Sequence[Prompt], field: str) -> list[str]:
    return list(dict.fromkeys(getattr(prompt, field) for prompt in prompts))


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}..{seeds[-1]}"
    return ",".join(map(str, seeds))


def _environment(recorded: Mapping[str, Any]) -> dict[str, str]:
    """The facts that people look for first, in words; the packages stand apart."""
    if not recorded:
        return {}
    git, cpu, torch = recorded.get("git") or {}, recorded.get("cpu") or {}, recorded.get("torch") or {}
    gpus = [f"{gpu.get('name')} (driver {gpu.get('driver_version')})" for gpu in recorded.get("gpus") or []]
    memory = recorded.get("memory_bytes")
    commit = f"{git['commit'][:12]}{', with local changes' if git.get('dirty') else ''}" if git else ""
    facts = {
        "stepbench": f"{recorded.get('stepbench')}{f' (commit {commit})' if commit else ''}",
        "Python": recorded.get("python"),
        "PyTorch": f"{torch['version']} (CUDA {torch['cuda']})" if torch else None,
        "platform": recorded.get("platform"),
        "CPU": f"{cpu.get('count')} x {cpu.get('model')}" if cpu else None,
        "memory": f"{memory / 2**30:.0f} GiB" if memory else None,
        "GPU": ", ".join(gpus) or "none",
        "codec": f"PyAV {recorded['codec'].get('pyav')}, libavcodec {recorded['codec'].get('libavcodec')}"
        if recorded.get("codec")
        else None,
        "variables": ", ".join(f"{key}={value}" for key, value in (recorded.get("variables") or {}).items()) or None,
    }
    return {key: str(value) for key, value in facts.items() if value}
