"""The sweep report: what it says, what it refuses to say, and that it never breaks."""

from __future__ import annotations

import base64
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emcoop.errors import ConfigError
from emcoop.metrics.report import build_report, findings, pairings, process, rows, style, tables
from emcoop.metrics.report.examples import Examples
from emcoop.trace import Trace, TraceWriter
from emcoop.trace.schema import Constraint, End, Episode, Run, Step

GAIN = {"individual": 0.0, "centralized": 0.08, "debate": 0.0, "decentralized": 0.04}
SKILL = {"random": 0.1, "greedy": 0.45, "team": 0.5, "oracle": 0.75}


def synthetic(
    *,
    envs: tuple[str, ...] = ("Cube-v0",),
    planners: tuple[str, ...] = ("random", "greedy", "team", "oracle"),
    topologies: tuple[str, ...] = tuple(GAIN),
    sizes: tuple[int, ...] = (2, 4, 8),
    regimes: tuple[str, ...] = ("open", "matched"),
    seeds: int = 5,
) -> pd.DataFrame:
    """Make up a sweep in which only `team` talks, `centralized` helps it by 0.08 and `debate` by nothing."""
    out = []
    for env, n, planner, regime, seed in itertools.product(envs, sizes, planners, regimes, range(seeds)):
        world = np.random.default_rng([n, seed, len(env)]).normal(0, 0.06)
        for topology in topologies if planner == "team" else topologies[:1]:
            rng = np.random.default_rng([n, seed, *map(ord, planner + topology + regime)])
            gain = GAIN.get(topology, 0.0) if n > 1 else 0.0
            auc = float(
                np.clip(SKILL.get(planner, 0.4) + gain + world - 0.04 * np.log2(n) + rng.normal(0, 0.015), 0, 1)
            )
            shares = rng.dirichlet([1, 6, 4, 2])
            talks = topology != "individual" and n > 1
            out.append(
                {
                    "unit": f"u{len(out)}", "suite": "quick", "env": env, "variant": "", "n_agents": n,
                    "topology": topology, "planner": planner, "regime": regime, "seed": seed, "attempt": 1,
                    "status": "completed", "error": "", "trace": f"traces/u{len(out)}.jsonl.gz", "digest": "",
                    "score": round(min(1.0, 1.3 * auc) * 2 * n) / (2 * n), "progress_auc": auc,
                    "steps_to_goal": 200 * (1 - auc) if auc > 0.45 else np.nan,
                    "spatial_satisfaction": rng.uniform(0.4, 0.7), "dependency_satisfaction": 1.0,
                    "temporal_satisfaction": rng.uniform(0.3, 0.6) + gain,
                    "participation_satisfaction": rng.uniform(0.5, 0.6) + 2 * gain,
                    "plan_coherence": rng.uniform(0.5, 0.7), "capability_gain": np.nan,
                    "plan_stability": rng.uniform(0.7, 0.9),
                    "decision_overhead": 0.1 + 0.15 * talks + rng.uniform(0, 0.1),
                    "wait_overhead": rng.uniform(0, 0.1), "messages_total": float(talks * rng.integers(3, 9) * n),
                    "collisions_per_100": rng.uniform(0, 4), "joint_satisfaction": rng.uniform(0.3, 0.6),
                    "failed_attempts": rng.uniform(0.2, 0.4), "first_failing_dependency": shares[0],
                    "first_failing_participation": shares[1], "first_failing_spatial": shares[2],
                    "first_failing_temporal": shares[3],
                }
            )  # fmt: skip
    return pd.DataFrame(out)


def episode_trace(path: Path | None = None, n_agents: int = 3, steps: int = 40) -> Trace:
    """Record an episode with two tasks, the second one begun halfway."""
    writer = TraceWriter(path)
    writer.write(Run(schema="emcoop-trace-1", emcoop="0", config_hash="x"))
    writer.write(
        Episode(env_id="Cube-v0", env_kwargs={}, n_agents=n_agents, max_steps=50, seed=0, planners=[{"name": "team"}],
                topology={"name": "centralized"})
    )  # fmt: skip
    writer.write(Step(t=0, actions=[], reward=0.0, state_hash="0", configuration_hash="0", progress=0.0))
    for t in range(steps):
        writer.write(
            Constraint(t=t, tasks=["block_0" if t < steps // 2 else "block_1"], required=[2], committed=[2],
                       in_place=[1], acting=[0], dependency=[1], joint=[0], engaged=[1], success=[0],
                       participants=[[0, 1]], inferred=[0])
        )  # fmt: skip
        progress = (t + 1) / (2 * steps)
        step = Step(
            t=t + 1, actions=[0] * n_agents, reward=0.0, state_hash="0", configuration_hash="0", progress=progress
        )
        writer.write(step)
    writer.write(End(t=steps, status="completed", score=0.5, raw_score=1.0, steps=steps, terminated=False, counters={}))
    writer.close()
    return Trace(writer.events)


class Page(HTMLParser):
    """Parse strictly enough to notice an element that is never closed, and collect what it refers to."""

    VOID = ("meta", "img", "link", "br", "hr", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def page(results: pd.DataFrame, out: Path, **kwargs: object) -> Page:
    return Page(build_report(results, out, title="A sweep", **kwargs).read_text(encoding="utf-8"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    """A complete report with a trace, two failed episodes and one that was never run."""
    out = tmp_path_factory.mktemp("sweep")
    results = synthetic()
    results.loc[[3, 77], "status"] = ["agent_error", "infra_error"]
    results.loc[77, "error"] = "timed <out>"
    results = results.drop(index=20)
    talking = (results["planner"] == "team") & (results["topology"] == "debate") & (results["regime"] == "matched")
    example = results[talking].iloc[0]
    episode_trace(out / example["trace"])
    return out, page(results, out, traces=out, command="emcoop sweep quick --jobs 2", suite_hash="ab" * 32)


def test_report_is_one_self_contained_file(full: tuple[Path, Page]) -> None:
    out, parsed = full
    raw = (out / "report.html").read_text(encoding="utf-8")
    assert all(link.startswith(("#", "data:image/svg+xml;base64,")) for link in parsed.links)
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert "url(" not in raw
    assert "@import" not in raw
    assert 'name="viewport"' in raw


def test_every_figure_and_table_is_a_file_too(full: tuple[Path, Page]) -> None:
    out, parsed = full
    names = {path.stem for path in (out / "figures").glob("*.png")}
    assert names == {"topology_effect", "team_size", "collaboration_radar", "decision_overhead", "first_failing",
                     "breakdown", "process_trace", "planners", "scaling", "cost_frontier"}  # fmt: skip
    assert names == {path.stem for path in (out / "figures").glob("*.pdf")}
    assert parsed.tags.count("img") == len(names)
    for link in parsed.links:
        if link.startswith("data:"):
            assert b"<svg" in base64.b64decode(link.split(",")[1])[:400]
    for path in (out / "tables").glob("*.csv"):
        unknown = {"failure_profile", "matched_runs", "other_metrics", "planner_options", "robustness"}
        assert path.stem in unknown or len(pd.read_csv(path)) > 0, path


def test_summary_says_what_the_results_hold_and_no_more(full: tuple[Path, Page]) -> None:
    _, parsed = full
    assert (
        "In the matched regime team does better than individual under centralized and decentralized; "
        "no difference is seen under debate." in parsed.text
    )
    assert "greedy does better" not in parsed.text  # it never sends a message
    assert "progress AUC is highest with 2 agents" in parsed.text
    assert "participation is missing first most often" in parsed.text
    assert (
        "207 of 209 episode attempts were completed; 1 agent_error, 1 infra_error (counted, never scored)"
        in parsed.text
    )
    assert "3 cell-seed pairs have no completed episode" in parsed.text
    assert "emcoop sweep quick --jobs 2" in parsed.text
    assert "ab" * 32 in parsed.text


def test_errors_and_names_are_escaped(full: tuple[Path, Page], tmp_path: Path) -> None:
    assert "timed <out>" in full[1].text
    results = synthetic(planners=("team",), sizes=(2,), topologies=("individual",), seeds=2)
    results["planner"] = "<script>alert(1)</script>"
    assert "<script>alert(1)</script>" in page(results, tmp_path).text


def test_effect_matches_the_mean_of_what_was_put_in() -> None:
    effects = pairings.topology_effects(rows.prepare(synthetic(seeds=20)))
    matched = effects[effects["regime"] == "matched"].set_index("topology")
    for topology, gain in (("centralized", 0.08), ("decentralized", 0.04), ("debate", 0.0)):
        assert matched.loc[topology, "difference_low"] <= gain <= matched.loc[topology, "difference_high"]
        assert matched.loc[topology, "difference_n"] == 60
    assert matched.loc["debate", "p_holm"] > 0.05 > matched.loc["centralized", "p_holm"]


def test_pairs_rest_on_the_same_world_and_seed_and_count_what_is_missing() -> None:
    results = synthetic(planners=("team",), sizes=(2, 4), regimes=("matched",), seeds=3)
    lost = (results["topology"] == "debate") & (results["seed"] == 1) & (results["n_agents"] == 4)
    effects = pairings.topology_effects(rows.prepare(results[~lost])).set_index("topology")
    assert (effects.loc["debate", "difference_n"], effects.loc["debate", "missing"]) == (5, 1)
    assert (effects.loc["centralized", "difference_n"], effects.loc["centralized", "missing"]) == (6, 0)


def test_without_progress_the_score_is_compared() -> None:
    effects = pairings.topology_effects(rows.prepare(synthetic(planners=("team",)).drop(columns="progress_auc")))
    assert set(effects["metric"]) == {"score"}
    assert effects["difference"].notna().all()


def test_teams_of_one_do_not_dilute_the_topology_effect() -> None:
    effects = pairings.topology_effects(rows.prepare(synthetic(planners=("team",), sizes=(1, 4), seeds=4)))
    assert set(effects["difference_n"]) == {4}


def test_a_hint_is_not_called_an_effect() -> None:
    results = synthetic(planners=("team",), sizes=(4,), regimes=("matched",), seeds=4)
    data = rows.prepare(results)
    effects = pairings.topology_effects(data)
    assert effects.set_index("topology").loc["centralized", "difference_low"] > 0
    lead = findings.which_topology(data, effects).lead
    assert "does better" not in lead
    assert "hint of a difference under `centralized`" in lead


def test_environments_that_disagree_are_not_pooled_into_a_claim() -> None:
    results = synthetic(envs=("Cube-v0", "Other-v0"), planners=("team",), regimes=("matched",), seeds=8)
    results.loc[(results["env"] == "Other-v0") & (results["topology"] == "centralized"), "progress_auc"] -= 0.2
    data = rows.prepare(results)
    answer = findings.which_topology(data, pairings.topology_effects(data))
    assert "environments disagree about `centralized`" in answer.lead
    assert any("better in `Cube-v0`, worse in `Other-v0`" in detail for detail in answer.details)


def test_only_completed_episodes_are_scored_and_the_first_one_counts() -> None:
    results = synthetic(planners=("team",), sizes=(2,), topologies=("individual",), regimes=("open",), seeds=3)
    before = tables.main(rows.prepare(results))
    again = results.iloc[:2].assign(attempt=2, score=1.0, progress_auc=1.0, status=["completed", "agent_error"])
    data = rows.prepare(pd.concat([again, results]))
    after = tables.main(data)
    assert data.repeated == 1
    pd.testing.assert_frame_equal(before, after)
    status = tables.status(data).iloc[0]
    assert (status["attempts"], status["completed"], status["agent_error"]) == (5, 4, 1)


def test_not_applicable_is_neither_zero_nor_drawn(full: tuple[Path, Page]) -> None:
    axes = tables.axes(rows.prepare(synthetic(seeds=2)))
    assert axes["capability_gain"].isna().all()
    assert set(axes["capability_gain_n"]) == {0}
    assert "n/a" in full[1].text


def test_planners_are_compared_rung_by_rung() -> None:
    table = pairings.planners(rows.prepare(synthetic())).set_index(["planner", "than"])
    assert list(table.index) == [("greedy", "random"), ("team", "greedy"), ("oracle", "team")]
    assert (table["difference_low"] > 0).all()
    assert set(table["missing"]) == {0}  # topologies that only one of them ran are not missing pairs


def test_planners_without_a_shared_topology_are_paired_by_world() -> None:
    results = synthetic(planners=("greedy", "team"), sizes=(2,), regimes=("matched",), seeds=5)
    results = results[(results["planner"] == "greedy") | (results["topology"] != "individual")]
    table = pairings.planners(rows.prepare(results)).iloc[0]
    assert (table["paired_on"], table["difference_n"]) == ("world, seed", 5)


def test_constraint_bands_and_task_focus_of_a_trace() -> None:
    trace = episode_trace(n_agents=3, steps=40)
    bands = process.bands(trace, 41)
    assert bands[:, 0].tolist() == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert np.isnan(bands[:, 40]).all()
    agents, tasks = process.focus(trace, 40)
    assert tasks == ["block_0", "block_1"]
    assert agents[0].tolist() == [0] * 20 + [1] * 20
    assert set(agents[2]) == {-1}


@pytest.mark.parametrize("name", ["../outside.jsonl.gz", "/etc/passwd", "traces/gone.jsonl.gz"])
def test_trace_names_that_lead_nowhere_or_outside_are_not_followed(tmp_path: Path, name: str) -> None:
    episode_trace(tmp_path / "outside.jsonl.gz")
    results = synthetic(planners=("team",), sizes=(2,), seeds=1).assign(trace=name)
    (tmp_path / "inside").mkdir()
    drawn = process.process_trace(Examples(rows.prepare(results), tmp_path / "inside"))
    assert drawn.figure is None
    assert "No example episode can be drawn" in drawn.absent


def test_a_damaged_trace_is_said_not_raised(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.gz").write_bytes(b"not a trace")
    results = synthetic(planners=("team",), sizes=(2,), seeds=1).assign(trace="x.jsonl.gz")
    assert "x.jsonl.gz" in process.process_trace(Examples(rows.prepare(results), tmp_path)).absent


SMALL = {"planners": ("greedy", "team"), "sizes": (2,), "seeds": 2}
DEGENERATE = {
    "one topology": (synthetic(**{**SMALL, "topologies": ("individual",)}), "Only the topology individual was run"),
    "no individual": (synthetic(**{**SMALL, "topologies": ("debate", "star")}), "The topology individual was not run"),
    "one seed": (synthetic(**{**SMALL, "seeds": 1}), "too few pairs"),
    "no matched regime": (synthetic(**SMALL, regimes=("open",)), "no claim about topology is made"),
    "nothing completed": (synthetic(**SMALL).assign(status="agent_error"), "No episode was completed"),
    "nobody talks": (synthetic(**SMALL).assign(messages_total=0.0), "No planner sent a message"),
    "no rows": (synthetic(**SMALL).iloc[:0], "nothing was run"),
    "no metrics": (synthetic(**SMALL)[[*rows.CELL, "seed", "status"]], "nothing can be said about team size"),
    "teams of one": (synthetic(**{**SMALL, "sizes": (1,)}), "No planner sent a message"),
    "nothing failed": (
        synthetic(**SMALL).drop(columns=list(rows.FIRST_FAILING), errors="ignore"),
        "No failed attempt was recorded",
    ),
    "score only": (synthetic(**SMALL).drop(columns="progress_auc"), "only teams of 2 were run"),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_what_is_missing_is_said_in_its_place(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lay_out(drawn: style.Drawn, folder: Path) -> str:
        if drawn.figure is None:
            return ""
        drawn.figure.draw_without_rendering()
        return "<svg/>"

    monkeypatch.setattr(style, "save", lay_out)  # writing three formats is most of the time
    results, sentence = DEGENERATE[case]
    parsed = page(results, tmp_path)
    assert sentence in parsed.text
    assert "No folder with traces was given." in parsed.text
    assert "nan" not in re.findall(r"\b\w+\b", parsed.text)


def test_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    results = synthetic(planners=("team",), sizes=(2,), seeds=2)
    one, two = (build_report(results, tmp_path / name, title="x").parent for name in ("a", "b"))
    files = [path.relative_to(one) for path in sorted(one.rglob("*.*")) if path.is_file()]
    assert len(files) > 10
    assert all((one / path).read_bytes() == (two / path).read_bytes() for path in files)


def test_results_read_back_from_csv_give_the_same_tables(tmp_path: Path) -> None:
    results = synthetic(seeds=2)
    results.to_csv(tmp_path / "results.csv", index=False)
    again = pd.read_csv(tmp_path / "results.csv")
    pd.testing.assert_frame_equal(tables.main(rows.prepare(results)), tables.main(rows.prepare(again)))


def test_matplotlib_settings_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setattr(style, "save", lambda drawn, folder: "")

    before = dict(matplotlib.rcParams)
    build_report(synthetic(planners=("team",), sizes=(2,), seeds=1), tmp_path, title="x")
    assert dict(matplotlib.rcParams) == before


def test_a_table_that_is_no_results_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="no column 'planner', 'seed'"):
        rows.prepare(synthetic(seeds=1).drop(columns=["planner", "seed"]))
    with pytest.raises(ConfigError, match=r"'n_agents'.*2\.5"):
        rows.prepare(synthetic(seeds=1).assign(n_agents=2.5))


def test_conditions_are_cells_of_their_own_and_never_pooled():
    plain = synthetic(planners=("greedy", "team"), sizes=(2, 4))
    lossy = plain.assign(condition="lossy", progress_auc=plain["progress_auc"] / 2)
    both, one = rows.prepare(pd.concat([plain, lossy])), rows.prepare(plain)
    for table in (
        tables.main,
        pairings.topology_effects,
        tables.team_size,
        tables.process,
        tables.failures,
        tables.axes,
    ):
        made = table(both)
        assert set(made["regime"]) == {"open", "matched", "open (lossy)", "matched (lossy)"}
        unnamed = made[~made["regime"].str.contains("lossy")].reset_index(drop=True)
        pd.testing.assert_frame_equal(unnamed, table(one))
    answer = findings.which_topology(both, pairings.topology_effects(both))
    assert answer.lead == findings.which_topology(one, pairings.topology_effects(one)).lead
    assert answer.details[-1].startswith("Of the `matched (lossy)` regime the tables tell")


def test_claims_about_topologies_rest_on_the_first_condition_when_all_have_names():
    named = rows.prepare(synthetic(planners=("greedy", "team"), sizes=(2, 4)).assign(condition="clean"))
    answer = findings.which_topology(named, pairings.topology_effects(named))
    assert answer.lead.startswith("In the matched (clean) regime")
