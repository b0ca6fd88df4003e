"""The composition root: the only place that names concrete classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import structlog

from consumer import metrics
from consumer.app_output import announcer_of
from consumer.assignment import Assignment
from consumer.batch import Topics as Outputs
from consumer.config import Settings
from consumer.core.breaker import DeadLetterLimits
from consumer.core.compiled import Rules
from consumer.core.dead_letters import Payload
from consumer.core.events import Decoded
from consumer.core.inputs import Inputs
from consumer.core.letters import NotedLetter, Selection, is_of_document
from consumer.core.positions import LogEnds
from consumer.core.records import Batch, Partition
from consumer.core.sight import Sight
from consumer.core.trackers import Trackers
from consumer.errors import Fatal
from consumer.faults import fault_point
from consumer.formats.decoder import ChangeDecoder
from consumer.formats.native_glance import first_look
from consumer.formats.shapes import Options, Shape
from consumer.kafka.dead_letters import LetterReader, Redriver
from consumer.kafka.publisher import Publisher, TransactionalIds
from consumer.kafka.registry import Registry
from consumer.kafka.settings import session_timeout_s
from consumer.kafka.source import Source
from consumer.kafka.topics import NewTopicPlan, Topics
from consumer.patience import patiently
from consumer.ports import Decoder
from consumer.postgres.dead_letters import noted_letters, redrive_notes
from consumer.postgres.store import Store
from consumer.postgres.trackers import Plan, apply_trackers, current_trackers
from consumer.redriving import Redrive, Report, Terms, payloads_of
from consumer.tracking import Tracking
from consumer.tuning import reading_ahead
from consumer.worker import Limits, Worker

log = structlog.get_logger(__name__)


class _TimedDecoder:
    """Observes decoding as a stage of its own."""

    def __init__(self, decoder: ChangeDecoder) -> None:
        self._decoder = decoder

    def sight(self) -> Sight | None:
        return self._decoder.sight()

    def decode(self, batch: Batch) -> Decoded:
        with metrics.timed("decode"):
            decoded = self._decoder.decode(batch)
        fault_point("decoded")
        return decoded


def prepare(settings: Settings, topics: Topics) -> list[str]:
    """Makes sure that the topics exist; returns those that were made."""
    outputs = [
        NewTopicPlan(settings.output.topic, {"retention.ms": str(settings.output.retention_ms)}),
        NewTopicPlan(
            settings.dead_letter_topic,
            {"retention.ms": str(settings.output.dead_letter_retention_ms), "max.message.bytes": "120000000"},
        ),
    ]
    made = topics.ensure(settings.inputs, outputs, create=settings.input.create_topics)
    if settings.inputs.pattern is not None and not settings.inputs.among(topics.partitions()):
        log.warning("no topic matches input.pattern yet, waiting for one", pattern=settings.inputs.pattern)
    return made


def topics_of(settings: Settings, *, ids: bool = True) -> Topics:
    """The cluster that config.yaml names."""
    return Topics(settings.kafka, ids=ids)


def apply_configured_trackers(settings: Settings, *, dry_run: bool = False) -> Plan | None:
    """Applies the `trackers` section; None if config.yaml has none."""
    wanted = settings.tracker_list()
    return None if wanted is None else apply_trackers(settings.dsn, wanted, dry_run=dry_run)


def until_end_targets(settings: Settings, topics: Topics) -> dict[Partition, int]:
    """The ends of all partitions now, without those that never held a record.

    Raises:
        Fatal: an input topic does not exist, or none matches the pattern.
    """
    return {key: end.high for key, end in input_ends(settings, topics).items() if end.high > end.low}


def input_ends(settings: Settings, topics: Topics) -> dict[Partition, LogEnds]:
    """What the log has of each input partition.

    Raises:
        Fatal: an input topic does not exist, or none matches the pattern.
    """
    counts = topics.partitions()
    names = input_topics(settings.inputs, counts)
    return topics.ends([Partition(name, number) for name in names for number in range(counts[name])])


def input_topics(inputs: Inputs, present: Collection[str]) -> list[str]:
    """The topics to read, of those that the cluster has.

    Raises:
        Fatal: one does not exist, or none matches the pattern.
    """
    found = inputs.among(present)
    missing = [name for name in inputs.names if name not in found]
    if missing:
        raise Fatal(f"topic {missing[0]} does not exist; create it, or set input.create_topics: true")
    if not found:
        raise Fatal(f"no topic matches input.pattern {inputs.pattern!r}; correct it, or create the topics first")
    return found


def trackers_in_force(settings: Settings) -> Trackers:
    """The trackers that the database has now."""
    return current_trackers(settings.dsn)


def dead_letters(settings: Settings, selection: Selection) -> list[NotedLetter]:
    """The dead letters of a selection, the newest first. Kafka is asked only if a document is looked for."""
    letters = noted_letters(settings.dsn, selection)
    if selection.document is None or not letters:
        return letters
    records = payloads_of({letter.origin: letter for letter in letters}, _letter_reader(settings), lambda _: None)
    of_document = {record.origin for record in records if is_of_document(record.key, selection.document)}
    return [letter for letter in letters if letter.origin in of_document]


def record_of(settings: Settings, letter: NotedLetter) -> Payload | None:
    """The record of a dead letter; None if retention has removed it everywhere."""
    reader = _letter_reader(settings)
    # Where it first stood it is found at once; the dead-letter topic has to be read through.
    places = {} if letter.topic is None else {letter.origin: letter.topic}
    found = [*reader.at_origins(places)] or [*reader.in_dead_letter_topic({letter.origin})]
    return found[0] if found else None


def redrive(settings: Settings, selection: Selection, terms: Terms, *, execute: bool) -> Report:
    """Sends dead letters to their input topics again; without `execute` only tells what it would do."""
    with redrive_notes(settings.dsn) as notes:
        sender = Redriver(settings.kafka, topics_of(settings)) if execute else None
        return Redrive(notes, _letter_reader(settings), sender, terms).run(selection)


def _letter_reader(settings: Settings) -> LetterReader:
    return LetterReader(settings.kafka, topics_of(settings), settings.dead_letter_topic)


@contextmanager
def worker_for(
    settings: Settings,
    topics: Topics,
    trackers: Trackers,
    *,
    allow_gap: bool = False,
    targets: Mapping[Partition, int] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Worker]:
    """A worker, ready to run by this thread, which reads ahead; its servers' connections are closed behind it."""
    exactly_once = settings.output.guarantee == "exactly_once"
    with ExitStack() as closing:
        closing.enter_context(reading_ahead())
        store = Store(settings.dsn, settings.group, session_timeout_s(settings.kafka))
        closing.callback(store.close)
        registry = Registry(settings.input.registry) if settings.input.registry else None
        if registry is not None:
            closing.callback(registry.close)
        made = decoders(settings, registry)
        tracking = Tracking(trackers, settings.document_types(), made, follow=settings.follows_trackers)
        source = Source(settings.kafka, settings.inputs, native=settings.input.native)
        closing.callback(source.close)

        ids = TransactionalIds(f"{settings.group}-{settings.processing.instance}", lambda: store.slot)
        publisher = Publisher(
            settings.kafka, ids if exactly_once else None, source.commit, native=settings.input.native
        )
        closing.callback(publisher.close)
        parts = (source, topics, store, publisher.fence)
        announce = patiently(lambda: announcer_of(settings))
        outputs = Outputs(settings.output.topic, settings.dead_letter_topic, announce)
        names = (outputs.reached, outputs.dead_letter)
        assignment = Assignment(settings.inputs, names, settings.group, parts, allow_gap=allow_gap)
        yield Worker(source, assignment, (tracking, store, publisher, outputs), _limits(settings), targets, progress)


def decoders(settings: Settings, registry: Registry | None) -> Callable[[Rules], Decoder]:
    """Makes the decoder of rules."""
    options = options_of(settings)

    def decoder_for(rules: Rules) -> Decoder:
        return _TimedDecoder(ChangeDecoder(rules, options, registry))

    return decoder_for


def first_look_of(settings: Settings) -> str:
    """What looks at records first: `native`, or `python` where nothing was compiled or it is switched off."""
    return first_look(options_of(settings))


def options_of(settings: Settings) -> Options:
    """What config.yaml says of formats."""
    said = settings.input
    names = settings.inputs.names
    only_topic = names[0] if len(names) == 1 else ""
    shape = Shape(said.format)
    return Options(
        shape, said.event_id_headers, said.unavailable_value, said.metadata_prefix, only_topic, native=said.native
    )


def _limits(settings: Settings) -> Limits:
    said = settings.processing
    letters = DeadLetterLimits(said.max_dead_letter_ratio, said.dead_letter_window, said.max_dead_letter_run)
    return Limits(said.max_batch_records, said.max_batch_bytes, said.poll_timeout_ms / 1000, letters)
