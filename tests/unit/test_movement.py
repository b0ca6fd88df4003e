"""Which partitions stand still although something is behind their position."""

from consumer.core.movement import Movement
from consumer.core.records import Partition

A, B = Partition("t", 0), Partition("t", 1)


def _after(movement: Movement, now_s: float, position: int, end: int) -> float:
    return movement.stuck_s([A], {A: position}, {A: end}, now_s)[A]


def test_a_partition_that_moves_is_not_stuck() -> None:
    movement = Movement()
    assert [_after(movement, float(second), 10 * second, 1_000) for second in range(5)] == [0.0] * 5


def test_a_partition_that_stands_before_its_end_is_stuck_until_it_moves() -> None:
    movement = Movement()
    assert [_after(movement, second, 5, 9) for second in (10.0, 11.0, 75.0)] == [0.0, 1.0, 65.0]
    assert _after(movement, 76.0, 6, 9) == 0.0
    assert _after(movement, 77.0, 6, 9) == 1.0


def test_waiting_for_records_is_no_standstill() -> None:
    movement = Movement()
    assert [_after(movement, second, 5, 5) for second in (0.0, 100.0)] == [0.0, 0.0]
    assert [_after(movement, second, 5, 6) for second in (200.0, 201.0)] == [0.0, 1.0]


def test_only_the_one_that_is_stuck_is_told() -> None:
    movement = Movement()
    movement.stuck_s([A, B], {A: 5, B: 5}, {A: 9, B: 9}, 0.0)
    assert movement.stuck_s([A, B], {A: 5, B: 8}, {A: 9, B: 9}, 30.0) == {A: 30.0, B: 0.0}


def test_one_that_waits_is_where_it_was() -> None:
    movement = Movement()
    _after(movement, 0.0, 5, 9)
    assert movement.stuck_s([A], {}, {}, 30.0) == {A: 30.0}
    assert _after(movement, 40.0, 5, 9) == 40.0


def test_one_that_is_read_again_from_further_back_has_not_moved() -> None:
    movement = Movement()
    _after(movement, 0.0, 5, 9)
    assert _after(movement, 10.0, 3, 9) == 10.0
    assert _after(movement, 20.0, 4, 9) == 0.0


def test_an_end_that_is_not_known_yet_is_none() -> None:
    movement = Movement()
    assert [_after(movement, second, 5, -1_001) for second in (0.0, 60.0)] == [0.0, 0.0]
    _after(movement, 61.0, 5, 9)
    assert _after(movement, 70.0, 5, -1_001) == 9.0


def test_what_another_worker_has_is_forgotten() -> None:
    movement = Movement()
    _after(movement, 0.0, 5, 9)
    assert movement.stuck_s([B], {}, {}, 10.0) == {}
    assert _after(movement, 60.0, 5, 9) == 0.0
