"""What a consumer's errors and callbacks leave for the loop to act on."""

import pytest
from confluent_kafka import KafkaError

from consumer.errors import Fatal, Transient
from consumer.kafka.consumer_errors import READ_AGAIN, STOP, Troubles


def _always() -> bool:
    return True


def _breaks(what: str) -> None:
    raise ValueError(what)


def test_a_callback_that_raises_does_not_and_the_loop_stops_with_its_reason() -> None:
    troubles = Troubles()
    troubles.kept(_breaks, is_heard=_always)("the first")
    troubles.kept(_breaks, is_heard=_always)("the second")
    with pytest.raises(Fatal, match=r"client failed in breaks: ValueError: the first; .*start again") as stopped:
        troubles.act()
    assert isinstance(stopped.value.__cause__, ValueError)


def test_a_callback_that_does_not_raise_is_called_as_it_is() -> None:
    seen: list[object] = []

    def note(consumer: object, partitions: list[int]) -> None:
        seen.extend([consumer, *partitions])

    troubles = Troubles()
    troubles.kept(note, is_heard=_always)("consumer", [1, 2])
    assert seen == ["consumer", 1, 2]
    troubles.act()


@pytest.mark.parametrize("code", sorted(STOP))
def test_what_is_for_a_person_is_a_stop_with_advice_and_place(code: int) -> None:
    troubles = Troubles()
    troubles.notice(KafkaError(code), " (t-1, offset 7)")
    troubles.read_again("and this")
    with pytest.raises(Fatal) as stopped:
        troubles.act()
    assert STOP[code] in str(stopped.value)
    assert str(stopped.value).endswith("(t-1, offset 7)")


@pytest.mark.parametrize("code", sorted(READ_AGAIN))
def test_what_moves_the_position_has_both_watermarks_read_again_once(code: int) -> None:
    troubles = Troubles()
    troubles.notice(KafkaError(code))
    troubles.read_again("whatever it is")
    with pytest.raises(Transient):
        troubles.act()
    troubles.act()


def test_the_rest_mends_itself() -> None:
    troubles = Troubles()
    troubles.notice(KafkaError(KafkaError._ALL_BROKERS_DOWN))  # noqa: SLF001 - the client's own name for it
    troubles.act()


def test_a_client_that_was_left_behind_is_not_heard() -> None:
    troubles = Troubles()
    troubles.kept(_breaks, is_heard=lambda: False)("anything")
    troubles.act()
