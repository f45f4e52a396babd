"""The tables of a study database, and the triggers that make votes append-only."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from stepbench.preferences.records import KINDS, WINNERS

SCHEMA = 1
"""Version of the tables; a study of another version is refused."""

metadata = MetaData()


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=f"{column}_known")


study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    Column("study_id", String(100), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("protocol", Text, nullable=False),
    Column("protocol_sha256", String(64), nullable=False),
    Column("secret", String(64), nullable=False),
)
"""One row. `secret` keys the pseudonyms; no export contains it. Writers lock this row, so one writes at a time."""

pair = Table(
    "pair",
    metadata,
    Column("pair_id", String(100), primary_key=True),
    Column("kind", String(20), _one_of("kind", KINDS), nullable=False),
    Column("prompt_id", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", Text),
    Column("category", Text),
    Column("pair_group", Text),
    *(
        Column(f"{name}_{number}", type_, nullable=name != "model")
        for name, type_ in {
            "model": Text(),
            "run": Text(),
            "seed": BigInteger(),
            "sample_key": Text(),
            "clip": Text(),
            "clip_sha256": Text(),
            "frames": Integer(),
            "fps": Double(),
        }.items()
        for number in (1, 2)
    ),
    Column("target_votes", Integer, CheckConstraint("target_votes > 0", name="target_positive")),
    Column("expected", String(1), _one_of("expected", ("1", "2"))),
    Column("repeat_of", String(100), ForeignKey("pair.pair_id")),
    Column("note", Text),
    Column("propensity", Double, nullable=False),
    Column("order", Integer, nullable=False),
)

annotator = Table(
    "annotator",
    metadata,
    Column("annotator_id", Integer, primary_key=True),
    # HMAC of the name; NULL once the annotator was forgotten, so that the name leads nowhere.
    Column("name_key", String(64), unique=True),
    Column("pseudonym", String(100), nullable=False, unique=True),
    Column("simulated", Boolean, nullable=False),
    Column("joined_at", Double, nullable=False),
)

assignment = Table(
    "assignment",
    metadata,
    Column("assignment_id", String(32), primary_key=True),
    Column("pair_id", String(100), ForeignKey("pair.pair_id"), nullable=False),
    Column("annotator_id", Integer, ForeignKey("annotator.annotator_id"), nullable=False),
    Column("swapped", Boolean, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("leased_until", Double, nullable=False),
    Column("state", String(10), _one_of("state", ("open", "voted", "skipped")), nullable=False),
    UniqueConstraint("pair_id", "annotator_id", name="one_pair_once_per_annotator"),
    Index("assignments_of_annotator", "annotator_id", "state"),
)
"""`swapped`: clip 2 stood on the left. An open one whose lease has run out holds no place."""

vote = Table(
    "vote",
    metadata,
    Column("vote_id", String(100), primary_key=True),
    Column("assignment_id", String(32), ForeignKey("assignment.assignment_id"), nullable=False),
    # 1 for the first row of an assignment, then 2, 3 ...: the last one stands, unless it is an undo.
    Column("sequence", Integer, nullable=False),
    Column("action", String(10), _one_of("action", ("vote", "undo")), nullable=False),
    Column("supersedes", String(100), ForeignKey("vote.vote_id"), unique=True),
    Column("content_sha256", String(64), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("submitted_at", Double, nullable=False),
    Column("watch_a_s", Double),
    Column("watch_b_s", Double),
    UniqueConstraint("assignment_id", "sequence", name="one_standing_vote"),
)

judgement = Table(
    "judgement",
    metadata,
    Column("judgement_id", Integer, primary_key=True),
    Column("vote_id", String(100), ForeignKey("vote.vote_id"), nullable=False, index=True),
    Column("dimension", String(100), nullable=False),
    Column("winner", String(10), _one_of("winner", WINNERS)),
    Column("rating", Integer),
    Column("rated_clip", String(1), _one_of("rated_clip", ("a", "b"))),
    UniqueConstraint("vote_id", "dimension", "rated_clip", name="one_answer_per_question"),
    CheckConstraint("(winner IS NULL) = (rating IS NOT NULL)", name="winner_or_rating"),
    CheckConstraint("(rating IS NULL) = (rated_clip IS NULL)", name="rating_of_a_clip"),
)

comment = Table(
    "comment",
    metadata,
    Column("vote_id", String(100), ForeignKey("vote.vote_id"), primary_key=True),
    Column("text", Text, nullable=False),
)
"""Free text, apart from the votes, so that it can be deleted when an annotator is forgotten."""

event_log = Table(
    "event",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("kind", String(50), nullable=False),
    Column("data", JSON, nullable=False),
)

PAIR_COLUMNS = tuple(column.name for column in pair.columns)
APPEND_ONLY = ("vote", "judgement")


def _append_only(table: Table) -> None:
    """Let the database itself refuse to change or delete rows of `table`."""
    name = table.name
    for action in ("UPDATE", "DELETE"):
        sqlite = DDL(
            f"CREATE TRIGGER {name}_no_{action.lower()} BEFORE {action} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} rows are append-only'); END"
        )
        event.listen(table, "after_create", sqlite.execute_if(dialect="sqlite"))
    function = DDL(
        f"CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN RAISE EXCEPTION ''{name} rows are append-only''; END'"
    )
    trigger = DDL(
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE ON {name} "
        f"FOR EACH ROW EXECUTE FUNCTION {name}_append_only()"
    )
    event.listen(table, "after_create", function.execute_if(dialect="postgresql"))
    event.listen(table, "after_create", trigger.execute_if(dialect="postgresql"))


for _name in APPEND_ONLY:
    _append_only(metadata.tables[_name])
