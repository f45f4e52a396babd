"""Every metric without weights obeys every law in `laws.py`."""

from __future__ import annotations

import pytest
from laws import LAWS, Subject
from subjects import SUBJECTS

from metrics import METRICS, describe
from metrics.registry import BUILT_IN


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_law(subject: Subject, law):
    law(subject)


def test_every_built_in_clip_metric_without_weights_is_a_subject():
    cards = [describe(name) for name in BUILT_IN]
    expected = {
        card.name for card in cards if card.level == "clip" and not card.backbone and set(card.needs) <= {"reference"}
    }
    assert expected <= {subject.name for subject in SUBJECTS} <= set(METRICS)
