"""Which topics are read: one, a list, or those that a pattern matches; and never those that this program writes."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consumer.app import input_topics
from consumer.config import Settings, effective, load
from consumer.core.inputs import RESERVED, Inputs, checked_pattern
from consumer.errors import ConfigError, Fatal
from consumer.kafka.settings import consumer_settings, input_settings

SMALLEST = """\
kafka:
  bootstrap.servers: k:9092
  group.id: g
postgres:
  dsn: postgresql://h/db
"""
KAFKA = {"bootstrap.servers": "k:9092", "group.id": "g"}


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(SMALLEST + text, encoding="utf-8")
    return load(path)


def test_without_a_word_the_default_topic_is_read(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "input: {create_topics: true}\n")
    assert settings.inputs.subscription == ["document-changes"]
    assert settings.dead_letter_topic == "document-changes.dead-letter"


def test_one_topic_names_its_dead_letters(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "input: {topic: erp}\n")
    assert (settings.inputs.names, settings.dead_letter_topic) == (("erp",), "erp.dead-letter")


@pytest.mark.parametrize("said", ["topics: [erp.a, erp.b]", "topics: [erp.a]", r"pattern: ^erp\.[ab]$"])
def test_several_topics_have_one_dead_letter_topic_whatever_they_are(tmp_path: Path, said: str) -> None:
    settings = loaded(tmp_path, f"input:\n  {said}\n")
    assert settings.dead_letter_topic == "document-changes.dead-letter"
    assert settings.inputs.among(["erp.a", "document-changes"]) == ["erp.a"]
    shown = effective(settings)
    assert (shown["input"]["topic"], shown["output"]["dead_letter_topic"]) == (None, "document-changes.dead-letter")


TWO_WAYS = [
    ("input:\n  topic: a\n  topics: [b, c]\n", "config.yaml:8: input.topics: and input.topic is set too"),
    ("input:\n  topic: document-changes\n  pattern: b\n", "config.yaml:8: input.pattern: and input.topic is set too"),
    ("input:\n  pattern: b\n  topics: [b]\n", "config.yaml:7: input.pattern: and input.topics is set too"),
]


@pytest.mark.parametrize(("text", "wrong"), TWO_WAYS)
def test_two_ways_to_say_it_are_refused_with_both_keys(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(wrong)
    assert "keep one of input.topic (one), input.topics (a list), input.pattern" in str(caught.value)


def test_a_way_that_the_environment_adds_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES__INPUT__TOPIC", "document-changes")
    assert loaded(tmp_path, "").inputs.names == ("document-changes",)
    with pytest.raises(ConfigError, match=r"config\.yaml:7: input\.topics: and input\.topic is set too"):
        loaded(tmp_path, "input:\n  topics: [a, b]\n")


def test_a_list_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES__INPUT__TOPICS", '["a", "b"]')
    assert loaded(tmp_path, "").inputs.names == ("a", "b")


REFUSED = [
    ("topics: []", "config.yaml:7: input.topics: Tuple should have at least 1 item"),
    ("topics: [a, b, a]", "config.yaml:7: input.topics: 'a' stands twice"),
    ("topics: [a, '^b.*']", "input.topics: '^b.*' is no name of a topic"),
    ("topic: ^erp", "config.yaml:7: input.topic: '^erp' is no name of a topic: 1 to 249 letters"),
    ("topic: tabSales Order", "'tabSales Order' is no name of a topic"),
    ("pattern: ''", "config.yaml:7: input.pattern: String should have at least 1 character"),
    ("pattern: '(a'", "config.yaml:7: input.pattern: '(a' is no regular expression"),
    (r"pattern: 'erp\.\d+'", r"input.pattern: 'erp\\.\\d+' is no POSIX extended regular expression"),
    ("topics: [a, milestone-reached]", "config.yaml:7: input.topics: milestone-reached is this program's own topic"),
    ("topics: [a, document-changes.dead-letter]", "document-changes.dead-letter is this program's own topic"),
    ("topics: [a, milestone-ticks]", "milestone-ticks is this program's own topic, or Kafka's, and is never read"),
    ("topic: __consumer_offsets", "config.yaml:7: input.topic: __consumer_offsets is this program's own topic"),
]


@pytest.mark.parametrize(("said", "wrong"), REFUSED)
def test_what_is_no_input_is_refused_with_its_place(tmp_path: Path, said: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"input:\n  {said}\n")
    assert wrong in str(caught.value)


def test_the_configuration_shown_is_one_that_can_be_loaded_again(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "input: {topics: [a, b]}\n")
    shown = {key: part for key, part in effective(settings)["input"].items() if part is not None}
    assert loaded(tmp_path, yaml.safe_dump({"input": shown})).inputs == settings.inputs


OWN = ("milestone-reached", "document-changes.dead-letter", *RESERVED)


def test_a_pattern_matches_whole_names_and_none_of_this_programs_own() -> None:
    inputs = Inputs((), r"erp\.shop\..*|document.*|milestone.*|__.*", OWN)
    there = ["erp.shop.tabTask", "x.erp.shop.tabTask", "erp.shopping", "document-changes", *OWN, "__consumer_offsets"]
    assert inputs.among(there) == ["document-changes", "erp.shop.tabTask"]


@pytest.mark.parametrize("pattern", [r"^erp\.shop\.", r"erp\.shop\.$"])
def test_an_anchored_pattern_is_anchored_still(pattern: str) -> None:
    assert Inputs((), pattern).among(["erp.shop.", "erp.shop.a", "a.erp.shop."]) == ["erp.shop."]


def test_names_are_read_only_where_they_exist() -> None:
    assert Inputs(("b", "a", "c")).among(["a", "b", "d"]) == ["a", "b"]


def test_the_client_is_told_to_match_whole_names_and_to_leave_out_this_programs_own() -> None:
    inputs = Inputs((), "a|b", ("milestone-reached", "x.dead-letter"))
    assert inputs.subscription == ["^(a|b)$"]
    assert inputs.never == ["^milestone-reached$", r"^x\.dead-letter$", "^__"]


@pytest.mark.parametrize(
    "pattern",
    [
        r"a\d",
        "(?i)a",
        "(?:a)",
        "(?!a).*",
        r"[\w]",
        "a++",
        "a+?",
        "a{2}?",
        "a{",
        "a{}",
        "[[:alpha:]]",
        "[]a]",
        r"\bab",
        "(",
    ],
)
def test_an_expression_that_python_and_the_client_read_differently_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        checked_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", [r"^erp\.shop\..*", "a|b", "(a|b)+c?", "a{2}", "a{2,3}", "[a-z0-9_.-]+", "[^.]*", r"tab\(x\)", ".*"]
)
def test_an_expression_that_both_read_alike_is_taken_as_it_is(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern


@given(st.text(st.sampled_from(r"ab.*+?{}[]()|^$\1d-:"), max_size=12))
def test_whatever_is_written_is_refused_or_is_an_expression_that_can_be_used(pattern: str) -> None:
    with suppress(ValueError):
        Inputs((), checked_pattern(pattern)).among(["ab", "b.a"])


def test_with_a_pattern_new_topics_are_looked_for_twice_a_minute_unless_the_user_says_otherwise() -> None:
    interval = "topic.metadata.refresh.interval.ms"
    assert input_settings(KAFKA, Inputs((), ".*"))[interval] == 30_000
    assert input_settings({**KAFKA, interval: 500}, Inputs((), ".*"))[interval] == 500
    assert input_settings(KAFKA, Inputs(("a",))) == consumer_settings(KAFKA)


def test_topics_that_the_user_leaves_out_are_left_out_beside_this_programs_own() -> None:
    said = {**KAFKA, "topic.blacklist": "^test"}
    assert input_settings(said, Inputs((), ".*", ("x",)))["topic.blacklist"] == "^test,^x$,^__"


@pytest.mark.parametrize(
    ("inputs", "wrong"),
    [(Inputs(("a", "b")), "topic b does not exist"), (Inputs((), "c.*"), r"no topic matches input.pattern 'c\.\*'")],
)
def test_an_input_that_is_not_there_is_named(inputs: Inputs, wrong: str) -> None:
    with pytest.raises(Fatal, match=wrong):
        input_topics(inputs, ["a"])
