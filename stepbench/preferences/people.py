"""Annotators: pseudonyms instead of names, and how one is forgotten."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from stepbench.preferences import schema
from stepbench.preferences.errors import StudyError

LONGEST_NAME = 200


@dataclass(frozen=True)
class Annotator:
    """An annotator as the database knows one."""

    id: int
    pseudonym: str
    simulated: bool


def name_key(secret: str, name: str) -> str:
    """HMAC-SHA256 of a name: the same for one study, of no use without its secret.

    Raises:
        StudyError: An empty name, one that is no text, or one longer than `LONGEST_NAME`.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise StudyError(
            f"an annotator's name must be a text of 1 to {LONGEST_NAME} characters, got {str(name)[:40]!r}",
            hint="an address, a number or a nickname; only a pseudonym made from it is stored",
        )
    spelled = unicodedata.normalize("NFC", name.strip())
    return hmac.new(bytes.fromhex(secret), spelled.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def pseudonym_of(key: str, *, simulated: bool) -> str:
    """How an annotator is called in every table: `sim-` marks a program."""
    return f"{'sim' if simulated else 'ann'}-{key[:12]}"


def find(connection: Connection, secret: str, name: str) -> Annotator | None:
    """The annotator with this name, or None."""
    table = schema.annotator.c
    row = connection.execute(
        select(table.annotator_id, table.pseudonym, table.simulated).where(table.name_key == name_key(secret, name))
    ).one_or_none()
    return Annotator(*row) if row else None


def register(connection: Connection, secret: str, name: str, now: float, *, simulated: bool | None) -> Annotator:
    """The annotator with this name, made at first sight.

    Args:
        simulated: Whether it is a program; None for "as before", and a person where there was none before.

    Raises:
        StudyError: A person's name used by a program, or the other way round.
    """
    known = find(connection, secret, name)
    if known is not None:
        if simulated not in (None, known.simulated):
            kind = "a program" if known.simulated else "a person"
            raise StudyError(
                f"annotator {known.pseudonym} is {kind} in this study", hint="take another name for the other"
            )
        return known
    key = name_key(secret, name)
    values = {
        "name_key": key,
        "pseudonym": pseudonym_of(key, simulated=bool(simulated)),
        "simulated": bool(simulated),
        "joined_at": now,
    }
    made = connection.execute(insert(schema.annotator).values(values).returning(schema.annotator.c.annotator_id))
    return Annotator(made.scalar_one(), values["pseudonym"], values["simulated"])


def forget(connection: Connection, annotator: Annotator) -> str:
    """Cut the link from a name to its votes, and delete comments and open leases; votes stay under a new pseudonym.

    Returns:
        The new pseudonym, which nothing leads to.
    """
    new = f"{'sim' if annotator.simulated else 'ann'}-forgotten-{secrets.token_hex(6)}"
    own = select(schema.assignment.c.assignment_id).where(schema.assignment.c.annotator_id == annotator.id)
    votes = select(schema.vote.c.vote_id).where(schema.vote.c.assignment_id.in_(own))
    connection.execute(delete(schema.comment).where(schema.comment.c.vote_id.in_(votes)))
    # A lease that was voted on and then undone has a history; it runs out instead.
    touched = select(schema.vote.c.assignment_id)
    mine = schema.assignment.c.annotator_id == annotator.id
    still_open = schema.assignment.c.state == "open"
    connection.execute(
        delete(schema.assignment).where(mine, still_open, schema.assignment.c.assignment_id.not_in(touched))
    )
    connection.execute(update(schema.assignment).where(mine, still_open).values(leased_until=0))
    connection.execute(
        update(schema.annotator)
        .where(schema.annotator.c.annotator_id == annotator.id)
        .values(name_key=None, pseudonym=new)
    )
    return new
