"""Noise from tables: the distribution of its family, and independent wherever it is drawn."""

import itertools

import pytest
import torch
from scipy import stats

from ana_search.ana import NOISE_FAMILIES
from ana_search.ana.kernels import tables
from ana_search.ana.kernels.blocks import Block
from ana_search.ana.kernels.hashing import TABLE, Key, draw_key
from ana_search.ana.kernels.tables import HALVES, noise_from_tables
from ana_search.ana.noise import NoiseFamily

DISTRIBUTIONS = {
    "triangular": stats.triang(0.5, -1.0, 2.0),
    "normal": stats.norm(),
    "logistic": stats.logistic(),
}


def key(seed: int) -> Key:
    return draw_key(torch.device("cpu"), torch.Generator().manual_seed(seed))


@pytest.fixture(params=list(HALVES))
def family(request: pytest.FixtureRequest) -> NoiseFamily:
    return NOISE_FAMILIES[request.param]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_has_the_distribution_of_its_family(family: NoiseFamily, dtype: torch.dtype) -> None:
    distribution = DISTRIBUTIONS[family.name]
    for seed in range(3):
        noise = noise_from_tables(torch.empty(2 * TABLE, dtype=dtype), family, key(seed))
        assert noise.dtype == dtype
        assert stats.kstest(noise.numpy(), distribution.cdf).pvalue > 1e-4


def test_the_tails_are_there(family: NoiseFamily) -> None:
    n = 40 * TABLE
    noise = noise_from_tables(torch.empty(n), family, key(4))
    distribution = DISTRIBUTIONS[family.name]
    for probability in (1e-2, 1e-3, 1e-4, 1e-5):
        for beyond in ((noise > distribution.isf(probability)).sum(), (noise < distribution.ppf(probability)).sum()):
            assert stats.binomtest(int(beyond), n, probability).pvalue > 1e-6


def test_neighbours_rows_and_calls_are_independent(family: NoiseFamily) -> None:
    first = noise_from_tables(torch.empty(6 * TABLE), family, key(8)).view(6, TABLE)
    other = noise_from_tables(torch.empty(2 * TABLE), family, key(9)).view(2, TABLE)
    every = torch.cat([first, other]).double()
    v = 2.0 * family.cdf(every) - 1.0
    cells = ((v + 1.0) * 8.0).long().clamp(0, 15)
    neighbours = [(cells[0], cells[0].roll(lag)) for lag in (1, 2, 3, 64, 1024)]
    limit = stats.chi2(15 * 15).ppf(1.0 - 1e-6)
    for one, another in [*itertools.combinations(cells, 2), *neighbours]:
        seen = torch.bincount(one * 16 + another, minlength=256).double()
        assert ((seen - TABLE / 256).square() / (TABLE / 256)).sum() < limit
    products = torch.stack([v[i] * v[j] * v[k] for i, j, k in itertools.combinations(range(8), 3)])
    assert products.mean(1).abs().max() < 5.0 * (1.0 / 27.0 / TABLE) ** 0.5


def test_parts_are_parts_of_the_whole(family: NoiseFamily) -> None:
    whole = noise_from_tables(torch.empty(3 * TABLE), family, key(4))
    for start, size in [(0, 300), (450, 300), (TABLE - 10, 30), (TABLE, TABLE), (5, 2 * TABLE)]:
        part = noise_from_tables(torch.empty(size), family, key(4), Block(start, len(whole), None))
        assert torch.equal(part, whole[start : start + size])
    like = torch.empty(2, 3, 4, 5).permute(0, 2, 3, 1)
    noise = noise_from_tables(like, family, key(4))
    assert noise.stride() == like.stride()
    assert torch.equal(noise.as_strided((120,), (1,)), whole[:120])


@pytest.mark.parametrize("n", [1, 1000, TABLE, 4 * TABLE, 3 * (TABLE - 6), 5 * 52429, 4_000_000])
def test_rows_are_even_where_they_can_be(family: NoiseFamily, n: int) -> None:
    length = tables._row_length(n)
    assert n % length == 0
    assert length <= TABLE
    noise = noise_from_tables(torch.empty(n), family, key(4))
    half = n // 2
    assert torch.equal(noise_from_tables(torch.empty(n - half), family, key(4), Block(half, n, None)), noise[half:])
    out = torch.empty(half)
    assert noise_from_tables(out, family, key(4), Block(0, n, out)).data_ptr() == out.data_ptr()
    assert torch.equal(out, noise[:half])


def test_rows_are_not_even_where_they_would_be_short() -> None:
    prime = TABLE + 3
    assert tables._row_length(prime) == TABLE
    assert tables._row_length(2 * prime) == TABLE  # two rows would be too long
    assert tables._row_length(3 * 43_691) == 3 * 43_691


def test_the_tables_are_made_on_the_cpu_whatever_torchs_default_device(family: NoiseFamily) -> None:
    expected = noise_from_tables(torch.empty(10), family, key(1))
    tables._tables.cache_clear()
    like, first = torch.empty(10), key(1)
    with torch.device("meta"):
        noise = noise_from_tables(like, family, first)
    assert torch.equal(noise, expected)


def test_the_compiler_is_told_the_truth_of_the_operation(family: NoiseFamily) -> None:
    for n, double in [(10, False), (TABLE + 5, True), (0, False)]:
        torch.library.opcheck(tables._written, (n, family.name, double, *key(2)))
