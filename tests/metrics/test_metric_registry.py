from __future__ import annotations

import gc
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emcoop.baselines.results import COLUMNS
from emcoop.metrics import Metric, list_metrics, registry, score_trace
from emcoop.metrics.catalogue import catalogue
from emcoop.trace import Trace
from emcoop.trace.schema import SCHEMA, Episode, Run

PUBLIC = {
    "score", "raw_score", "steps", "progress_auc", "spatial_satisfaction", "temporal_satisfaction",
    "participation_satisfaction", "dependency_satisfaction", "plan_coherence", "plan_stability", "capability_gain",
    "decision_overhead", "messages_total", "message_imbalance", "interruptions", "replanning_rate",
}  # fmt: skip

THIRD_PARTY = '''
from emcoop.metrics import metric

@metric("L", "number of events", (0, float("inf")), "neither", "here")
def log_length(trace):
    """Number of events in the log."""
    return len(trace.events)

@metric("B", "none", (0, 1), "neither", "here")
def broken(trace):
    """Always fails."""
    raise KeyError("no such thing")

@metric("S", "none", (0, 1), "neither", "here")
def score(trace):
    """A name that is taken."""
    return 0.0

@metric("N", "none", (0, 1), "neither", "here")
def seed(trace):
    """The name of a column of every results table."""
    return 0.0

@metric("G", "none", (0, 1), "neither", "here")
def collecting(trace):
    """Whether the cyclic garbage collector runs."""
    import gc
    return float(gc.isenabled())

plain = 3
'''

Install = Callable[..., None]


@pytest.fixture
def empty_trace() -> Trace:
    episode = Episode(env_id="E", env_kwargs={}, n_agents=1, max_steps=0, seed=0, planners=[], topology={})
    return Trace([Run(schema=SCHEMA, emcoop="1", config_hash=""), episode])


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with entry points for metrics on the path."""

    def put(*entries: str) -> None:
        (tmp_path / "their_metrics.py").write_text(THIRD_PARTY, encoding="utf-8")
        info = tmp_path / "their_metrics-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-metrics\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("\n".join(["[emcoop.metrics]", *entries]), encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))

    registry.all_metrics.cache_clear()
    yield put
    registry.all_metrics.cache_clear()
    sys.modules.pop("their_metrics", None)


def test_the_names_of_the_public_interface_exist() -> None:
    assert set(list_metrics()) >= PUBLIC


def test_every_metric_says_what_it_is() -> None:
    for name, one in registry.built_in().items():
        assert name == one.name
        assert one.description.endswith("."), name
        assert one.symbol
        assert one.formula
        assert one.source
        assert one.range[0] < one.range[1]
        assert one.direction in ("higher", "lower", "neither")
    symbols = [one.symbol for one in registry.built_in().values()]
    assert len(set(symbols)) == len(symbols)


def test_a_third_party_metric_joins(install: Install, empty_trace: Trace) -> None:
    install("log_length = their_metrics:log_length")
    assert list_metrics()["log_length"] == "Number of events in the log."
    assert score_trace(empty_trace)["log_length"] == 2.0


def test_a_metric_that_raises_is_nan_and_the_others_stand(install: Install, empty_trace: Trace) -> None:
    install("broken = their_metrics:broken", "log_length = their_metrics:log_length")
    with pytest.warns(RuntimeWarning, match="metric 'broken' failed and counts as NaN: KeyError"):
        values = score_trace(empty_trace)
    assert math.isnan(values["broken"])
    assert values["log_length"] == 2.0
    assert values["steps"] == 0.0


@pytest.mark.parametrize("target", ["their_metrics:absent", "no_such_module:x", "their_metrics:plain"])
def test_a_metric_that_does_not_load_is_nan(install: Install, empty_trace: Trace, target: str) -> None:
    install(f"lost = {target}")
    with pytest.warns(RuntimeWarning, match=f"metric 'lost' from '{target}' does not load"):
        values = score_trace(empty_trace)
    assert math.isnan(values["lost"])
    assert values["steps"] == 0.0
    assert "did not load" in list_metrics()["lost"]


def test_a_taken_name_stays_with_its_owner(install: Install) -> None:
    owner = registry.built_in()["score"]
    install("score = their_metrics:score")
    with pytest.warns(RuntimeWarning, match="the name is taken"):
        assert registry.all_metrics()["score"] is owner


def test_no_metric_is_named_like_what_identifies_a_result(install: Install, empty_trace: Trace) -> None:
    assert set(COLUMNS) == registry.RESERVED
    assert registry.RESERVED.isdisjoint(registry.built_in())
    install("seed = their_metrics:seed", "log_length = their_metrics:log_length")
    with pytest.warns(RuntimeWarning, match="metric 'seed' from 'their_metrics:seed' is left out: the name is taken"):
        values = score_trace(empty_trace)
    assert "seed" not in values
    assert values["log_length"] == 2.0


@pytest.mark.parametrize("runs", [True, False])
def test_scoring_pauses_the_collector_and_leaves_it_as_it_was(install: Install, empty_trace: Trace, runs: bool) -> None:
    install("collecting = their_metrics:collecting")
    (gc.enable if runs else gc.disable)()
    try:
        assert score_trace(empty_trace)["collecting"] == 0.0
        assert gc.isenabled() == runs
    finally:
        gc.enable()


def test_metrics_are_callable_with_a_trace(empty_trace: Trace) -> None:
    one = registry.built_in()["steps"]
    assert isinstance(one, Metric)
    assert one(empty_trace) == 0.0


def test_the_catalogue_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text(encoding="utf-8") == catalogue(), "run: python -m emcoop.metrics.catalogue > docs/metrics.md"


def test_the_command_prints_the_catalogue() -> None:
    command = [sys.executable, "-W", "error", "-m", "emcoop.metrics.catalogue"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout == catalogue()
    assert catalogue().isascii(), "any console can print it"


def test_scoring_needs_no_heavy_module() -> None:
    code = (
        "import sys, emcoop.metrics as m; m.list_metrics(); print({'pandas', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
