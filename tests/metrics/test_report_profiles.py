"""The report's profiles of failure, cost and scale, its comparisons of options and conditions, and how it looks."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import emcoop
from emcoop.metrics.report import build_report, contents, costs, interaction, pairings, profiles, rows, style, tables
from emcoop.metrics.report.benchmark import made_up
from emcoop.metrics.report.examples import Examples
from emcoop.trace import read_trace

RULES = {"failures_e2": 0.2, "failures_t2": 0.0, "failures_c3": np.nan, "failures_x9": 0.5}
HELP, HARM = 0.05, -0.2


def sweep(seeds: int = 6, name: str = "team(feedback=True)") -> pd.DataFrame:
    """Make up a sweep in which feedback helps by `HELP`, a crash costs `HARM`, and level 10 is harder than level 9."""
    out = []
    axes = (("level=9", "level=10"), (2, 4), ("individual", "centralized"), ("team", name), ("", "crash"), range(seeds))
    for variant, n, topology, planner, condition, seed in itertools.product(*axes):
        rng = np.random.default_rng([n, seed, len(variant), len(topology), len(planner), len(condition)])
        hard, talks = variant == "level=10", topology != "individual"
        auc = 0.5 - 0.1 * hard + HELP * (planner == name) + HARM * bool(condition) + rng.normal(0, 0.005)
        out.append(
            {
                "unit": f"u{len(out)}", "env": "Cube-v0", "variant": variant, "n_agents": n, "topology": topology,
                "planner": planner, "regime": "matched", "condition": condition, "seed": seed, "status": "completed",
                "score": auc, "progress_auc": auc, "steps": 50.0, "decisions_per_step": 0.2 * n * (1 + talks),
                "messages_total": 3.0 * n * talks, "prompt_tokens": 0.0, "completion_tokens": 0.0,
                "failed_attempts": 0.6 if hard else 0.2, "first_failing_dependency": 0.0,
                "first_failing_participation": 0.25, "first_failing_spatial": 0.75, "first_failing_temporal": 0.0,
                "decision_overhead": 0.1, "communication_value": 0.1 if talks else np.nan, **RULES,
            }
        )  # fmt: skip
    return pd.DataFrame(out)


@pytest.fixture(scope="module")
def data() -> rows.Results:
    return rows.prepare(sweep())


def test_an_option_is_compared_with_the_plain_planner_under_the_same_topology(data: rows.Results) -> None:
    table = pairings.planner_options(data)
    assert set(zip(table["planner"], table["than"], strict=True)) == {("team(feedback=True)", "team")}
    clean = table[table["regime"] == "matched"].set_index("topology")
    assert list(clean.index) == [tables.ALL, "individual", "centralized"]
    assert (clean["difference_n"] == [48, 24, 24]).all()
    assert ((clean["difference_low"] < HELP) & (clean["difference_high"] > HELP)).all()
    assert (clean["p_holm"] >= clean["p"]).all()
    assert (clean["p_holm"] < 0.05).all()


def test_conditions_are_compared_with_the_clean_one(data: rows.Results) -> None:
    table = pairings.robustness(data)
    assert set(table["condition"]) == {"crash"}
    assert set(table["than"]) == {"no condition"}
    pooled = table[table["topology"] == tables.ALL]
    assert len(pooled) == 2
    assert np.allclose(pooled["difference"], HARM, atol=0.01)


@pytest.mark.usefixtures("laid_out_only")
def test_the_summary_says_what_an_option_and_a_condition_change(tmp_path: Path) -> None:
    text = re.sub(r"</?code>", "", build_report(sweep(), tmp_path, title="x").read_text(encoding="utf-8"))
    assert re.search(
        r"team\(feedback=True\) against team, matched regime, all topologies: .* 48 pairs, .*; better\.", text
    )
    assert re.search(r"crash, team against no condition, matched regime, all topologies: .*; worse\.", text)


@pytest.mark.parametrize("clean", ["clean", "plain", "none"])
def test_the_clean_condition_is_known_by_its_name(clean: str) -> None:
    results = rows.prepare(sweep(2).replace({"condition": {"": clean}}))
    assert set(pairings.robustness(results)["than"]) == {clean}
    assert results.regime == f"matched ({clean})"


def test_breakdown_adds_up_to_failed_attempts_and_levels_are_in_order(data: rows.Results) -> None:
    table = profiles.breakdown(data)
    parts = table[list(rows.BREAKDOWN)].sum(axis=1)
    assert np.allclose(parts, table["failed_attempts"])
    assert table["variant"].drop_duplicates().tolist() == ["level=9", "level=10"]
    hard = table[(table["variant"] == "level=10") & (table["topology"] != tables.ALL)]
    assert np.allclose(hard["breakdown_spatial"], 0.45)
    assert set(hard["failed_attempts_n"]) == {6}


def test_rules_keep_their_intervals_and_unknown_and_inapplicable_ones_are_told_apart(data: rows.Results) -> None:
    table = profiles.failure_profile(data).set_index("rule")
    assert set(table.index) == {"E2", "T2", "C3", "X9"}
    assert table.loc["E2", "severity"].unique().tolist() == ["F"]
    assert table.loc["X9", "severity"].unique().tolist() == [""]
    assert set(table.loc["T2", "rate"]) == {0.0}
    assert table.loc["C3", "rate"].isna().all()
    assert set(table.loc["C3", "rate_n"]) == {0}
    assert (table.loc["T2", "found_high"] > 0).all()  # Wilson: never seen is not impossible


def test_costs_nobody_had_are_left_out_and_the_front_has_no_beaten_point(data: rows.Results) -> None:
    table = profiles.cost_frontier(data)
    assert "decisions" in table
    assert "tokens" not in table
    assert "usd" not in table
    points = pd.DataFrame({"decisions": [1.0, 2.0, 3.0, 3.0, 4.0], "score": [0.2, 0.1, 0.5, 0.6, 0.6]})
    assert costs.pareto(points, "decisions").index.tolist() == [0, 3]


def test_derived_costs_are_per_team_and_per_agent(data: rows.Results) -> None:
    row = data.scored[(data.scored["n_agents"] == 4) & (data.scored["topology"] == "centralized")].iloc[0]
    assert (row["decisions"], row["decisions_per_agent"], row["messages_per_agent"]) == (80.0, 20.0, 3.0)


def test_every_text_of_a_figure_is_dark_and_large_enough(data: rows.Results) -> None:
    frames = contents.tabulate(data)
    with style.drawing():
        drawn = [one for one in contents.draw(data, frames, Examples(data, None)) if one.figure is not None]
        assert {one.name for one in drawn} >= {"breakdown", "failure_profile", "cost_frontier", "scaling", "robustness",
                                               "planner_options", "matched_runs"}  # fmt: skip
        for one in drawn:
            assert one.figure is not None
            one.figure.draw_without_rendering()
            for text in one.figure.findobj(Text):
                if text.get_text().strip() and text.get_visible():
                    assert text.get_fontsize() >= style.SMALL, (one.name, text)
                    red, green, blue = matplotlib.colors.to_rgb(text.get_color())
                    assert 0.3 * red + 0.6 * green + 0.1 * blue < 0.42, (one.name, text)
            assert one.question.endswith("?")
            assert one.figure.get_figheight() < 11


@pytest.fixture
def laid_out_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay figures out without writing them, which is most of the time."""

    def lay_out(drawn: style.Drawn, folder: Path) -> str:
        if drawn.figure is not None:
            drawn.figure.draw_without_rendering()
        return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 400"/>' if drawn.figure else ""

    monkeypatch.setattr(style, "save", lay_out)


@pytest.mark.usefixtures("laid_out_only")
def test_hostile_names_do_no_harm(tmp_path: Path) -> None:
    name = "team(x=<img src=x onerror=alert(1)>$\\frac{$)"
    page = build_report(sweep(2, name), tmp_path, title="<b>t</b>").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "<b>t" not in page


def test_every_table_may_lack_any_column_it_can_do_without() -> None:
    full = sweep(1)
    needed = ["env", "n_agents", "topology", "planner", "regime", "seed", "status"]
    for column in full.columns.difference(needed):
        contents.tabulate(rows.prepare(full.drop(columns=column)))
    contents.tabulate(rows.prepare(full[needed]))


def test_a_made_up_table_has_as_many_episodes_as_asked_for() -> None:
    assert len(made_up(1234)) == 1234


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    """Record three episodes of a talking team."""
    folder = tmp_path_factory.mktemp("episodes")
    out = []
    for seed in range(3):
        path = folder / f"{seed}.jsonl.gz"
        done = emcoop.run_episode(
            "Cube-v0", n_agents=4, planner="team", topology="centralized", seed=seed, max_steps=30, trace=path
        )
        about = {"env": "Cube-v0", "n_agents": 4, "topology": "centralized", "planner": "team", "regime": "open"}
        out.append({**about, "seed": seed, "status": "completed", "trace": path.name, **done.metrics})
    return pd.DataFrame(out), folder


def test_the_interaction_graph_has_every_delivery_in_order(episodes: tuple[pd.DataFrame, Path]) -> None:
    trace = read_trace(episodes[1] / "0.jsonl.gz")
    lanes = interaction.laid_out(trace)
    assert lanes.moments == sorted(set(lanes.moments))
    assert lanes.deliveries
    assert all(one.sent < one.read for one in lanes.deliveries if one.label != "unread")
    assert {one.sender for one in lanes.deliveries} <= set(range(4))
    start, end = interaction.window(lanes, [])
    assert start <= lanes.deliveries[0].sent < end <= len(lanes.moments)


def test_examples_are_drawn_with_the_interval_of_their_cell(
    episodes: tuple[pd.DataFrame, Path], tmp_path: Path
) -> None:
    results, folder = episodes
    page = build_report(results, tmp_path, title="x", traces=folder).read_text(encoding="utf-8")
    assert "of the 3 episodes of its cell" in page
    assert (tmp_path / "figures" / "interaction_graph.pdf").is_file()
    assert (tmp_path / "figures" / "process_trace.png").is_file()


BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")


@pytest.mark.usefixtures("laid_out_only")
@pytest.mark.skipif(BROWSER is None, reason="no browser")
def test_the_page_fits_a_desk_and_a_phone_and_its_contents_lead_somewhere(tmp_path: Path) -> None:
    page = build_report(sweep(2), tmp_path, title="A sweep")
    text = page.read_text(encoding="utf-8")
    anchors = re.findall(r'href="#([^"]+)"', text)
    assert len(set(anchors)) > 10
    assert all(f'id="{anchor}"' in text for anchor in anchors)
    assert text.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]{40,}', text))
    for width in (1280, 390):
        # A frame has the width asked for, whatever the smallest window of the browser is.
        probe = tmp_path / f"probe{width}.html"
        inner = json.dumps(text).replace("</", "<\\/")
        probe.write_text(
            f"<iframe id=f style='width:{width}px;height:900px;border:0'></iframe><p id=r></p><script>"
            f"f.onload=()=>{{const d=f.contentDocument.documentElement;r.textContent='over:'+(d.scrollWidth-{width})}};"
            f"f.srcdoc={inner}</script>",
            encoding="utf-8",
        )
        command = [BROWSER or "", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom",
                   probe.as_uri()]  # fmt: skip
        dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
        found = re.search(r"over:(-?\d+)", dom)
        assert found, dom[-500:]
        assert int(found[1]) <= 0, width
