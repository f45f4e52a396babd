from __future__ import annotations

import pandas as pd
import pytest
from votes_for_tests import rating, table, vote

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.ratings.counting import count_votes


def test_only_real_votes_of_annotators_in_good_standing_count():
    votes = table(
        [
            vote("p1", "a"),
            vote("p2", "skip"),
            vote("p3", "a", kind="gold"),
            vote("p4", "a", kind="repeat"),
            vote("p5", "a", excluded="gold_pass_rate"),
            rating("p1", 4, "a", simulated=True, annotator="sim-1"),
        ]
    )
    counted = count_votes(votes)
    assert list(counted.pairwise["prompt_id"]) == ["p1"]
    assert list(counted.ratings["rating"]) == [4.0]
    assert counted.left_out == {"gold pairs": 1, "repeat pairs": 1, "annotator excluded": 1, "skipped": 1}
    assert counted.simulated == 1


def test_refuses_what_is_no_table_of_votes():
    with pytest.raises(UsageError, match=r"missing: .*winner"):
        count_votes(pd.DataFrame({"vote_id": ["v"]}))
    with pytest.raises(UsageError, match="unknown verdicts: 'left'"):
        count_votes(table([vote("p1", "left")]))
    with pytest.raises(NothingSelectedError, match="none of 1 judgements counts"):
        count_votes(table([vote("p1", "skip")]))
