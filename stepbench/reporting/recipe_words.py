"""The recipe behind a table in a few sentences, for formats that have room for a footnote only."""

from __future__ import annotations

from stepbench.reporting.model import Report


def recipe_sentences(report: Report) -> list[str]:
    """Suite, seeds, settings, generators and metric ids: what decides what the numbers mean."""
    first = report.runs[0]
    settings = ", ".join(f"{key}={value}" for key, value in first.settings.items() if value != "")
    generators = "; ".join(
        f"{run.label}: revision {run.revision}{f', weights {run.weights_hash[:12]}' if run.weights_hash else ''}"
        for run in report.runs
    )
    sentences = [
        f"Suite {first.suite} {first.suite_version} (hash {first.suite_hash[:12]}), {first.samples['planned']} clips "
        f"per run, seeds {', '.join(map(str, first.seeds))}; {settings}.",
        f"Generators: {generators}.",
        f"Metric ids: {', '.join(report.cards)}.",
        f"Scored with stepbench {first.environment.get('stepbench', 'of unknown version')}.",
    ]
    for pairing in report.pairings:
        if pairing.incomparable:
            sentences.append(
                f"{pairing.label} is not comparable with the baseline ({'; '.join(pairing.incomparable)}); shown for "
                f"this reason: {pairing.reason}."
            )
    return sentences
