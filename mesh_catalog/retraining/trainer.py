"""What the loop asks of whoever trains, compares and rolls out; and the trainer on Spark.

The state machine knows only these protocols, so that another engine can stand in for Spark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mesh_catalog.retraining.compare import Comparison, compare_versions
from mesh_catalog.retraining.judge import Stock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.specs import ModelSpec

__all__ = ["Rollout", "SparkTrainer", "Trainer"]


class Trainer(Protocol):
    """Trains and compares versions of a model."""

    def try_out(self, mesh: Mesh, model: ModelSpec) -> float:
        """Fit the model on what came before the newest test window's length, and give its metric on the window before
        that: so that what a search prefers has not seen the rows that the gate judges by. Registers nothing."""

    def train(self, mesh: Mesh, model: ModelSpec, *, retraining_id: str) -> int:
        """Train and register the challenger of a retraining, once: a second call tells the first one's version."""

    def compare(
        self, mesh: Mesh, model: ModelSpec, *, champion: int, challenger: int, obliged: bool, again: bool = False
    ) -> Comparison:
        """Both versions on the newest rows, which neither has learned from; by the model's gate.

        Args:
            obliged: The champion must not stay: the challenger need only not be surely worse.
            again: On the rows that came since the challenger was made and compared.

        Raises:
            GateRefusedError: These rows are none, or of one class only: they show nothing.
        """


class Rollout(Protocol):
    """Brings a challenger into production step by step."""

    def turn(self, mesh: Mesh, model: ModelSpec, *, champion: int, challenger: int, retraining_id: str) -> Stock:
        """Begin the rollout, or look how it stands and act on it; idempotent. Where it ends in a promotion, the alias
        stands at the challenger then, unless somebody has moved it since."""


@dataclass(frozen=True)
class SparkTrainer:
    """Trains with `models/`, on a session that is opened when it is first needed."""

    session: Callable[[], SparkSession]
    tell: Callable[[str], None] = lambda _line: None

    def try_out(self, mesh: Mesh, model: ModelSpec) -> float:
        from mesh_catalog.models.trial import try_model

        return try_model(self.session(), mesh, model)

    def train(self, mesh: Mesh, model: ModelSpec, *, retraining_id: str) -> int:
        from mesh_catalog.models.train import train_model

        trained = train_model(
            self.session(), mesh, model, run_id=retraining_id, retraining_id=retraining_id, tell=self.tell
        )
        return trained.version

    def compare(
        self, mesh: Mesh, model: ModelSpec, *, champion: int, challenger: int, obliged: bool, again: bool = False
    ) -> Comparison:
        return compare_versions(
            self.session(), mesh, model, champion=champion, challenger=challenger, obliged=obliged, again=again
        )
