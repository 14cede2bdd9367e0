"""What a domain declares of itself: who owns it, who is on call, whom its alerts reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

__all__ = ["AlertChannel", "AlertSpec", "DomainSpec"]


@dataclass(frozen=True, kw_only=True)
class AlertChannel:
    """Where messages go. Its URL is a secret, and so is named here by where it stands, never itself."""

    name: str
    """`owner` or `onCall` of the domain, or anybody else's name."""
    url_env: str | None = None
    """The environment variable that holds the URL."""
    url_file: Path | None = None
    """A file outside the workspace that holds it."""
    warnings: bool = False
    """Whether it is told of warnings too, not only of what failed."""


@dataclass(frozen=True, kw_only=True)
class AlertSpec:
    """`alerts:` of a domain.yaml."""

    tell: tuple[AlertChannel, ...]
    """Told at once."""
    escalate: tuple[AlertChannel, ...] = ()
    """Told one after the other, while nobody acknowledges."""
    acknowledge: timedelta = timedelta(hours=4)
    """How long each has, before the next is told."""
    repeat: timedelta = timedelta(days=1)
    """What goes on so long after it was told last, or acknowledged, is told again."""

    def channel(self, name: str) -> AlertChannel | None:
        return next((one for one in (*self.tell, *self.escalate) if one.name == name), None)


@dataclass(frozen=True, kw_only=True)
class DomainSpec:
    """domains/<name>/domain.yaml."""

    name: str
    owner: str | None
    on_call: str | None = None
    description: str | None = None
    members: tuple[str, ...] = ()
    """Principals who may decide for the domain, beside the owner."""
    alerts: AlertSpec | None = None
    """None: alerts are kept, and nobody is told."""
    path: Path
