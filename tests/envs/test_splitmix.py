"""Random numbers that are a function of their arguments: exact, uniform, the same compiled or not."""

from __future__ import annotations

import numpy as np
import pytest

from emcoop.envs.splitmix import below, draw, fold, mix, seed_number, stream
from emcoop.errors import ConfigError

GOLDEN = 0x9E3779B97F4A7C15


def plain_mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def plain_draw(seed: int, *values: int) -> float:
    state = plain_mix((seed + GOLDEN) % 2**64)
    for value in values:
        state = plain_mix(((state ^ value) + GOLDEN) % 2**64)
    return (state >> 11) / 2**53


def test_the_published_sequence_of_seed_zero() -> None:
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(mix(np.uint64(k * GOLDEN % 2**64))) for k in (1, 2, 3)] == published


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**63 - 1, 2**63, 2**64 - 1])
def test_draws_are_what_whole_numbers_of_python_give(seed: int) -> None:
    for values in [(0, 0, 0, 0), (1, 2, 3, 4), (2**31, 0, 1023, 2**40)]:
        assert draw(np.uint64(seed), *values) == plain_draw(seed, *values)


def test_draws_are_uniform_and_every_argument_matters() -> None:
    numbers = np.array([draw(np.uint64(seed), 5, 0, k, 7) for seed in range(4) for k in range(5000)])
    assert len(np.unique(numbers)) == len(numbers)
    assert ((numbers >= 0) & (numbers < 1)).all()
    counts = np.histogram(numbers, 100, (0, 1))[0]
    assert abs(((counts - 200) ** 2 / 200).sum() - 99) < 5 * np.sqrt(2 * 99)
    around = {draw(np.uint64(9), *(int(k == position) for k in range(4))) for position in range(5)}
    assert len(around) == 5


def test_folds_of_one_state_never_collide() -> None:
    assert len({int(fold(np.uint64(3), k)) for k in range(10_000)}) == 10_000


def test_streams_of_purposes_differ_and_stay_below_the_bound() -> None:
    one, other = stream(np.uint64(1), np.uint64(10)), stream(np.uint64(1), np.uint64(11))
    first, second = [below(one, 6) for _ in range(6000)], [below(other, 6) for _ in range(6000)]
    assert first != second
    assert np.abs(np.bincount(first, minlength=6) - 1000).max() < 150


@pytest.mark.parametrize("seed", [-1, 2**64, True, 1.5, "3", None])
def test_bad_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed="):
        seed_number(seed)


def test_numpy_numbers_are_seeds() -> None:
    assert seed_number(np.int64(7)) == seed_number(7) == 7
    assert seed_number(2**64 - 1) == 2**64 - 1
