"""What the voting pages share in one server process: the study, the visitor, the limits."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from leaderboard import door
from leaderboard.translation import Words, language_of
from stepbench.access.rates import VOTES, RateLimiter
from stepbench.access.roles import AccessError, Visitor
from stepbench.preferences import Study
from stepbench.preferences.served import STUDY_VARIABLE


def study_folder() -> Path:
    """The folder of the study that is served."""
    return Path(os.environ[STUDY_VARIABLE])


def study() -> Study:
    """The study that is served; one object for all tabs."""
    return _study(str(study_folder()))


def limiter() -> RateLimiter:
    """How often each annotator may vote."""
    return _limiter(str(study_folder()))


def words() -> Words:
    """The texts in the language of the address or of the browser."""
    return Words("vote", language_of(st.query_params.get("lang"), st.context.locale))


def visitor() -> Visitor | None:
    """Who looks at the page; None where the link has ended since it was opened. Looked up anew in every run."""
    try:
        return door.visitor(study_folder())
    except AccessError:
        return None


@st.cache_resource(show_spinner=False)
def _study(folder: str) -> Study:
    return Study.open(folder)


@st.cache_resource(show_spinner=False)
def _limiter(folder: str) -> RateLimiter:
    return RateLimiter(VOTES)
