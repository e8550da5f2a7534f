"""Monitors by name, and how planners answer them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import emcoop
from emcoop.cognitive_layer import monitors
from emcoop.cognitive_layer.memory import Memory
from emcoop.cognitive_layer.monitors import MonitorSpec, list_monitors, make_monitors
from emcoop.cognitive_layer.monitors.feasibility import Feasibility
from emcoop.cognitive_layer.plan import ActionCall, Notice, Plan, PlanningContext
from emcoop.cognitive_layer.planners.allocation import mend
from emcoop.cognitive_layer.stages import I
from emcoop.errors import ConfigError, UnknownNameError
from emcoop.registration import make_embodiment
from emcoop.trace import schema


class Silent:
    """A monitor that never objects."""

    name, privileged, cooldown = "silent", False, 5

    def check(self, world: Any, step: int, plans: Any) -> list[Any]:
        return []


# Names -----------------------------------------------------------------------------------------------------------


def test_monitors_are_listed_with_one_line_each() -> None:
    listed = list_monitors()
    assert {"feasibility", "feasibility_privileged"} <= set(listed)
    assert all(line and "\n" not in line for line in listed.values())
    assert emcoop.list_monitors() == listed


def test_monitors_are_made_from_names_mappings_and_objects() -> None:
    mine = Silent()
    made, plain = make_monitors(["feasibility", {"name": "feasibility_privileged", "cooldown": 7}, mine])
    assert [(m.name, m.privileged, m.cooldown) for m in made] == [
        ("feasibility", False, 20),
        ("feasibility_privileged", True, 7),
        ("silent", False, 5),
    ]
    assert made[2] is mine
    assert plain == [
        {"name": "feasibility"},
        {"name": "feasibility_privileged", "cooldown": 7},
        {"name": "object:Silent"},
    ]
    assert make_monitors(["feasibility"])[0][0] is not made[0], "every episode has its own"


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ("feasibility", "give a list of names"),
        (["feasable"], "did you mean 'feasibility'"),
        ([{"cooldown": 3}], "has no name"),
        ([{"name": "feasibility", "horizn": 3}], "did you mean 'horizon'"),
        ([{"name": "feasibility", "privileged": True}], "unknown option"),
        ([object()], "is no monitor, it lacks 'name'"),
    ],
)
def test_what_does_not_fit_is_refused(specs: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_monitors(specs)


def test_an_episode_is_marked_privileged_by_its_monitors() -> None:
    for name, privileged in (("feasibility", False), ("feasibility_privileged", True)):
        result = emcoop.run_episode("Cube-v0", n_agents=2, planner="greedy", max_steps=2, monitors=[name])
        episode = next(e for e in result.events if type(e) is schema.Episode)
        assert episode.privileged is privileged
        assert episode.monitors == [{"name": name}]


def test_third_parties_register_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    def plugins(group: str) -> dict[str, Callable[[], Any]]:
        assert group == "emcoop.monitors"
        return {
            "silent": lambda: Silent,
            "quiet": lambda: MonitorSpec("quiet", "says nothing", Silent),
            "feasibility": lambda: Silent,
        }

    monkeypatch.setattr(monitors, "plugins", plugins)
    made, _ = make_monitors(["silent", "quiet", "feasibility"])
    assert [type(m) for m in made] == [Silent, Silent, Feasibility], "nobody can register over a built-in name"
    assert list_monitors()["silent"] == "A monitor that never objects."
    with pytest.raises(UnknownNameError, match="quiet"):
        make_monitors(["quite"])


# Answers ---------------------------------------------------------------------------------------------------------


def told(agent: int, notices: list[Notice], task: str = "") -> PlanningContext:
    """Return what an agent of four knows that has been told something; blocks weigh 2, 2, 1 and 3."""
    world = make_embodiment("Cube-v0", n_agents=4, grid_size=24, blocks={1: 1, 2: 2, 3: 1})
    cells = [[4, 4], [14, 4], [15, 3], [20, 2]]
    world.reset(0, {"agents": cells, "blocks": [[9, 8, 1], [4, 8, 2], [14, 8, 2], [19, 9, 3]]})
    view = world.view(agent)
    plan = Plan(view.recipe(task, 2), task) if task else Plan((ActionCall("wait", {"steps": 3}),))
    return PlanningContext(I, 0, 99, 3, 0, view, (), plan, 0, None, (), Memory(), tuple(notices))


def notice(task: str, groups: dict[str, tuple[int, ...]], constraint: Any = "participation") -> Notice:
    return Notice("feasibility", task, constraint, 1, 2, groups[task], 0, groups)


def mended(groups: dict[str, tuple[int, ...]], task: str, **kwargs: Any) -> dict[int, str | None]:
    """Return the new task of everybody who is told, None for going on."""
    agents = sorted({agent for group in groups.values() for agent in group})
    given = {}
    for agent in agents:
        mine = next(name for name, group in groups.items() if agent in group)
        plan = mend(told(agent, [notice(task, groups, **kwargs)], mine))
        given[agent] = None if plan is None else plan.task
    return given


def test_those_told_work_out_the_same() -> None:
    assert mended({"block1/left": (0,), "block2/left": (1,)}, "block1/left") == {0: None, 1: "block1/left"}
    assert mended({"block1/left": (0,), "": (2,)}, "block1/left") == {0: None, 2: "block1/left"}
    assert mended({"block1/left": (0,), "block0/left": ()}, "block1/left") == {0: "block0/left"}


def test_without_a_way_out_they_go_on() -> None:
    assert mended({"block1/left": (0,)}, "block1/left") == {0: None}
    assert mend(told(0, [notice("block9/left", {"block9/left": (0,)})])) is None, "it knows of no such task"


def test_a_plan_that_will_not_work_is_made_anew_for_the_same_task() -> None:
    groups = {"block2/left": (1, 2)}
    assert mended(groups, "block2/left", constraint="temporal") == {1: "block2/left", 2: "block2/left"}
    assert mended(groups, "block2/left") == {1: None, 2: None}
