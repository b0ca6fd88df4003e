"""Which topics config.yaml may name as input: one, a list or a pattern, and none that this program writes."""

from __future__ import annotations

import os

from pydantic import BaseModel

from consumer.config_file import Document
from consumer.core.inputs import Inputs
from consumer.errors import ConfigError

_WAYS = ("topic", "topics", "pattern")


def check_topics(document: Document, section: BaseModel, inputs: Inputs, outputs: tuple[str, str]) -> None:
    """Checks the section `input` against itself and against the topics that are written.

    Raises:
        ConfigError: the input is said in two ways, or is a topic that is never read.
    """
    said = [key for key in _WAYS if _is_said(document, section, key)]
    if len(said) > 1:
        raise ConfigError(
            f"{document.place(('input', said[-1]))}: and input.{said[0]} is set too; keep one of input.topic (one), "
            "input.topics (a list), input.pattern (a regular expression)"
        )
    if len(set(outputs)) < len(outputs) or ("topics" not in said and set(outputs) & set(inputs.names)):
        where = document.place(("output", "topic"))
        raise ConfigError(f"{where}: input, output and dead-letter topic must differ: this program never reads its own")
    for name in inputs.names:
        if inputs.is_own(name):
            where = document.place(("input", *said))
            raise ConfigError(f"{where}: {name} is this program's own topic, or Kafka's, and is never read; remove it")


def _is_said(document: Document, section: BaseModel, key: str) -> bool:
    """Whether file or environment says it: in what was validated, defaults look as if they had been said."""
    variable = f"MILESTONES__INPUT__{key.upper()}"
    given = ("input", key) in document.lines or variable in map(str.upper, os.environ)
    value = getattr(section, key)
    return value is not None and (given or value != type(section).model_fields[key].default)
