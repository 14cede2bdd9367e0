"""The loop beside never retraining, retraining every week, and retraining where ADWIN finds a change.

    python -m benchmarks.continuous --json
    python -m benchmarks.continuous --only elec2 --only sea --data /data

Seven streams, replayed week by week (test then train, benchmarks/replay.py): four real ones from the folder of data
files, three made by river's generators over several seeds, with abrupt changes. All policies share the trainer (xgboost
on one core in place of Spark), the first model and the training window of the stream; one text says the loop's policy
for all streams. ADWIN reads errors, or the logarithmic losses of two classes; it learns from that window, or from its
own: the best of these ways is the bar.

The false-alarm test replays the same rows in random order: nothing changes any more, so every failed verdict is false.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.loop_policy import Loop
from benchmarks.replay import Adwin, Every, Never, Played, Policy, Trainer, replay
from benchmarks.streams import MADE, REAL, WEEK, Stream, load_real, make_stream, shuffled
from mesh_catalog.specs import DomainSpec, ModelSpec
from mesh_catalog.workspace.model_file import read_model_file

REPOSITORY = Path(__file__).resolve().parent.parent
SEEDS, ALARM_SEEDS = 5, 10
MOST_FALSE = 0.05
ALLOWANCE = 0.01
TRAINING_WEEKS = {"elec2": 13, "bike-sharing": 26, "beijing-pm25": None, "fraud-handbook": 4}
"""Of every policy; of a made stream 12. What the known facts of the series call for: None is everything."""
POLICY = """
model: benchmark.model
goal: Replay a stream.
kind: {kind}
target: benchmark.stream.label
features: [benchmark.stream]
event_time: at
split: {{test: 1d}}
algorithm: xgboost
metric: {metric}
monitor: {{window: 7d, performance: {{by: losses, loses: 0.2, significance: {significance}, windows: 4}}}}
gate: {{beats_champion: 0.1}}
retrain: {{on: [performance], cooldown: 45%, budget: 1 per week, patience: 3, window: {window}}}
"""
GRADUAL = {"window": "as_split", "significance": 0.02}
ABRUPT = {"window": "since_drift, since_rows: 500", "significance": 0.002}
"""Of the made streams. A training since the drift forgets what was before, so false alarms cost more; ADWIN's delta."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One policy on one stream."""

    score: float
    trainings: int
    promotions: int | None = None
    alarms: int | None = None
    windows: int | None = None
    stopped: str | None = None
    """What the loop said when it stopped."""


def loop_spec(stream: Stream) -> ModelSpec:
    """The policy's text as the product reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model" / "model.yaml"
        path.parent.mkdir()
        told = POLICY.format(kind=stream.kind, metric=stream.metric, **(ABRUPT if stream.name in MADE else GRADUAL))
        path.write_text(told, encoding="utf-8")
        return read_model_file(path, DomainSpec(name="benchmark", owner=None, path=Path(folder)))


def compare(stream: Stream) -> dict[str, Line]:
    """Every policy on a stream."""
    trainer, window = Trainer(stream), training_window(stream)
    policies: dict[str, Policy] = {
        "never": Never(stream, trainer, window=window),
        "every week": Every(stream, trainer, window=window),
        "ADWIN": Adwin(stream, trainer, window=window, own=False),
        "ADWIN, own window": Adwin(stream, trainer, window=window, own=True),
    }
    if stream.kind == "binary":  # of a number, error and loss are one
        for name, own in (("ADWIN on losses", False), ("ADWIN on losses, own window", True)):
            policies[name] = Adwin(stream, trainer, window=window, own=own, reads="losses")
    policies["loop"] = Loop(stream, trainer, window=window, spec=loop_spec(stream))
    found = {}
    for name, policy in policies.items():
        found[name] = _line(policy, replay(stream, policy))
        print(
            f"{stream.name:15} {name:27} {found[name].score:9.4f} {found[name].trainings:4}",
            file=sys.stderr,
            flush=True,
        )
    return found


def training_window(stream: Stream) -> int:
    weeks = TRAINING_WEEKS.get(stream.name, 12)
    return (stream.weeks if weeks is None else weeks) * WEEK


def _line(policy: Policy, played: Played) -> Line:
    if not isinstance(policy, Loop):
        return Line(score=played.score, trainings=played.trainings)
    judged = [one for one in policy.memory.windows if one.outcome != "not_run"]
    return Line(
        score=played.score,
        trainings=played.trainings,
        promotions=sum(turn.outcome == "promote" for turn in policy.memory.turns),
        alarms=sum(one.outcome == "fail" for one in judged),
        windows=len(judged),
        stopped=policy.stopped.decision.reasons[-1] if policy.stopped else None,
    )


def false_alarms(stream: Stream, *, seeds: Sequence[int]) -> dict[str, float]:
    """Share of windows that fail, and of weeks in which the loop trains, where nothing changes."""
    failed, windows, trained = 0, 0, 0
    for seed in seeds:
        same = shuffled(stream, seed=seed)
        policy = Loop(same, Trainer(same), window=training_window(same), spec=loop_spec(same))
        line = _line(policy, replay(same, policy))
        failed, windows = failed + (line.alarms or 0), windows + (line.windows or 0)
        trained += line.trainings - 1
    return {"alarms": failed / windows, "windows": windows, "trainings": trained / windows}


def held(metric: str, lines: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Whether the bar holds, against each ADWIN and against the one of the best score.

    The bar is that score less 1 %, with no more trainings.

    Args:
        lines: Score and trainings of each policy.
    """
    less, (score, trainings) = metric == "mae", lines["loop"]
    against = {}
    for name, (rival, allowed) in lines.items():
        if name.startswith("ADWIN"):
            near = score <= rival * (1 + ALLOWANCE) if less else score >= rival * (1 - ALLOWANCE)
            against[name] = {"score_holds": near, "trainings_hold": trainings <= allowed}
    best = (min if less else max)(against, key=lambda name: lines[name][0])
    return {"against": against, "rival": best, **against[best]}


def judged(stream: Stream, lines: dict[str, Line]) -> dict[str, Any]:
    """The lines, and whether the bar holds."""
    return {
        "stream": stream.name,
        "metric": stream.metric,
        "policies": {name: asdict(line) for name, line in lines.items()},
        **held(stream.metric, {name: (line.score, line.trainings) for name, line in lines.items()}),
    }


def gathered(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several seeds of a stream as one row: means, and the spread over seeds."""
    names = runs[0]["policies"]
    scores = {name: [run["policies"][name]["score"] for run in runs] for name in names}
    trainings = {name: [run["policies"][name]["trainings"] for run in runs] for name in names}
    means = {name: (statistics.mean(scores[name]), statistics.mean(trainings[name])) for name in names}
    return {
        "stream": runs[0]["stream"],
        "metric": runs[0]["metric"],
        "seeds": len(runs),
        "policies": {
            name: {"score": score, "spread": statistics.pstdev(scores[name]), "trainings": count}
            for name, (score, count) in means.items()
        },
        **held(runs[0]["metric"], means),
        "runs": list(runs),
    }


def run(name: str, folder: Path, *, seeds: int, alarm_seeds: int) -> dict[str, Any]:
    """One stream's figures."""
    started = time.monotonic()
    if name in REAL:
        stream = load_real(name, folder)
        found = judged(stream, compare(stream))
    else:
        streams = [make_stream(name, seed=seed) for seed in range(seeds)]
        stream, found = streams[0], gathered([judged(one, compare(one)) for one in streams])
    if alarm_seeds:
        found["false_alarms"] = false_alarms(stream, seeds=range(alarm_seeds))
        found["false_alarms_hold"] = found["false_alarms"]["alarms"] <= MOST_FALSE
    found["seconds"] = round(time.monotonic() - started)
    return found


def print_found(found: dict[str, Any]) -> None:
    print(f"\n{found['stream']}   {found['metric']}, {'less' if found['metric'] == 'mae' else 'more'} is better")
    for name, line in found["policies"].items():
        spread = f" ± {line['spread']:.4f}" if "spread" in line else ""
        said = f"   {line['stopped']}" if line.get("stopped") else ""
        print(f"  {name:27} {line['score']:9.4f}{spread}   trainings {line['trainings']:g}{said}")
    if "false_alarms" in found:
        alarms = found["false_alarms"]
        print(
            f"  false alarms                {alarms['alarms']:9.2%} of {alarms['windows']:,} windows of shuffled rows"
        )
    bars = {"score": "score_holds", "trainings": "trainings_hold", "false alarms": "false_alarms_hold"}
    told = [f"{word} {'holds' if found[key] else 'MISSED'}" for word, key in bars.items() if key in found]
    print(f"  bar, {found['rival']:22} {', '.join(told)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", action="append", choices=[*REAL, *MADE], help="this stream; may be given again")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"of made streams ({SEEDS})")
    parser.add_argument("--alarm-seeds", type=int, default=ALARM_SEEDS, help=f"of shuffling ({ALARM_SEEDS}); 0: none")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of the files")
    options = parser.parse_args()
    results, skipped = [], []
    for name in options.only or [*REAL, *MADE]:
        if name in REAL and not (options.data / REAL[name]).exists():
            skipped.append(name)
            print(
                f"{name}: skipped, {options.data / REAL[name]} is not there. Name the folder: --data", file=sys.stderr
            )
            continue
        results.append(run(name, options.data, seeds=options.seeds, alarm_seeds=options.alarm_seeds))
        with redirect_stdout(sys.stderr if options.json else sys.stdout):
            print_found(results[-1])
    if options.json:
        print(json.dumps({"results": results, "skipped": skipped}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
