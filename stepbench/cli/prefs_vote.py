"""`stepbench prefs vote STUDY --annotator NAME`: one vote from a script; `forget` cuts the link to a name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode, UsageError


def vote(
    study: Path,
    /,
    *,
    annotator: str,
    winner: Annotated[list[str] | None, Parameter(negative="")] = None,
    rate: Annotated[list[str] | None, Parameter(negative="")] = None,
    assignment: str | None = None,
    vote_id: str | None = None,
    json: Json = False,
) -> int:
    """Give one vote, or without an answer show the next pair: for scripts and for trying a study out.

    Exit code 5 says that nothing is left for this annotator.

    Args:
        study: Study folder.
        annotator: A name; only a pseudonym made from it is stored.
        winner: a, b, tie, both_bad or skip; DIMENSION=a where a protocol asks several such questions.
        rate: CLIP.DIMENSION=1..5, repeated, such as a.motion_smoothness=4.
        assignment: Which one; by default the pair that `vote` has shown.
        vote_id: An id of yours, so that the same command repeated stores the vote once.
    """
    from stepbench.errors import NothingSelectedError
    from stepbench.generators.settings import parse_settings
    from stepbench.preferences import Study

    with Study.open(study) as opened:
        if assignment is None and vote_id is not None:
            assignment = opened.voted_on(vote_id)  # The command repeated must not vote on the pair that came next.
        if assignment is None:
            shown = opened.next_pair(annotator)
            if shown is None:
                raise NothingSelectedError("nothing is left for this annotator", hint="stepbench prefs status STUDY")
            if not winner and not rate:
                print_records([asdict(shown)])
                return ExitCode.OK
            assignment = shown.assignment_id
        ratings: dict[str, dict[str, Any]] = {}
        for key, value in parse_settings(rate or []).items():
            clip, dot, dimension = key.partition(".")
            if not dot:
                raise UsageError(f"--rate must be CLIP.DIMENSION=NUMBER, got {key!r}", hint="a.motion_smoothness=4")
            ratings.setdefault(clip, {})[dimension] = value
        single = winner[0] if winner and len(winner) == 1 and "=" not in winner[0] else None
        answers = single if single or not winner else parse_settings(winner)
        receipt = opened.vote(assignment, answers, ratings=ratings or None, vote_id=vote_id, annotator=annotator)
    if json:
        print_records([asdict(receipt)])
    note(f"vote {receipt.vote_id} {'stored' if receipt.stored else 'was stored before'}")
    return ExitCode.OK


def forget(study: Path, /, annotator: str) -> int:
    """Forget an annotator: the link from the name to the votes, all comments and invitations go, the votes
    stay.

    Args:
        study: Study folder.
        annotator: The name with which the annotator took part.
    """
    from stepbench.access.invitations import ACCESS_FILE, Invitations
    from stepbench.preferences import Study

    with Study.open(study) as opened:
        pseudonym = opened.forget(annotator)
    if (study / ACCESS_FILE).is_file():
        Invitations(study).forget(annotator)
    note(f"forgotten; the votes stand under {pseudonym}, to which no name leads")
    return ExitCode.OK
