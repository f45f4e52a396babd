"""Any sequence of leases, votes, skips, undos and waiting keeps the rules; a plain model says what must be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import text
from study_pairs import Clock, pair_rows

from stepbench.preferences import Assignment, Study
from stepbench.preferences.errors import LeaseLostError, StudyError, VoteConflictError

NAMES = ("ann", "bob", "cho")
TARGET, PAIRS = 2, 3
LEASE, WINDOW = 600, 60
STANDING = text(
    "SELECT vote.vote_id, pair_id, annotator_id, winner FROM vote JOIN judgement USING (vote_id) "
    "JOIN assignment USING (assignment_id) WHERE action = 'vote' "
    "AND vote.vote_id NOT IN (SELECT supersedes FROM vote WHERE supersedes IS NOT NULL)"
)
HELD = text("SELECT pair_id FROM assignment WHERE state = 'open' AND leased_until > :now")


class StudyRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.study = Study.create("sqlite://", pair_rows(PAIRS), target_votes=TARGET, clock=self.clock)
        self.held: dict[str, Assignment] = {}
        self.until: dict[str, float] = {}
        self.standing: dict[tuple[str, str], tuple[str, str]] = {}
        self.last: dict[str, list[tuple[str, float]]] = {name: [] for name in NAMES}
        self.votes = 0

    def teardown(self) -> None:
        self.study.close()

    def _live(self, name: str) -> bool:
        return name in self.held and self.until[name] > self.clock.now

    def _taken(self, pair: str, but: str = "") -> int:
        voted = sum(key[1] == pair and vote[1] != "skip" for key, vote in self.standing.items())
        leased = [name for name in self.held if name != but and self._live(name) and self.held[name].pair_id == pair]
        return voted + len(leased)

    def _skips(self, pair: str) -> int:
        return sum(key[1] == pair and vote[1] == "skip" for key, vote in self.standing.items())

    @rule(name=st.sampled_from(NAMES))
    def ask(self, name: str) -> None:
        live, before = self._live(name), self.held.get(name)
        open_ = [
            pair["pair_id"]
            for pair in pair_rows(PAIRS)
            if self._taken(pair["pair_id"]) < TARGET
            and self._skips(pair["pair_id"]) <= TARGET
            and (name, pair["pair_id"]) not in self.standing
        ]
        least = min((self._taken(pair) for pair in open_), default=0)
        assignment = self.study.next_pair(name)
        if live:
            assert assignment is not None
            assert before is not None
            assert assignment.assignment_id == before.assignment_id
        elif not open_:
            assert assignment is None
            return
        else:
            assert assignment is not None
            assert assignment.pair_id in [pair for pair in open_ if self._taken(pair) == least]
        assert assignment is not None
        self.held[name], self.until[name] = assignment, self.clock.now + LEASE

    @rule(name=st.sampled_from(NAMES), winner=st.sampled_from(["a", "b", "tie", "skip"]))
    def vote(self, name: str, winner: str) -> None:
        if name not in self.held:
            return
        assignment = self.held[name]
        key = (name, assignment.pair_id)
        # What a page would send: the last pair it was given, in time or not.
        self.votes += 1
        vote_id = f"v{self.votes}"
        if key in self.standing:
            with pytest.raises(VoteConflictError, match="has this annotator's vote already"):
                self.study.vote(assignment, winner, vote_id=vote_id)
            return
        room = self._live(name) or winner == "skip" or self._taken(assignment.pair_id, but=name) < TARGET
        if not room:
            with pytest.raises(LeaseLostError, match="others have taken"):
                self.study.vote(assignment, winner, vote_id=vote_id)
            return
        self.study.vote(assignment, winner, vote_id=vote_id)
        self.standing[key] = (vote_id, winner)
        self.last[name].append((assignment.pair_id, self.clock.now))
        self.until[name] = 0

    @rule(name=st.sampled_from(NAMES))
    def send_again(self, name: str) -> None:
        for (who, pair), (vote_id, winner) in self.standing.items():
            if who == name and name in self.held and self.held[name].pair_id == pair:
                assert not self.study.vote(self.held[name], winner, vote_id=vote_id).stored

    @rule(name=st.sampled_from(NAMES))
    def undo(self, name: str) -> None:
        own = self.last[name]
        if not own or self.clock.now - own[-1][1] > WINDOW - 1:
            with pytest.raises(StudyError, match=r"no annotator|no vote to take back|can be changed for 60 s"):
                self.study.undo(name)
            return
        pair, _ = own.pop()
        _, winner = self.standing.pop((name, pair))
        free = winner != "skip" or self._taken(pair, but=name) < TARGET
        assignment = self.study.undo(name)
        assert assignment.pair_id == pair
        self.held[name], self.until[name] = assignment, self.clock.now + LEASE if free else 0

    @rule(seconds=st.sampled_from([1, 70, 400, 700]))
    def wait(self, seconds: int) -> None:
        self.clock.tick(seconds)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def heartbeat(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        live = self._live(name)
        assert self.study.heartbeat(self.held[name]) == live
        if live:
            self.until[name] = self.clock.now + LEASE

    @invariant()
    def no_pair_beyond_its_target_and_no_vote_lost_or_doubled(self) -> None:
        with self.study.database.reading() as connection:
            standing = [tuple(row) for row in connection.execute(STANDING)]
            held = connection.execute(HELD, {"now": self.clock.now}).all()
        assert {row[0] for row in standing} == {vote_id for vote_id, _ in self.standing.values()}
        keys = Counter((pair, annotator) for _, pair, annotator, _ in standing)
        assert set(keys.values()) <= {1}
        counted = Counter(pair for _, pair, _, winner in standing if winner != "skip")
        counted.update(row.pair_id for row in held)
        assert all(count <= TARGET for count in counted.values())


StudyRules.TestCase.settings = settings(
    max_examples=50, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStudyRules = StudyRules.TestCase
