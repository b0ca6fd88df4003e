"""`milestones run` and `milestones take-over`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
from prometheus_client import REGISTRY, CollectorRegistry
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer import metrics
from consumer.app import (
    apply_configured_trackers,
    first_look_of,
    prepare,
    topics_of,
    trackers_in_force,
    until_end_targets,
    worker_for,
)
from consumer.cli.output import DEFAULT_CONFIG, ConfigOption, console, errors, set_up_logging, show_plan
from consumer.config import Settings, load
from consumer.log_lines import guard_output
from consumer.nursery import Born, become_workers
from consumer.patience import patiently
from consumer.postgres.take_over import take_over
from consumer.probes import Probes
from consumer.stopping import Stopping
from consumer.supervisor import Supervisor, mark_ended, supervised_by
from consumer.tuning import tune

log = structlog.get_logger(__name__)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("run")(run)
    app.command("take-over")(take_over_command)


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes on this machine.")] = 1,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at the ends that the input has now.")] = False,
    allow_gap: Annotated[
        bool, typer.Option("--allow-gap", help="Go on although retention removed records never evaluated.")
    ] = False,
) -> None:
    """Run the consumer: change events in, milestones stored once and announced once."""
    born = _become_workers(workers)
    guard_output(metrics.LOG_LINES_DROPPED.inc)
    set_up_logging()
    settings = load(config)
    stopping = Stopping()
    if born is not None:
        # Who looks at the metrics sees from now on that there is one more, which is not ready yet.
        metrics.READY.set(0)
        if born.instead_of is not None:
            log.warning("worker was killed, this one replaces it", **born.instead_of._asdict())
        born.when_abandoned(stopping.ask)
        _work(settings, stopping, until_end=until_end, allow_gap=allow_gap)
        return
    if workers == 1:
        with _probes(settings):
            _apply_trackers(settings)
            _work(settings, stopping, until_end=until_end, allow_gap=allow_gap)
        return
    _apply_trackers(settings)
    raise typer.Exit(_supervise(settings, config, workers, until_end=until_end, allow_gap=allow_gap))


def _become_workers(count: int) -> Born | None:
    """Returns in every worker of a supervisor; None where this process has none."""
    supervisor = supervised_by()
    if supervisor is None:
        return None
    mark_ended(os.getpid())
    return become_workers(count, supervisor, mark_ended)


def _apply_trackers(settings: Settings) -> None:
    plan = patiently(lambda: apply_configured_trackers(settings))
    if plan is not None:
        show_plan(plan, to=errors)


@contextmanager
def _probes(settings: Settings, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    said = settings.metrics
    if not said.enabled:
        yield
        return
    probes = Probes(said.host, said.port, registry, said.stuck_after_ms / 1000)
    try:
        yield
    finally:
        probes.close()


def _supervise(settings: Settings, config: Path, workers: int, *, until_end: bool, allow_gap: bool) -> int:
    topics = topics_of(settings)
    patiently(lambda: prepare(settings, topics))
    flags = [flag for flag, wanted in (("--until-end", until_end), ("--allow-gap", allow_gap)) if wanted]
    arguments = ["--config", str(config), "--workers", str(workers), *flags]
    supervisor = Supervisor([sys.executable, "-m", "consumer", "run", *arguments])
    try:
        with _probes(settings, supervisor.registry):
            return supervisor.run()
    finally:
        supervisor.close()


def _work(settings: Settings, stopping: Stopping, *, until_end: bool, allow_gap: bool) -> None:
    topics = topics_of(settings)
    patiently(lambda: prepare(settings, topics))
    targets = patiently(lambda: until_end_targets(settings, topics)) if until_end else None
    trackers = patiently(lambda: trackers_in_force(settings))
    total = 0 if targets is None else sum(targets.values())
    with (
        _progress(total) as advance,
        worker_for(settings, topics, trackers, allow_gap=allow_gap, targets=targets, progress=advance) as worker,
    ):
        stopping.orderly = worker.stop
        tune()
        log.info(
            "worker begins",
            group=settings.group,
            input=str(settings.inputs),
            output=settings.output.topic,
            first_look=first_look_of(settings),
        )
        worker.run()
        log.info("worker ends", **metrics.totals())


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar for `--until-end` on a terminal."""
    if not total or not errors.is_terminal:
        yield None
        return
    columns = (TextColumn("records"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task("records", total=total)
        yield lambda records: progress.advance(task, records)


def take_over_command(
    topic: Annotated[list[str], typer.Option(help="The input topic whose positions are to be moved; may be repeated.")],
    config: ConfigOption = DEFAULT_CONFIG,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this only say what.")] = False,
) -> None:
    """Let this database follow another consumer group, or a topic that was deleted and made again."""
    settings = load(config)
    topics = topics_of(settings)
    for name, topic_id in [(name, topics.topic_id(name)) for name in topic]:
        moved = take_over(settings.dsn, name, topic_id, settings.group, dry_run=not execute)
        verb = "moved" if execute else "would move"
        console.print(f"{verb} {len(moved)} positions of {name} to group {settings.group}, topic id {topic_id}")
        for line in moved:
            console.print(f"  {line}", highlight=False)
    if not execute:
        console.print("nothing was changed; stop all workers, then say --execute")
