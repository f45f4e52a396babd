"""`stepbench prefs status STUDY`: how far a study is, and how well its annotators agree."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from stepbench.cli.options import Json
from stepbench.cli.output import interval, note, number, print_records, print_table
from stepbench.errors import ExitCode

QUALITY = ("annotator", "simulated", "votes", "skipped", "gold", "gold_pass_rate", "repeats", "repeat_consistency")
TIMES = ("median_seconds", "fast_share", "side_bias_z", "tie_share", "tie_z", "excluded")


def status(study: Path, /, *, json: Json = False) -> int:
    """Progress, votes per hour, agreement, quality control and the win rates so far.

    The bounds of win rates hold however often one looks.

    Args:
        study: Study folder.
    """
    import numpy as np

    from stepbench.preferences import Study
    from stepbench.preferences.agreement_table import agreement_table
    from stepbench.preferences.monitor import win_rates
    from stepbench.preferences.progress import study_progress

    with Study.open(study) as opened:
        progress, votes = study_progress(opened), opened.votes()
        agreement = agreement_table(votes, opened.protocol, rng=np.random.default_rng(opened.seed))
        rates, quality = win_rates(votes, opened.pairs(), opened.protocol), opened.quality()
        about = {name: getattr(opened, name) for name in ("study_id", "purpose", "seed", "created_at")}
        about |= {"protocol": opened.protocol.name, "protocol_sha256": opened.protocol_sha256}
    tables = {"agreement": agreement, "quality": quality, "win_rates": rates}
    plain = {name: table.to_dict(orient="records") for name, table in tables.items()}
    if json:
        print_records([about | {"progress": asdict(progress)} | plain])
    else:
        planned = ", ".join(f"{count} {kind}" for kind, count in progress.pairs.items() if count)
        print(f"study {about['study_id']}, protocol {about['protocol']} ({about['protocol_sha256'][:12]})")
        print(f"pairs: {planned or 'none planned'}")
        mark = " (SIMULATED VOTES)" if progress.simulated else ""
        simulated = f", of which {progress.standing_simulated} SIMULATED" if progress.standing_simulated else ""
        print(f"votes: {progress.standing} of {progress.wanted} on real pairs{simulated}; {progress.left} missing")
        print(f"now with annotators: {progress.leased}; skips: {progress.skipped}")
        print(f"votes per hour: {number(progress.votes_per_hour, 3) or 'not known yet'}")
        for row in plain["agreement"]:
            row["interval"] = interval(row["low"], row["high"])
        for row in plain["win_rates"]:
            row["always-valid interval"] = interval(row["low"], row["high"])
        print_table(
            plain["agreement"],
            ["dimension", "level", "alpha", "interval", "ratings", "items"],
            title=f"Agreement{mark}",
        )
        print_table(plain["quality"], [*QUALITY, *TIMES], title=f"Annotators{mark}")
        columns = ["model_1", "model_2", "prompts", "win_rate", "always-valid interval", "p", "decided"]
        if plain["win_rates"]:
            print_table(plain["win_rates"], columns, title=f"Win rate of model_1 so far{mark}")
    note(f"{progress.annotators} annotators, {progress.simulated} simulated, {progress.excluded} excluded by rule")
    return ExitCode.OK
