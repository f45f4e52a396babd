"""How a server lets people in, and the rule that one which others can reach never starts without a lock."""

from __future__ import annotations

import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from stepbench.access.invitations import Invitations
from stepbench.access.roles import Role
from stepbench.errors import EnvironmentUnfitError, UsageError

Way = Literal["local", "invite", "oidc"]
ACCESS_VARIABLE = "STEPBENCH_ACCESS"
"""Environment variable that tells the server's process what `choose_access` has decided. Holds no secret."""
SECRETS = Path(".streamlit/secrets.toml")
_LISTS = ("admins", "annotators", "viewers")
_NEEDED = ("redirect_uri", "cookie_secret")
_PROVIDER = ("client_id", "client_secret", "server_metadata_url")


@dataclass(frozen=True, kw_only=True)
class Access:
    """How people get in.

    Attributes:
        way: `local`: this machine only, a name is enough; `invite`: by link; `oidc`: by an account.
        secrets: The secrets file of `oidc`.
        admins: Addresses, or `@domain` for all of a domain, of accounts with this role; so are the next two.
    """

    way: Way
    secrets: str | None = None
    admins: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches this address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def choose_access(address: str, folder: Path, *, way: Way | None = None, secrets: Path = SECRETS) -> Access:
    """How a server on this address lets people in.

    Without `way`: by a local name on a loopback address; elsewhere by accounts where the secrets file has `[auth]`,
    else by invitations where there are any.

    Args:
        address: To listen on.
        folder: Of the study or board.
        way: Asked for. A server behind a proxy listens on loopback and still needs `invite` or `oidc`.
        secrets: Streamlit's secrets file.

    Raises:
        UsageError: Others can reach the address, and there is neither an account provider nor an invitation.
        EnvironmentUnfitError: Accounts without the package that they need.
    """
    local = is_loopback(address)
    if way == "local" and not local:
        raise UsageError(
            f"{address} can be reached from other machines, so a local name is not enough",
            hint="use --access invite or --access oidc, or --address 127.0.0.1",
        )
    if way == "local" or (way is None and local):
        return Access(way="local")
    if way == "oidc" or (way is None and _has_auth(secrets)):
        return _oidc(secrets)
    if folder.is_dir() and Invitations(folder).live():
        return Access(way="invite")
    reached = f"{address} can be reached from other machines" if not local else "--access invite needs invitations"
    raise UsageError(
        f"{reached}, and there is no invitation that is good and no [auth] in {secrets}",
        hint="make one first (stepbench prefs invite STUDY --annotator NAME; stepbench leaderboard invite BOARD "
        "--name NAME), or set up accounts as docs/voting.md says",
    )


def role_of_account(address: str, access: Access) -> Role | None:
    """The highest role that the lists give this address; None where it is on none."""
    known = {address.casefold(), "@" + address.casefold().rpartition("@")[2]}
    lists: Mapping[Role, tuple[str, ...]] = {
        "admin": access.admins,
        "annotator": access.annotators,
        "viewer": access.viewers,
    }
    return next((role for role, names in lists.items() if known & {name.casefold() for name in names}), None)


def to_environment(access: Access) -> dict[str, str]:
    """For the process of the server."""
    return {ACCESS_VARIABLE: json.dumps(asdict(access))}


def served_access() -> Access:
    """What the process of the server was told.

    Raises:
        EnvironmentUnfitError: Nothing: it was not started by stepbench, so nobody has checked its address.
    """
    told = os.environ.get(ACCESS_VARIABLE)
    if told is None:
        raise EnvironmentUnfitError(
            f"{ACCESS_VARIABLE} is not set: the server does not know whom to let in",
            hint="start it with `stepbench prefs serve` or `stepbench leaderboard serve`",
        )
    facts = json.loads(told)
    lists = {role: tuple(facts[role]) for role in _LISTS}
    return Access(way=facts["way"], secrets=facts["secrets"], **lists)


def _has_auth(secrets: Path) -> bool:
    return secrets.is_file() and bool(_read(secrets).get("auth"))


def _oidc(secrets: Path) -> Access:
    if not secrets.is_file():
        raise UsageError(f"no secrets file {secrets}", hint="docs/voting.md shows one; name it with --secrets")
    content = _read(secrets)
    auth: Mapping[str, Any] = content.get("auth") or {}
    providers = [auth, *(value for value in auth.values() if isinstance(value, dict))]
    whole = any(all(provider.get(key) for key in _PROVIDER) for provider in providers)
    missing = [key for key in _NEEDED if not auth.get(key)] + ([] if whole else list(_PROVIDER))
    if missing:
        raise UsageError(f"[auth] in {secrets} lacks {', '.join(missing)}", hint="docs/voting.md shows a whole one")
    lists = content.get("access") or {}
    allowed = {role: tuple(map(str, lists.get(role, []))) for role in _LISTS}
    if not any(allowed.values()):
        raise UsageError(
            f"[access] in {secrets} lists nobody, so nobody could come in",
            hint='for example annotators = ["@example.org"] and admins = ["me@example.org"]',
        )
    if find_spec("authlib") is None:
        raise EnvironmentUnfitError("signing in needs the package 'authlib'", hint="pip install 'stepbench[oidc]'")
    return Access(way="oidc", secrets=str(secrets.resolve()), **allowed)


def _read(secrets: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(secrets.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Whatever stands there may be a secret, so none of it is repeated.
        raise UsageError(f"{secrets} is not TOML in UTF-8", hint="mend it; docs/voting.md shows a whole one") from None
