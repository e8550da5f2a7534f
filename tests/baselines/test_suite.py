"""Suite files: what they may say, what they are refused for, and the units they expand to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emcoop.baselines.estimate import estimate
from emcoop.baselines.expansion import MAX_UNITS, expand
from emcoop.baselines.suite import list_suites, load_suite, suite_from_data, suite_hash, with_planners
from emcoop.errors import ConfigError, UnknownNameError

BASE = {
    "name": "base",
    "environments": [{"id": "Cube-v0", "variants": [{}, {"grid_size": 30}]}],
    "team_sizes": [2, 4],
    "topologies": ["individual", {"name": "centralized", "leader": 0}],
    "planners": ["random", "team", ["greedy", "team"]],
    "regimes": {"open": {}, "matched": {"decisions_per_step": 2, "message_chars_per_step": 300}},
    "seeds": [3, 5],
    "max_steps": 50,
    "exclude": [{"planners": ["random"], "topologies": ["centralized(leader=0)"]}],
}


def build(**changes: object):
    return suite_from_data({k: v for k, v in {**BASE, **changes}.items() if v is not None}, "test.yaml")


def write(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_units_are_the_product_minus_the_exclusions():
    units = expand(build())
    assert len(units) == 2 * 2 * 2 * 2 * (3 * 2 - 1)  # variants, sizes, regimes, seeds, (planner, topology) pairs
    assert not [u for u in units if u.planner == "random" and u.topology != "individual"]
    assert {u.variant for u in units} == {"", "grid_size=30"}
    assert {u.planner for u in units} == {"random", "team", "greedy+team"}
    assert {u.seed for u in units} == {3, 5}


def test_a_unit_carries_what_its_episode_is_run_with():
    unit = next(u for u in expand(build()) if u.variant and u.regime == "matched" and "leader" in u.topology)
    assert unit.env_kwargs == {"grid_size": 30}
    assert unit.topology_spec == {"name": "centralized", "leader": 0}
    assert unit.budgets == {"decisions_per_step": 2, "message_chars_per_step": 300}
    assert unit.max_steps == 50


def test_budgets_of_a_regime_override_the_common_ones():
    suite = build(budgets={"decisions_per_step": 9, "decisions_total": 40})
    by_regime = {u.regime: u.budgets for u in expand(suite)}
    assert by_regime["open"] == {"decisions_per_step": 9, "decisions_total": 40}
    assert by_regime["matched"] == {"decisions_per_step": 2, "decisions_total": 40, "message_chars_per_step": 300}


def test_the_last_horizon_that_matches_gives_the_length():
    horizons = [
        {"where": {"team_sizes": [4]}, "max_steps": 80},
        {"where": {"team_sizes": [4], "regimes": ["matched"]}, "max_steps": 90},
    ]
    lengths = {(u.n_agents, u.regime): u.max_steps for u in expand(build(horizons=horizons))}
    assert lengths == {(2, "open"): 50, (2, "matched"): 50, (4, "open"): 80, (4, "matched"): 90}


def test_every_cell_gets_its_first_seed_before_any_gets_its_second():
    seeds = [unit.seed for unit in expand(build())]
    assert seeds == sorted(seeds)


def test_conditions_are_an_axis_and_say_what_the_episode_is_run_with():
    lossy = {"channel": {"loss": 0.2}, "monitors": ["feasibility"], "thinking_rounds": [1, 3]}
    conditions = {"clean": {}, "lossy": lossy, "slow": {"thinking_steps": {"tokens_per_step": 50}}}
    units = expand(build(conditions=conditions, exclude=[{"planners": ["random"], "conditions": ["lossy", "slow"]}]))
    assert len(units) == 2 * 2 * 2 * 2 * 2 * (3 * 3 - 2)
    settings = {u.condition: u.settings for u in units}
    assert settings == {"clean": {}, "lossy": lossy, "slow": {"thinking_steps": {"tokens_per_step": 50}}}
    assert {u.condition for u in units if u.planner == "random"} == {"clean"}
    assert len({u.cell for u in units}) == len(units) / 2


def test_horizons_may_depend_on_the_condition():
    horizons = [{"where": {"conditions": ["slow"]}, "max_steps": 90}]
    units = expand(build(conditions={"slow": {}, "quick": {}}, horizons=horizons))
    assert {(u.condition, u.max_steps) for u in units} == {("slow", 90), ("quick", 50)}


def test_a_suite_without_conditions_keeps_its_units_and_their_ids():
    units = expand(build())
    assert {(u.condition, str(u.settings)) for u in units} == {("", "{}")}
    # Folders begun with an earlier version must stay resumable.
    assert units[0].id == "Cube-v0_n0004_individual_random_open_s003_6d2b72d5"


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(st.text("aZ09/:é _-.", min_size=1, max_size=60), min_size=1, max_size=4, unique=True),
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=3, unique=True),
)
def test_ids_are_unique_and_safe_as_file_names(names: list[str], sizes: list[int]):
    ids = [unit.id for unit in expand(build(planners=names, team_sizes=sizes, exclude=None))]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,230}", text) for text in ids)


def test_ids_do_not_depend_on_the_rest_of_the_suite():
    larger = {unit.id for unit in expand(build())}
    smaller = {unit.id for unit in expand(build(name="other", team_sizes=[4], seeds=[5]))}
    assert smaller < larger


def test_the_hash_ignores_layout_and_written_out_defaults_but_no_content(tmp_path: Path):
    text = (
        "name: a\nenvironments: [{id: Cube-v0}]\nteam_sizes: [2]\ntopologies: [individual]\n"
        "planners: [random]\nregimes: {open: {}}\nseeds: [0]\nmax_steps: 9\n"
    )
    one = suite_hash(load_suite(write(tmp_path, text)))
    reordered = "# a comment\n" + "\n".join(reversed(text.splitlines()))
    assert suite_hash(load_suite(write(tmp_path, reordered))) == one
    assert suite_hash(load_suite(write(tmp_path, text + "exclude: []\ndescription: ''\n"))) == one
    assert suite_hash(load_suite(write(tmp_path, text.replace("max_steps: 9", "max_steps: 8")))) != one
    assert one.startswith("7c431488fb67")  # folders begun with an earlier version must stay resumable


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sedes": [1]}, "did you mean 'seeds'"),
        ({"environments": [{"id": "Cube-v0", "varients": []}]}, "did you mean 'variants'"),
        ({"regimes": {"matched": {"decision_per_step": 1}}}, "did you mean 'decisions_per_step'"),
        ({"seeds": {"strat": 0, "count": 1}}, "did you mean 'start'"),
        ({"exclude": [{"planner": ["random"]}]}, "did you mean 'planners'"),
        ({"seeds": None}, "missing required field `seeds`"),
        ({"team_sizes": [2, "four"]}, "$.team_sizes[1]"),
        ({"team_sizes": [0]}, "`int` >= 1"),
        ({"team_sizes": []}, "length >= 1"),
        ({"seeds": [-1]}, "$.seeds"),
        ({"name": "Not A Name"}, "$.name"),
        ({"name": "../up"}, "$.name"),
        ({"regimes": {"opne": {}}}, "did you mean 'open'"),
        ({"regimes": {"matched": {"decisions_per_step": 2}}}, "without message_chars_per_step"),
        ({"planners": ["random", "random"]}, "lists 'random' twice under planners"),
        ({"seeds": [1, 1]}, "lists 1 twice under seeds"),
        ({"planners": [{"nam": "random"}]}, "a mapping with `name`"),
        ({"topologies": [["individual"]]}, "give a name or a mapping"),
        ({"exclude": [{"planners": ["rondom"]}]}, "did you mean 'random'"),
        ({"exclude": [{"team_sizes": [16]}]}, "known are 2, 4"),
        ({"exclude": [{}]}, "names no cells"),
        ({"conditions": {"lossy": {"chanel": {}}}}, "did you mean 'channel'"),
        ({"conditions": {"Lossy One": {}}}, "$.conditions"),
        ({"exclude": [{"conditions": ["lossy"]}]}, "entry of conditions"),
    ],
)
def test_a_suite_that_does_not_fit_is_refused_with_the_entry_named(changes: dict[str, object], says: str):
    with pytest.raises(ConfigError) as caught:
        build(**changes)
    assert says in str(caught.value)
    assert "test.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "not a mapping"),
        ("a: [1", "not valid YAML"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("name: a\nname: b\n", "'name' appears twice"),
        ("a: !!python/object/apply:os.getcwd []\n", "python/object"),
        ("a: .nan\n", "nan"),
        ("a: 2020-01-01\n", "datetime.date"),
        ("a: " + "[" * 3000 + "]" * 3000, "cannot be read"),
        ("a: " + "[" * 30 + "]" * 30, "nested deeper than 20"),
        ("a: '" + "x" * (1 << 20) + "'\n", "larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_not_plain_yaml_is_refused(tmp_path: Path, text: str, says: str):
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_suite(write(tmp_path, text))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot read"):
        load_suite(tmp_path / "nowhere.yaml")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_suite(path)


def test_an_unknown_suite_name_gets_the_nearest_match():
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        load_suite("quik")


def test_a_suite_that_is_too_large_or_empty_is_refused():
    with pytest.raises(ConfigError, match=f"at most {MAX_UNITS}"):
        expand(build(seeds={"start": 0, "count": 100_000}))
    with pytest.raises(ConfigError, match="nothing is left"):
        expand(build(exclude=[{"team_sizes": [2]}, {"team_sizes": [4]}]))


def test_shipped_suites_load_under_their_own_name():
    suites = list_suites()
    assert {"quick", "smoke", "local-model"} <= set(suites)
    for name, description in suites.items():
        assert load_suite(name).name == name
        assert description
        assert expand(load_suite(name))


def test_quick_runs_team_everywhere_and_silent_planners_once():
    units = expand(load_suite("quick"))
    cells = {(u.planner, u.topology, u.regime) for u in units}
    topologies = {"individual", "centralized", "debate", "decentralized"}
    assert {c for c in cells if c[0] == "team"} == {("team", t, r) for t in topologies for r in ("open", "matched")}
    assert {c for c in cells if c[0] != "team"} == {(p, "individual", "open") for p in ("random", "greedy", "oracle")}
    assert {u.n_agents for u in units} >= {2, 4, 8}
    assert {u.seed for u in units} == set(range(5))


def test_matched_budgets_are_the_same_for_all_topologies():
    budgets = {str(u.budgets) for u in expand(load_suite("quick")) if u.regime == "matched"}
    assert len(budgets) == 1


def test_other_planners_keep_their_exclusions_and_change_the_hash_and_the_name():
    quick = load_suite("quick")
    greedy = with_planners(quick, ["greedy"])
    assert {u.topology for u in expand(greedy)} == {"individual"}
    mine = with_planners(quick, ["llm:openai/gpt-4o-mini"])
    assert len({u.cell for u in expand(mine)}) == (4 + 2) * 4 * 2
    assert mine.name == "quick-llm-openai-gpt-4o-mini"
    assert len({suite_hash(suite) for suite in (quick, greedy, mine)}) == 3


def test_the_estimate_counts_and_bounds_decisions():
    cost = estimate(expand(build(planners=["team"], exclude=None, seeds=[0])))
    assert (cost.cells, cost.episodes) == (16, 16)
    per_agent = 2 * 2 * (50 + 2 * 50)  # variants, topologies, (open: 1 a step, matched: 2 a step)
    assert cost.decisions == per_agent * (2 + 4)
    assert (cost.tokens, cost.usd) == (0, 0.0)
