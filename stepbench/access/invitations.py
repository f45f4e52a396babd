"""The invitations of one study or board: made, bound to the first browser that uses them, withdrawn, counted.

Kept in `access.sqlite` in the study's or board's folder, readable by its owner alone. It holds no names and no
addresses: a name stands in the signed link itself, and here only as an HMAC by which `forget` finds its links.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepbench.access.roles import ROLES, AccessError, Role, Visitor
from stepbench.access.tokens import read_token, sign
from stepbench.errors import UsageError

ACCESS_FILE = "access.sqlite"
SECRET_VARIABLE = "STEPBENCH_INVITE_SECRET"
"""Environment variable with a secret that takes the place of the stored one, for several servers behind one name."""
LONGEST_NAME = 200
MOST_DAYS = 366
DAY = 86400

_TABLES = """
CREATE TABLE IF NOT EXISTS door (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, secret TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS invitation (
    id TEXT PRIMARY KEY, name_key TEXT, role TEXT NOT NULL, made_at REAL NOT NULL, ends_at REAL NOT NULL,
    withdrawn_at REAL, browser_sha256 TEXT, bound_at REAL, refused INTEGER NOT NULL DEFAULT 0, refused_at REAL
);
"""


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """What is known of an invitation; times are seconds since 1970.

    Attributes:
        id: By which it can be withdrawn.
        bound_at: When a browser first used it; None before.
        refused: How often another browser tried to use it after that: a link that went astray shows here.
    """

    id: str
    role: Role
    made_at: float
    ends_at: float
    withdrawn_at: float | None
    bound_at: float | None
    refused: int
    refused_at: float | None


class Invitations:
    """The invitations of the study or board in a folder. Any number of processes may use the same folder.

    Args:
        folder: Of the study or the board.
        clock: Gives the time in seconds since 1970; for tests.

    Raises:
        UsageError: No such folder, or a secret in the environment that is too short.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        if not folder.is_dir():
            raise UsageError(f"no folder {folder}", hint="make the study or the board first")
        self.file = folder / ACCESS_FILE
        self._clock = clock
        # Made with its rights before anything is in it.
        os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        with self._database() as connection:
            connection.executescript(_TABLES)
            connection.execute(
                "INSERT OR IGNORE INTO door VALUES (1, ?, ?)", (secrets.token_hex(8), secrets.token_hex(32))
            )
            self.id, stored = connection.execute("SELECT id, secret FROM door").fetchone()
        given = os.environ.get(SECRET_VARIABLE, "")
        if given and len(given) < 32:
            raise UsageError(
                f"{SECRET_VARIABLE} must have at least 32 characters, it has {len(given)}",
                hint="for example the output of `openssl rand -hex 32`",
            )
        self._secret = hashlib.sha256(given.encode()).digest() if given else bytes.fromhex(stored)
        self.cookie = f"stepbench_{self.id}"

    def invite(self, name: str, *, role: Role = "annotator", days: float = 7) -> str:
        """Make an invitation: a token for one person, to be used in one browser.

        Args:
            name: As the person will be known; 1 to 200 printable characters.
            role: viewer, annotator or admin.
            days: Until it ends; more than 0, at most 366.

        Raises:
            UsageError: A name, role or time that cannot be used.
        """
        spelled = read_name(name)
        if role not in ROLES:
            raise UsageError(f"role must be one of {', '.join(ROLES)}, got {role!r}", hint="for example annotator")
        if not 0 < days <= MOST_DAYS:
            raise UsageError(f"an invitation lasts up to {MOST_DAYS} days, got {days:g}", hint="for example --days 7")
        now, token_id = self._clock(), secrets.token_hex(8)
        ends_at = now + days * DAY
        with self._database() as connection:
            connection.execute(
                "INSERT INTO invitation (id, name_key, role, made_at, ends_at) VALUES (?, ?, ?, ?, ?)",
                (token_id, self._name_key(spelled), role, now, ends_at),
            )
        payload = {"door": self.id, "id": token_id, "name": spelled, "role": role, "ends": int(ends_at)}
        return sign(payload, self._secret)

    def accept(self, token: str, cookie: str | None = None) -> tuple[str, float]:
        """Bind an invitation to the browser that shows it first.

        Args:
            token: From the link.
            cookie: What the browser holds already; the one that is bound may open the link again.

        Returns:
            The cookie for the browser to keep, and the seconds for which it is good.

        Raises:
            AccessError: Forged, expired, withdrawn, or bound to another browser; the last is counted.
        """
        payload = self._read(token)
        held = (cookie or "").rpartition(".")
        nonce = held[2] if held[0] == token else secrets.token_urlsafe(24)
        now, browser = self._clock(), _sha256(nonce)
        with self._database() as connection:
            connection.execute(
                "UPDATE invitation SET browser_sha256 = ?, bound_at = ? WHERE id = ? AND browser_sha256 IS NULL",
                (browser, now, payload["id"]),
            )
            row = self._row(connection, payload["id"])
            if not hmac.compare_digest(row["browser_sha256"], browser):
                connection.execute(
                    "UPDATE invitation SET refused = refused + 1, refused_at = ? WHERE id = ?", (now, payload["id"])
                )
                refused = True
            else:
                refused = False
        if refused:
            raise AccessError(
                "this invitation was used in another browser before; it is good for one only",
                hint="ask the organiser for a new link, and say so if it was not you who used it",
                reason="used",
            )
        return f"{token}.{nonce}", payload["ends"] - now

    def visitor(self, cookie: str | None) -> Visitor:
        """Who holds this cookie.

        Raises:
            AccessError: No cookie, or one that is forged, expired, withdrawn or not the bound browser's.
        """
        token, _, nonce = (cookie or "").rpartition(".")
        payload = self._read(token)
        with self._database() as connection:
            row = self._row(connection, payload["id"])
        if row["browser_sha256"] is None or not hmac.compare_digest(row["browser_sha256"], _sha256(nonce)):
            raise AccessError(
                "this invitation belongs to another browser", hint="ask the organiser for a new link", reason="used"
            )
        return Visitor(name=payload["name"], role=payload["role"])

    def withdraw(self, token_id: str) -> None:
        """End an invitation now; who uses it is out with the next click.

        Raises:
            UsageError: No such invitation.
        """
        with self._database() as connection:
            changed = connection.execute(
                "UPDATE invitation SET withdrawn_at = coalesce(withdrawn_at, ?) WHERE id = ?", (self._clock(), token_id)
            )
            if changed.rowcount == 0:
                raise UsageError(f"no invitation {token_id!r}", hint="the option --list shows their ids")

    def forget(self, name: str) -> int:
        """Withdraw all invitations of a name and cut the link to it; says how many there were."""
        with self._database() as connection:
            changed = connection.execute(
                "UPDATE invitation SET withdrawn_at = coalesce(withdrawn_at, ?), name_key = NULL WHERE name_key = ?",
                (self._clock(), self._name_key(read_name(name))),
            )
            return changed.rowcount

    def all(self) -> list[Invitation]:
        """Every invitation, oldest first."""
        with self._database() as connection:
            rows = connection.execute("SELECT * FROM invitation ORDER BY made_at, id").fetchall()
        hidden = {"name_key", "browser_sha256"}
        return [Invitation(**{key: value for key, value in dict(row).items() if key not in hidden}) for row in rows]

    def live(self) -> int:
        """How many invitations are good now."""
        now = self._clock()
        return sum(one.withdrawn_at is None and one.ends_at > now for one in self.all())

    def _read(self, token: str) -> dict[str, Any]:
        payload = read_token(token, self._secret)
        if payload.get("door") != self.id:
            raise AccessError("this invitation is for another study or board", hint="open the link to this one")
        with self._database() as connection:
            row = self._row(connection, payload["id"])
        if row["withdrawn_at"] is not None:
            raise AccessError(
                "this invitation was withdrawn", hint="ask the organiser for a new link", reason="withdrawn"
            )
        if payload["ends"] <= self._clock():
            raise AccessError("this invitation has ended", hint="ask the organiser for a new link", reason="ended")
        return payload

    def _row(self, connection: sqlite3.Connection, token_id: str) -> sqlite3.Row:
        row = connection.execute("SELECT * FROM invitation WHERE id = ?", (token_id,)).fetchone()
        if row is None:
            raise AccessError("this invitation is not known here", hint="ask the organiser for a new link")
        return row

    def _name_key(self, name: str) -> str:
        return hmac.new(self._secret, b"name " + name.encode(), hashlib.sha256).hexdigest()

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=30)) as connection, connection:
            connection.row_factory = sqlite3.Row
            yield connection


def read_name(name: str) -> str:
    """A name in one spelling.

    Raises:
        UsageError: Empty, too long, or with characters that cannot be seen.
    """
    spelled = unicodedata.normalize("NFC", name.strip())
    if not 0 < len(spelled) <= LONGEST_NAME or not spelled.isprintable():
        raise UsageError(
            f"a name has 1 to {LONGEST_NAME} characters that can be seen, got {len(spelled)}",
            hint="an address, a number or a nickname",
        )
    return spelled


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
