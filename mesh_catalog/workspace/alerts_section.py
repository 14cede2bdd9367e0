"""`alerts:` of a domain.yaml: who is told of what went wrong in the domain, and after whom.

A channel names where its URL stands, an environment variable or a file outside the workspace. The URL itself is a
secret, and is refused here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mesh_catalog.specs import AlertChannel, AlertSpec
from mesh_catalog.workspace.section import Section

__all__ = ["read_alerts"]

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_CHANNELS = 20


def read_alerts(domain: Section, root: Path) -> AlertSpec | None:
    """What the domain says of alerts; None where it says nothing.

    Args:
        root: The workspace, in which no file with a URL may lie.

    Raises:
        DocumentError: A key, a channel or a duration is wrong.
    """
    if "alerts" not in domain:
        return None
    section = domain.section("alerts", ("tell", "escalate", "acknowledge", "repeat"))
    tell, escalate = (_channels(section, key, root) for key in ("tell", "escalate"))
    if not tell:
        raise section.error("'tell' names nobody. Name a channel: tell: [{to: owner, url_env: TEAM_ALERT_URL}]")
    names = [channel.name for channel in (*tell, *escalate)]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise section.error(f"'{name[:40]}' stands twice. Give each channel a name of its own in 'to'.")
    given = {key: found for key in ("acknowledge", "repeat") if (found := section.duration(key)) is not None}
    return AlertSpec(tell=tell, escalate=escalate, **given)


def _channels(section: Section, key: str, root: Path) -> tuple[AlertChannel, ...]:
    found: Any = section.data.get(key) or []
    if not isinstance(found, list) or len(found) > _CHANNELS:
        raise section.error(f"'{key}' must be a list of at most {_CHANNELS} channels.", key)
    return tuple(_channel(section, key, index, value, root) for index, value in enumerate(found))


def _channel(section: Section, key: str, index: int, value: Any, root: Path) -> AlertChannel:
    known = ("to", "url_env", "url_file", "warnings")
    if isinstance(value, dict) and "url" in value:
        raise section.error(
            "a URL is a secret and does not stand in a file of the workspace. Name the environment variable that "
            "holds it: url_env.",
            key,
            index,
        )
    one = Section(section.document, known, place=(*section.place, key, index), data=value)
    variable, path = one.optional_text("url_env"), one.optional_text("url_file")
    if (variable is None) == (path is None):
        raise one.error("needs url_env or url_file, one of the two.")
    if variable is not None and not _VARIABLE.fullmatch(variable):
        raise one.error("url_env is the name of an environment variable, as TEAM_ALERT_URL; not the URL.", "url_env")
    warnings = one.data.get("warnings", False)
    if not isinstance(warnings, bool):
        raise one.error("warnings must be true or false.", "warnings")
    return AlertChannel(
        name=one.text("to"), url_env=variable, url_file=_outside(one, path, root) if path else None, warnings=warnings
    )


def _outside(one: Section, text: str, root: Path) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise one.error("url_file must be an absolute path.", "url_file")
    if path.resolve().is_relative_to(root):
        raise one.error("url_file lies in the workspace, where it would be committed. Put it elsewhere.", "url_file")
    return path
