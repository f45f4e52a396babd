"""`stepbench prefs new STUDY`: a study folder with a frozen protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode


def new(
    study: Path,
    /,
    *,
    protocol: str = "step-video",
    purpose: Literal["ranking", "gate"] = "ranking",
    seed: int = 0,
    url_from: str | None = None,
    json: Json = False,
) -> int:
    """Make a study and freeze its protocol: questions, numbers of votes and exclusion rules cannot change afterwards.

    Args:
        study: Folder to make, such as studies/april; its name is the study's id.
        protocol: step-video, pairwise, pairwise-dimensions, likert, or a TOML file of your own.
        purpose: `gate` where a decision rests on the study: pairs may then not be chosen by the votes so far.
        seed: Of pairs and sides.
        url_from: Name of the environment variable that holds the URL of a PostgreSQL database; SQLite without it.
    """
    from stepbench.preferences.study_folder import new_study

    made = new_study(study, protocol=protocol, seed=seed, purpose=purpose, url_from=url_from)
    if json:
        facts = {"study": made.study_id, "folder": str(study), "protocol": made.protocol.name}
        print_records([facts | {"protocol_sha256": made.protocol_sha256, "purpose": made.purpose, "seed": made.seed}])
    note(f"study {study}: protocol {made.protocol.name} frozen, sha256 {made.protocol_sha256[:12]}")
    note(f"plan its pairs: stepbench prefs plan {study} RUN RUN")
    return ExitCode.OK
