"""The mesh as an orchestrator sees it: one task a product, four a model, in one DAG for each domain.

A DAG holds a domain; domains that read each other in a circle share one, so that between DAGs there is no circle and no
endless round of triggers. What a DAG reads of another is an asset, named as the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from mesh_catalog.access.rights import input_products
from mesh_catalog.contracts.service_levels import frequency_seconds
from mesh_catalog.workspace import SOURCE, publish_order
from mesh_catalog.workspace.life_cycles import living_products

if TYPE_CHECKING:
    from mesh_catalog.specs import DomainSpec, ModelSpec, ProductSpec
    from mesh_catalog.workspace import Workspace

__all__ = ["Dag", "Task", "Verb", "plan_dags"]

Verb = Literal["publish", "train", "score", "monitor", "retrain"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One command of one product or model."""

    id: str
    """`payments.daily`, or `payments.fraud.score`."""
    verb: Verb
    name: str
    domain: str
    owner: str | None
    about: str
    after: tuple[str, ...] = ()
    """Ids of tasks of the same DAG."""
    makes: tuple[str, ...] = ()
    """Assets: the datasets that it publishes and another DAG reads."""


@dataclass(frozen=True, kw_only=True)
class Dag:
    """The tasks of one domain, or of domains that read each other."""

    id: str
    about: str
    tags: tuple[str, ...]
    tasks: tuple[Task, ...]
    """Each after those that it follows."""
    every_seconds: int | None = None
    """The shortest frequency that a contract in it promises."""
    assets: tuple[str, ...] = ()
    """Datasets of other DAGs: each new version starts a run."""


def plan_dags(workspace: Workspace, today: date) -> list[Dag]:
    """The workspace's DAGs, by id; a second one for each that has models holds their first trainings, by hand.

    Products that are retired on this day have no task.

    Raises:
        DocumentError: A transform cannot be read, or products read each other in a circle.
    """
    jobs = _Jobs(workspace, today)
    made = {dataset: job for job in jobs.all.values() for dataset in job.datasets}
    groups = _groups(workspace.domains, jobs.all.values(), made)
    dags: list[Dag] = []
    for members in groups:
        dags.extend(_dags(workspace, members, jobs, made))
    return sorted(dags, key=lambda dag: dag.id)


@dataclass(kw_only=True)
class _Job:
    task: Task
    reads: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    follows: list[str] = field(default_factory=list)


class _Jobs:
    """Every task with what it reads; one that would close a circle through a model's predictions reads the old ones."""

    def __init__(self, workspace: Workspace, today: date) -> None:
        self.all: dict[str, _Job] = {}
        for product in publish_order(workspace, sorted(living_products(workspace, today))):
            self._add(_product_task(product), input_products(workspace, None, product), (product.name,))
        for _, model in sorted(workspace.models.items()):
            score, monitor, retrain = (_model_task(model, verb) for verb in ("score", "monitor", "retrain"))
            self._add(score, model.input_products, (model.predictions_name,))
            self._add(monitor, (), (), [score.id])
            self._add(retrain, (), (model.training_name,), [monitor.id])
        by_dataset = {dataset: job.task.id for job in self.all.values() for dataset in job.datasets}
        for of_models in (False, True):  # a product's inputs make no circle; a model's datasets may
            for job in self.all.values():
                for name in job.reads:
                    maker = by_dataset.get(name)
                    if maker is not None and (self.all[maker].task.verb != "publish") == of_models:
                        self._follow(job, maker)

    def _add(self, task: Task, reads: Iterable[str], datasets: tuple[str, ...], follows: Iterable[str] = ()) -> None:
        found = tuple(name for name in reads if name != SOURCE)
        self.all[task.id] = _Job(task=task, reads=found, datasets=datasets, follows=list(follows))

    def _follow(self, job: _Job, maker: str) -> None:
        if job.task.id not in self._before(maker):
            job.follows.append(maker)

    def _before(self, task: str) -> set[str]:
        """The task and all that it follows."""
        found: set[str] = set()
        todo = [task]
        while todo:
            here = todo.pop()
            if here not in found:
                found.add(here)
                todo.extend(self.all[here].follows)
        return found

    def ordered(self, members: set[str]) -> list[_Job]:
        """The jobs of these domains, each after those that it follows."""
        done: dict[str, _Job] = {}
        waiting = [job for job in self.all.values() if job.task.domain in members]
        inside = {job.task.id for job in waiting}
        while waiting:
            ready = [job for job in waiting if all(name in done or name not in inside for name in job.follows)]
            done.update((job.task.id, job) for job in ready)
            waiting = [job for job in waiting if job.task.id not in done]
        return list(done.values())


def _product_task(product: ProductSpec) -> Task:
    about = product.contract.description or ""
    return Task(
        id=product.name,
        verb="publish",
        name=product.name,
        domain=product.domain.name,
        owner=product.owner,
        about=about,
    )


def _model_task(model: ModelSpec, verb: Verb) -> Task:
    return Task(
        id=f"{model.name}.{verb}",
        verb=verb,
        name=model.name,
        domain=model.domain.name,
        owner=model.domain.owner,
        about=model.goal,
    )


def _groups(domains: Mapping[str, DomainSpec], jobs: Iterable[_Job], made: Mapping[str, _Job]) -> list[set[str]]:
    """Domains by DAG: those that reach each other are one group."""
    reach: dict[str, set[str]] = {name: {name} for name in domains}
    for job in jobs:
        reach[job.task.domain].update(made[name].task.domain for name in job.reads if name in made)
    for middle in domains:
        for name in domains:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    groups: list[set[str]] = []
    for name in sorted(domains):
        if not any(name in group for group in groups):
            groups.append({other for other in reach[name] if name in reach[other]})
    return groups


def _dags(workspace: Workspace, members: set[str], jobs: _Jobs, made: Mapping[str, _Job]) -> list[Dag]:
    own = jobs.ordered(members)
    if not own:
        return []
    inside = {job.task.id for job in own}
    outside = [job for job in jobs.all.values() if job.task.id not in inside]
    wanted = {name for job in outside for name in job.reads}
    domains = [workspace.domains[name] for name in sorted(members)]
    name = "mesh_" + "__".join(domain.name for domain in domains)
    about = "\n\n".join(domain.description for domain in domains if domain.description)
    tags = ("mesh", *(domain.name for domain in domains))
    products = [workspace.products[job.task.name] for job in own if job.task.verb == "publish"]
    promised = [seconds for product in products if (seconds := frequency_seconds(product.contract))]
    foreign = {read for job in own for read in job.reads if read in made and made[read].task.id not in inside}
    found = [
        Dag(
            id=name,
            about=about,
            tags=tags,
            tasks=tuple(_linked(job, inside, wanted) for job in own),
            every_seconds=min(promised, default=None),
            assets=tuple(sorted(foreign)),
        )
    ]
    models = [model for _, model in sorted(workspace.models.items()) if model.domain.name in members]
    if models:
        found.append(_training_dag(name, tags, models))
    return found


def _training_dag(name: str, tags: tuple[str, ...], models: Sequence[ModelSpec]) -> Dag:
    return Dag(
        id=f"{name}.train",
        about="First trainings, started by hand. Later ones are the work of the retrain tasks.",
        tags=tags,
        tasks=tuple(_model_task(model, "train") for model in models),
    )


def _linked(job: _Job, inside: set[str], wanted: set[str]) -> Task:
    values = {key: value for key, value in job.task.__dict__.items() if key not in ("after", "makes")}
    after = tuple(sorted(name for name in dict.fromkeys(job.follows) if name in inside))
    return Task(**values, after=after, makes=tuple(name for name in job.datasets if name in wanted))
