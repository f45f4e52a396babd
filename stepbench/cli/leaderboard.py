"""`stepbench leaderboard build --runs runs -o board` and `stepbench leaderboard serve board`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records, print_table
from stepbench.errors import ExitCode

leaderboard_command = App(name="leaderboard", help="Build or serve the leaderboard.")


@leaderboard_command.command
def build(
    *,
    runs: Path = Path("runs"),
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("board"),
    suite: Annotated[str | None, Parameter(name=["--suite", "-t"])] = None,
    studies: Path | None = None,
    gates: Path | None = None,
    compared: int = 20,
    clips_url: str | None = None,
    json: Json = False,
) -> int:
    """Compute everything the leaderboard shows from a folder of runs.

    Repeat it whenever runs were added: runs that have not changed are not read again, and a server that shows the board
    picks the new one up by itself. Unfinished and broken runs are left out, each with its reason.

    Args:
        runs: Folder of run folders.
        out: Board folder; made, or replaced in one step.
        suite: Take only runs on the suite of this name.
        studies: Folder of preference studies or files of votes; by default the studies inside the folder of runs.
        gates: Folder of verdicts (`stepbench gate ... --out FILE.json`); by default `gates` inside the folder of runs.
        compared: Most runs of a table that are compared pair by pair; the best ones where there are more.
        clips_url: Address of the clips in an object store that board/clips was copied to, with {name} for a clip.
    """
    from stepbench.board import build_board

    built = build_board(runs, out, suite=suite, studies=studies, gates=gates, compared=compared, clips_url=clips_url)
    left_out = [asdict(item) for item in built.left_out]
    if json:
        print_records([asdict(built) | {"path": str(built.path), "left_out": left_out}])
    elif left_out:
        print_table(left_out, ["run", "status", "reason"], title="Not on the board")
    counts = f"runs: {len(built.runs)}, tables: {built.tables}, clips: {built.clips}, left out: {len(left_out)}"
    note(f"board {built.path}: {counts}{'; nothing had changed' if built.unchanged else ''}")
    note(f"look at it: stepbench leaderboard serve {built.path}")
    return ExitCode.OK


@leaderboard_command.command
def serve(
    board: Path = Path("board"),
    /,
    *,
    port: int = 8501,
    address: str = "127.0.0.1",
    access: Literal["local", "invite", "oidc"] | None = None,
    secrets: Path = Path(".streamlit/secrets.toml"),
) -> int:
    """Show a board in the browser, until Ctrl-C.

    Args:
        board: Board folder.
        port: Port to listen on.
        address: To listen on. Beyond this machine it needs invitations or accounts.
        access: local, invite or oidc; behind a proxy say which. By default local on this machine, else what there is.
        secrets: Streamlit's secrets file, with [auth] and [access], for accounts.
    """
    from stepbench.access.exposure import choose_access
    from stepbench.board.serve import serve_board

    chosen = choose_access(address, board, way=access, secrets=secrets)
    serve_board(board, address=address, port=port, access=chosen)


leaderboard_command.command(
    "stepbench.cli.invite:invite_to_board", name="invite", help="Make, list or withdraw invitations to a board."
)
leaderboard_command.command(
    "stepbench.cli.leaderboard_check:check", name="check", help="Check a run that was handed in, and give it a badge."
)
leaderboard_command.command(
    "stepbench.cli.leaderboard_check:withdraw",
    name="withdraw",
    help="Withdraw a run; it stays visible, with the reason.",
)
leaderboard_command.command(
    "stepbench.cli.leaderboard_export:export", name="export", help="Write the board as pages that need no server."
)
