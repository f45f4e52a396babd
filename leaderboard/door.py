"""Who looks at a page: by the cookie of an invitation, or by the account with which somebody has signed in."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from leaderboard.translation import Words, language_of
from stepbench.access.exposure import ACCESS_VARIABLE, Access, role_of_account, served_access
from stepbench.access.invitations import Invitations
from stepbench.access.roles import AccessError, Role, Visitor


def visitor(folder: Path) -> Visitor:
    """The visitor of the page now run.

    Args:
        folder: Of the study or board.

    Raises:
        AccessError: Nobody known.
    """
    access = served_access()
    if access.way == "oidc":
        return _account(access)
    invitations = Invitations(folder)
    return invitations.visitor(cookie(invitations.cookie))


def require_account(role: Role) -> None:
    """Stop the page where people sign in with accounts and this one may not see it; the gate sees to all other ways.

    Without stepbench's server, as under `streamlit run` on this machine, there is nobody to keep out.
    """
    if ACCESS_VARIABLE not in os.environ or served_access().way != "oidc":
        return
    word = Words("door", language_of(st.query_params.get("lang"), st.context.locale))
    if not st.user.is_logged_in:
        st.title(word("title"))
        st.text(word("sign_in_about"))
        st.button(word("sign_in"), on_click=st.login)
        st.stop()
    try:
        allowed = _account(served_access()).may(role)
    except AccessError:
        allowed = False
    if not allowed:
        st.error(word("not_listed"))
        st.button(word("sign_out"), on_click=st.logout)
        st.stop()


def cookie(name: str) -> str | None:
    """A cookie of the browser, as it came with the page's connection."""
    return st.context.cookies.to_dict().get(name)


def _account(access: Access) -> Visitor:
    if not st.user.is_logged_in:
        raise AccessError("nobody has signed in", hint="sign in first")
    name = str(st.user.get("email") or "")
    verified = st.user.get("email_verified", True)
    role = role_of_account(name, access) if name and verified else None
    if role is None:
        raise AccessError("this account is not on the list of the organiser", hint="ask the organiser to add it")
    return Visitor(name=name, role=role)
