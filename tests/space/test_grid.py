import time
import tracemalloc
from collections import Counter
from itertools import combinations

from ana_search.runner.queue import Queue
from ana_search.space import cell_count, grid, layer_count, requested_trials
from tests.conftest import MakeStudy

GRID = 'sampler = "grid"'
FACTORS = """\
noise = ["uniform", "triangular", "normal", "logistic"]
interval = ["overlapped", "same_start", "same_end"]
power_law = ["homogeneous", "progressive"]
spread = { low = 0.25, high = 0.75, step = 0.25 }
"""


def test_every_cell_once(make_study: MakeStudy) -> None:
    spec = make_study(FACTORS, GRID)
    cells = grid(spec)
    assert len(cells) == cell_count(spec) == 4 * 3 * 2 * 3
    assert len({tuple(sorted(cell.items())) for cell in cells}) == len(cells)
    assert {cell["spread"] for cell in cells} == {0.25, 0.5, 0.75}


def test_every_prefix_is_balanced(make_study: MakeStudy) -> None:
    cells = grid(make_study(FACTORS, GRID))
    for length in range(1, len(cells) + 1):
        for name in cells[0]:
            met = Counter({cell[name]: 0 for cell in cells})
            met.update(cell[name] for cell in cells[:length])
            assert max(met.values()) - min(met.values()) <= 2
    half = cells[: len(cells) // 2]
    for one, other in combinations(cells[0], 2):
        counts = Counter((cell[one], cell[other]) for cell in half)
        pairs = len({(cell[one], cell[other]) for cell in cells})
        assert max(counts.values()) <= 2 * len(half) / pairs
        assert len(counts) == pairs


def test_the_order_depends_on_the_study_alone(make_study: MakeStudy) -> None:
    spec = make_study(FACTORS, GRID)
    assert grid(spec) == grid(make_study(FACTORS, GRID))
    assert grid(spec) != grid(make_study(FACTORS, f"{GRID}\nseed = 1"))
    grid(spec)[0]["noise"] = "changed"
    assert grid(spec)[0]["noise"] != "changed"


def test_conditional_parameters_make_fewer_cells(make_study: MakeStudy) -> None:
    spec = make_study('decay = ["power", "cosine"]\nalpha = [0.5, 1.0, 2.0]', GRID)
    cells = grid(spec)
    assert len(cells) == 3 + 1
    assert [cell for cell in cells if cell["decay"] == "cosine"] == [{"decay": "cosine"}]


def test_layer_scope(make_study: MakeStudy) -> None:
    spec = make_study('noise = { choices = ["uniform", "normal"], scope = "layer" }', GRID)
    layers = layer_count(spec)
    cells = grid(spec)
    assert len(cells) == 2**layers
    assert set(cells[0]) == {f"noise.{layer}" for layer in range(layers)}


def test_exclusions(make_study: MakeStudy) -> None:
    spec = make_study(
        FACTORS
        + "exclude = [{ when = { noise = ['normal', 'logistic'] }, unless = [{ interval = 'overlapped' }] },"
        + " { when = { spread = 0.25, power_law = 'progressive' } }]",
        GRID,
    )
    for cell in grid(spec):
        assert cell["noise"] in ("uniform", "triangular") or cell["interval"] == "overlapped"
        assert cell["spread"] != 0.25 or cell["power_law"] != "progressive"
    assert cell_count(spec) == (2 * 3 + 2) * (2 * 3 - 1)


def test_nothing_searched_is_one_cell(make_study: MakeStudy) -> None:
    spec = make_study('noise = "normal"', f"{GRID}\nseeds = 3")
    assert grid(spec) == [{}]
    assert requested_trials(spec) == 3


def test_trials_asked_for(make_study: MakeStudy) -> None:
    assert requested_trials(make_study(FACTORS, f"{GRID}\nseeds = 2")) == 144
    assert requested_trials(make_study(FACTORS, f"{GRID}\nseeds = 2\ntrials = 20")) == 20
    assert requested_trials(make_study(FACTORS, f"{GRID}\ntrials = 2000")) == 72
    assert requested_trials(make_study(FACTORS, 'sampler = "random"\ntrials = 7\nseeds = 2')) == 7
    assert requested_trials(make_study(FACTORS)) == 100
    assert requested_trials(make_study(FACTORS, GRID, data="validation = { folds = 4 }")) == 72 * 4
    assert requested_trials(make_study(FACTORS, GRID, data="validation = { folds = 4, fold = 1 }")) == 72


def test_requests_are_made_as_they_are_needed(make_study: MakeStudy) -> None:
    spec = make_study(FACTORS, f"{GRID}\nseeds = 10_000\ntrials = 4")
    tracemalloc.start()
    queue = Queue(spec, [])
    taken = [queue.take() for _ in range(4)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [request.replicate for request in taken if request is not None] == [0, 1, 2, 3]
    assert queue.has_more()
    assert peak < 20 * 2**20


def test_a_grid_is_used_up_after_every_replicate_of_every_cell(make_study: MakeStudy) -> None:
    queue = Queue(make_study('noise = ["uniform", "normal"]', f"{GRID}\nseeds = 3"), [])
    taken = []
    while queue.has_more():
        taken.append(queue.take())
    assert sorted(request.replicate for request in taken if request is not None) == [0, 0, 1, 1, 2, 2]
    assert queue.take() is None


def test_a_large_grid_with_many_rules_is_listed_in_seconds(make_study: MakeStudy) -> None:
    rules = ", ".join(f"{{ when = {{ alpha = {n} }}, unless = [{{ noise = 'uniform' }}] }}" for n in range(1, 100))
    spec = make_study(
        'noise = ["uniform", "normal"]\nalpha = { low = 1, high = 100, step = 1 }\n'
        f"spread = {{ low = 0.1, high = 0.5, step = 0.001 }}\nexclude = [{rules}]",
        GRID,
    )
    began = time.monotonic()
    assert cell_count(spec) == 401 * (100 + 1)
    assert len(grid(spec)) == 401 * 101
    assert time.monotonic() - began < 20  # 0.6 s on an idle core


def test_rules_are_looked_up_by_what_they_name(make_study: MakeStudy) -> None:
    spec = make_study(
        FACTORS
        + "exclude = [{ when = { noise = ['normal', 'logistic'], spread = 0.5 } }, { when = { spread = 0.25 } }]",
        GRID,
    )
    every = grid(make_study(FACTORS, GRID))
    left = [cell for cell in every if not any(rule.excludes(cell) for rule in spec.space.exclude)]
    assert sorted(map(str, grid(spec))) == sorted(map(str, left))
    assert 0 < len(left) < len(every)
