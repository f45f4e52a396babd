"""`stepbench prefs invite STUDY` and `stepbench leaderboard invite BOARD`: links that let one person in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records, print_table
from stepbench.errors import ExitCode, UsageError

Listed = Annotated[bool, Parameter(name="--list", negative="")]


def invite_to_study(
    study: Path,
    /,
    *,
    annotator: str | None = None,
    role: Literal["annotator", "admin", "viewer"] = "annotator",
    days: float = 7,
    site: str = "http://127.0.0.1:8502",
    list_: Listed = False,
    withdraw: str | None = None,
    json: Json = False,
) -> int:
    """Make a link by which one person comes to a study's voting pages, in one browser, until it ends.

    Votes go by the name: a new link for the same name goes on where the old one stopped.

    Args:
        study: Study folder.
        annotator: For whom; the name stands in the link, readable for who has it, and nowhere on the server.
        role: annotator, admin (sees the organiser's page too) or viewer (votes not).
        days: Until the link ends.
        site: Address under which people reach the server.
        list_: Show all invitations instead, with how often each was refused in a second browser.
        withdraw: Id of an invitation to end now.
    """
    return _invite(study, annotator, role, days, site, list_, withdraw, json, option="--annotator")


def invite_to_board(
    board: Path,
    /,
    *,
    name: str | None = None,
    days: float = 30,
    site: str = "http://127.0.0.1:8501",
    list_: Listed = False,
    withdraw: str | None = None,
    json: Json = False,
) -> int:
    """Make a link by which one person comes to a served board, in one browser, until it ends.

    Args:
        board: Board folder.
        name: For whom.
        days: Until the link ends.
        site: Address under which people reach the server.
        list_: Show all invitations instead, with how often each was refused in a second browser.
        withdraw: Id of an invitation to end now.
    """
    return _invite(board, name, "viewer", days, site, list_, withdraw, json, option="--name")


def _invite(
    folder: Path,
    name: str | None,
    role: Literal["annotator", "admin", "viewer"],
    days: float,
    site: str,
    listed: bool,
    withdraw: str | None,
    json: bool,
    *,
    option: str,
) -> int:
    from stepbench.access.invitations import Invitations
    from stepbench.preferences.clock import iso

    if sum((name is not None, listed, withdraw is not None)) != 1:
        raise UsageError(
            f"say one of {option}, --list and --withdraw", hint=f"for example {option} someone@example.org"
        )
    invitations = Invitations(folder)
    if name is not None:
        token = invitations.invite(name, role=role, days=days)
        made = invitations.all()[-1]
        link = f"{site.rstrip('/')}/join#{token}"
        if json:
            print_records([{"id": made.id, "role": role, "ends_at": iso(made.ends_at), "link": link}])
        else:
            print(link)
        note(f"invitation {made.id}: {role}, one browser, until {iso(made.ends_at)[:16]} UTC")
        return ExitCode.OK
    if withdraw is not None:
        invitations.withdraw(withdraw)
        note(f"invitation {withdraw} is withdrawn")
        return ExitCode.OK
    rows = [
        {key: iso(value) if key.endswith("_at") and value is not None else value for key, value in asdict(one).items()}
        for one in invitations.all()
    ]
    if json:
        print_records(rows)
    else:
        short = [
            {key: str(value or "")[:16] if key.endswith("_at") else value for key, value in row.items()} for row in rows
        ]
        print_table(short, list(short[0]) if short else ["id"], title="Invitations (times in UTC)")
    return ExitCode.OK
