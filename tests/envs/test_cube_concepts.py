"""Action concepts of CUBE: how each ends well, and every typed reason for which it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import emcoop
from emcoop.envs.cube.concepts import CONCEPTS
from emcoop.envs.embodiment import Failed
from emcoop.registration import make_embodiment
from emcoop.trace import schema

Cell = tuple[int, int]
SIZE = 12
APART = (10, 8, 1)
AT = {"block": 0, "face": "left"}


def run(
    scripts: Sequence[Sequence[tuple[str, Mapping[str, Any]]]],
    agents: Sequence[Cell],
    blocks: Sequence[tuple[int, int, int]] = (APART,),
    max_steps: int = 60,
    **env_kwargs: Any,
) -> Any:
    """Let scripted agents carry out their calls on an explicit board."""
    return emcoop.run_episode(
        "Cube-v0",
        n_agents=len(agents),
        planner={"name": "scripted", "calls": [[list(entry) for entry in script] for script in scripts]},
        max_steps=max_steps,
        env_kwargs={"grid_size": SIZE, "blocks": {1: 1}, **env_kwargs},
        options={"agents": [list(cell) for cell in agents], "blocks": [list(block) for block in blocks]},
    )


def ends(result: Any, agent: int = 0) -> list[tuple[int, str, str]]:
    """Return `(step, concept, outcome)` of the scripted calls; the wait for the rest of the episode is left out."""
    assert result.status == "completed", result.error
    return [
        (event.t, concept, outcome)
        for event in result.events
        if isinstance(event, schema.Action)
        for who, concept, outcome in zip(event.agents, event.concepts, event.outcomes)
        if who == agent and outcome != "start"
    ]


def first(result: Any, agent: int = 0) -> tuple[str, str]:
    _, concept, outcome = ends(result, agent)[0]
    return concept, outcome


def places(result: Any, agent: int = 0) -> list[Cell]:
    """Return where an agent was after each step, the start first."""
    cell, way = None, []
    for event in result.events:
        if isinstance(event, schema.World) and agent in event.agents:
            cell = tuple(event.to[event.agents.index(agent)])
        if isinstance(event, schema.Step):
            way.append(cell)
    return way


def block_places(result: Any, block: int = 0) -> list[tuple[int, int]]:
    found, way = None, []
    for event in result.events:
        if isinstance(event, schema.World) and f"block{block}" in event.objects:
            found = tuple(event.objects[f"block{block}"][:2])
        if isinstance(event, schema.Step):
            way.append(found)
    return way


# move --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("direction", "end"), [("up", (3, 5)), ("down", (7, 5)), ("left", (5, 3)), ("right", (5, 7))])
def test_move_goes_so_many_cells(direction: str, end: Cell) -> None:
    result = run([[("move", {"direction": direction, "steps": 2})]], [(5, 5)])
    assert ends(result)[0] == (2, "move", "done")
    assert places(result)[2] == end


def test_move_one_cell_unless_told_otherwise() -> None:
    assert places(run([[("move", {"direction": "right"})]], [(5, 5)]))[-1] == (5, 6)


def test_move_is_blocked_by_a_wall_after_some_patience() -> None:
    result = run([[("move", {"direction": "up", "steps": 3})]], [(1, 0)])
    step, concept, outcome = ends(result)[0]
    assert (concept, outcome) == ("move", "failed:blocked")
    assert step > 3
    assert places(result)[-1] == (0, 0)


def test_move_waits_for_somebody_who_gets_out_of_the_way() -> None:
    waits = [("wait", {"steps": 3}), ("move", {"direction": "up", "steps": 1})]
    result = run([[("move", {"direction": "right", "steps": 2})], waits], [(5, 5), (5, 6)])
    assert first(result) == ("move", "done")
    assert places(result)[-1] == (5, 7)


# navigate ----------------------------------------------------------------------------------------------------


def test_navigate_to_a_cell_takes_the_shortest_way() -> None:
    result = run([[("navigate", {"target": [2, 9]})]], [(5, 5)])
    assert ends(result)[0] == (7, "navigate", "done")
    assert places(result)[7] == (2, 9)


def test_navigate_goes_around_a_block() -> None:
    result = run([[("navigate", {"target": [5, 9]})]], [(5, 4)], [(4, 5, 3)])
    assert first(result) == ("navigate", "done")
    assert places(result)[-1] == (5, 9)


def test_navigate_to_the_goal_column() -> None:
    result = run([[("navigate", {"target": "goal"})]], [(5, 5)])
    assert ends(result)[0] == (6, "navigate", "done")
    assert places(result)[6] == (5, SIZE - 1)


def test_navigate_to_an_agent_ends_next_to_it() -> None:
    result = run([[("navigate", {"target": 1})], []], [(5, 5), (2, 2)])
    assert ends(result)[0] == (5, "navigate", "done")
    row, col = places(result)[5]
    assert abs(row - 2) + abs(col - 2) == 1


def test_navigate_to_an_agent_behind_a_block_comes_from_the_other_side() -> None:
    result = run([[("navigate", {"target": 1})], []], [(5, 0), (5, 7)], [(4, 4, 3)])
    assert first(result) == ("navigate", "done")
    row, col = places(result)[-1]
    assert abs(row - 5) + abs(col - 7) == 1


@pytest.mark.parametrize(
    ("target", "blocks"),
    [
        ([5, 40], [APART]),
        ([10, 8], [APART]),
        (7, [APART]),
        ([9, 9], [(0, 1, 1), (1, 0, 1)]),
        ("goal", [(0, 1, 1), (1, 0, 1)]),
    ],
    ids=["off the board", "inside a block", "no such agent", "walled in", "walled in from the goal"],
)
def test_navigate_finds_no_path(target: Any, blocks: list[tuple[int, int, int]]) -> None:
    result = run([[("navigate", {"target": target})]], [(0, 0)], blocks)
    assert ends(result)[0] == (0, "navigate", "failed:no_path")


def test_navigate_to_an_agent_out_of_sight_finds_no_path() -> None:
    result = run([[("navigate", {"target": 1})], []], [(0, 0), (9, 9)], sight=3)
    assert ends(result)[0] == (0, "navigate", "failed:no_path")


def test_navigate_gives_up_in_time() -> None:
    result = run([[("navigate", {"target": [5, 11], "timeout": 4})]], [(5, 0)])
    assert ends(result)[0] == (4, "navigate", "failed:timeout")


# move_to_block -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("face", "beside"),
    [("left", {(4, 3), (5, 3)}), ("right", {(4, 6), (5, 6)}), ("top", {(3, 4), (3, 5)}), ("bottom", {(6, 4), (6, 5)})],
)
def test_move_to_block_ends_at_the_face(face: str, beside: set[Cell]) -> None:
    result = run([[("move_to_block", {"block": 0, "face": face})]], [(0, 0)], [(4, 4, 2)])
    assert first(result) == ("move_to_block", "done")
    assert places(result)[-1] in beside


def test_more_agents_than_a_face_has_cells_line_up() -> None:
    go = [("move_to_block", AT)]
    result = run([go] * 3, [(0, 0), (1, 0), (2, 0)], [(5, 5, 1)])
    assert [first(result, agent) for agent in range(3)] == [("move_to_block", "done")] * 3
    assert {places(result, agent)[-1] for agent in range(3)} == {(5, 4), (5, 3), (5, 2)}


def test_move_to_block_finds_the_face_full() -> None:
    result = run([[("move_to_block", AT)], []], [(8, 8), (5, 0)], [(5, 1, 1)])
    step, *what = ends(result)[0]
    assert what == ["move_to_block", "failed:face_full"]
    assert step > 10, "it waits for a place first"


def test_move_to_block_takes_a_place_that_becomes_free() -> None:
    leave = [("wait", {"steps": 6}), ("move", {"direction": "down", "steps": 2})]
    result = run([[("move_to_block", AT)], leave], [(8, 8), (5, 0)], [(5, 1, 1)])
    assert first(result) == ("move_to_block", "done")
    assert places(result)[-1] == (5, 0)


def test_move_to_block_finds_no_path() -> None:
    result = run([[("move_to_block", AT)]], [(0, 0)], [(5, 5, 1), (0, 1, 1), (1, 0, 1)])
    assert first(result) == ("move_to_block", "failed:no_path")


def test_move_to_a_block_never_seen_finds_no_path() -> None:
    result = run([[("move_to_block", AT)]], [(0, 0)], [(9, 9, 1)], sight=3)
    assert ends(result)[0] == (0, "move_to_block", "failed:no_path")


DELIVERED_AFTER_ONE_STEP = ([("push", {**AT, "steps": 1})], (5, 9), (5, 10, 1))
"""A script, the agent's cell and the block it delivers in its first step."""


@pytest.mark.parametrize(
    ("concept", "args"),
    [("move_to_block", AT), ("rendezvous", {**AT, "count": 1}), ("push", {**AT, "steps": 1})],
    ids=["move_to_block", "rendezvous", "push"],
)
def test_the_block_is_gone(concept: str, args: Mapping[str, Any]) -> None:
    deliver, cell, block = DELIVERED_AFTER_ONE_STEP
    result = run([[("wait", {"steps": 2}), (concept, args)], deliver], [(0, 0), cell], [block, APART])
    assert ends(result)[1] == (2, concept, "failed:block_gone")


def test_the_block_goes_while_somebody_is_on_its_way_or_waits() -> None:
    deliver, cell, block = DELIVERED_AFTER_ONE_STEP
    result = run([[("move_to_block", AT)], deliver], [(0, 0), cell], [block, APART])
    assert ends(result)[0] == (1, "move_to_block", "failed:block_gone")
    result = run([[("rendezvous", {**AT, "count": 3})], deliver], [(5, 8), cell], [block, APART])
    assert ends(result)[0] == (1, "rendezvous", "failed:block_gone")


def test_move_to_block_gives_up_in_time() -> None:
    result = run([[("move_to_block", {**AT, "timeout": 3})]], [(0, 0)], [(5, 8, 1)])
    assert ends(result)[0] == (3, "move_to_block", "failed:timeout")


# rendezvous --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_rendezvous_releases_all_in_the_same_step(late: int) -> None:
    meet = [("rendezvous", {**AT, "count": 3})]
    scripts: list[Any] = [meet] * 3
    cells = [(5, 4), (6, 4), (7, 4)]
    scripts[late] = [("move", {"direction": "right", "steps": 4}), *meet]
    cells[late] = (5 + late, 0)
    result = run(scripts, cells, [(5, 5, 3)])
    assert {ends(result, agent)[1 if agent == late else 0] for agent in range(3)} == {(4, "rendezvous", "done")}


def test_a_rendezvous_of_one_is_over_at_once() -> None:
    result = run([[("rendezvous", {**AT, "count": 1}), ("move", {"direction": "up"})]], [(5, 4)], [(5, 5, 2)])
    assert ends(result)[0] == (0, "rendezvous", "done")


def test_a_rendezvous_gives_up_in_time() -> None:
    result = run([[("rendezvous", {**AT, "count": 2, "timeout": 5})]], [(5, 4)], [(5, 5, 2)])
    assert ends(result)[0] == (5, "rendezvous", "failed:timeout")


def test_those_at_another_face_do_not_count() -> None:
    below = [("rendezvous", {"block": 0, "face": "bottom", "count": 2, "timeout": 5})]
    result = run([[("rendezvous", {**AT, "count": 2, "timeout": 5})], below], [(5, 4), (7, 5)], [(5, 5, 2)])
    assert first(result, 0) == first(result, 1) == ("rendezvous", "failed:timeout")


def test_a_rendezvous_needs_a_place_in_line() -> None:
    result = run([[("rendezvous", {**AT, "count": 1})]], [(0, 0)], [(5, 5, 2)])
    assert ends(result)[0] == (0, "rendezvous", "failed:not_aligned")


def test_an_agent_that_loses_its_line_is_no_longer_aligned() -> None:
    leave = [("wait", {"steps": 2}), ("move", {"direction": "up"})]
    result = run([[("rendezvous", {**AT, "count": 3})], leave], [(5, 3), (5, 4)], [(5, 5, 2)])
    assert ends(result)[0] == (3, "rendezvous", "failed:not_aligned")


# push --------------------------------------------------------------------------------------------------------


def test_push_moves_the_block_so_far() -> None:
    result = run([[("push", {**AT, "steps": 3})]], [(5, 4)], [(5, 5, 1)])
    assert ends(result)[0] == (3, "push", "done")
    assert block_places(result)[3:5] == [(5, 8), (5, 8)]


@pytest.mark.parametrize(
    ("face", "agent", "end"),
    [("left", (5, 4), (5, 7)), ("right", (5, 6), (5, 3)), ("top", (4, 5), (7, 5)), ("bottom", (6, 5), (3, 5))],
)
def test_push_works_on_every_face(face: str, agent: Cell, end: Cell) -> None:
    result = run([[("push", {"block": 0, "face": face, "steps": 2})]], [agent], [(5, 5, 1)])
    assert ends(result)[0] == (2, "push", "done")
    assert block_places(result)[-1] == end


def test_push_is_done_when_the_block_is_delivered() -> None:
    result = run([[("push", {**AT, "steps": 9})]], [(5, 7)], [(5, 8, 1), APART])
    assert ends(result)[0] == (3, "push", "done")
    assert result.raw_score == 1


def test_push_lacks_force() -> None:
    result = run([[("push", {**AT, "steps": 1})]], [(5, 4)], [(5, 5, 2)])
    step, *what = ends(result)[0]
    assert what == ["push", "failed:insufficient_force"]
    assert step > 3, "it keeps trying for a while"


def test_push_succeeds_when_help_comes_in_time() -> None:
    late = [("wait", {"steps": 4}), ("push", {**AT, "steps": 1})]
    result = run([[("push", {**AT, "steps": 1})], late], [(5, 4), (6, 4)], [(5, 5, 2)])
    assert ends(result)[0] == (5, "push", "done")


@pytest.mark.parametrize(
    ("blocks", "agents", "face"),
    [
        ([(0, 5, 1)], [(1, 5)], "bottom"),
        ([(5, 5, 1)], [(5, 4), (5, 6)], "left"),
        ([(5, 0, 1)], [(5, 1)], "right"),
    ],
    ids=["wall above", "agent ahead", "wall to the left"],
)
def test_push_is_blocked(blocks: Any, agents: Any, face: str) -> None:
    scripts: list[Any] = [[("push", {"block": 0, "face": face, "steps": 1})], *[[]] * (len(agents) - 1)]
    assert first(run(scripts, agents, blocks)) == ("push", "failed:blocked_destination")


def test_push_needs_contact() -> None:
    result = run([[("push", {**AT, "steps": 1})]], [(0, 0)], [(5, 5, 1)])
    step, *what = ends(result)[0]
    assert what == ["push", "failed:not_in_contact"]
    assert step < 6


def test_push_ends_when_its_time_is_over() -> None:
    result = run([[("push", {**AT, "steps": 5, "timeout": 3})]], [(5, 1)], [(5, 2, 1)])
    assert ends(result)[0] == (3, "push", "failed:timeout")


def test_the_numbers_behind_a_failed_push_are_told() -> None:
    seen = []

    class Reader:
        immediate = True

        def reset(self, setup: Any) -> None:
            pass

        async def decide(self, context: Any) -> Any:
            from emcoop.cognitive_layer.plan import ActionCall, Decision, Plan

            if context.last is not None:
                seen.append(dict(context.last.detail))
                return Decision(Plan((ActionCall("wait", {"steps": 99}),)))
            return Decision(Plan((ActionCall("push", {**AT, "steps": 1}),)))

    emcoop.run_episode(
        "Cube-v0", n_agents=1, planner=Reader(), max_steps=30, env_kwargs={"grid_size": SIZE, "blocks": {1: 1}},
        options={"agents": [[5, 4]], "blocks": [[5, 5, 3]]},
    )  # fmt: skip
    assert seen == [{"have": 1, "need": 3, "moved": 0}]


# yield_face, wait, wait_agents -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("face", "agent", "end"),
    [("left", (5, 4), (5, 2)), ("right", (5, 6), (5, 8)), ("top", (4, 5), (2, 5)), ("bottom", (6, 5), (8, 5))],
)
def test_yield_face_steps_back(face: str, agent: Cell, end: Cell) -> None:
    result = run([[("yield_face", {"block": 0, "face": face})]], [agent], [(5, 5, 1)])
    assert ends(result)[0] == (2, "yield_face", "done")
    assert places(result)[-1] == end


def test_yield_face_is_blocked() -> None:
    result = run([[("yield_face", AT)], []], [(5, 4), (5, 3)], [(5, 5, 1)])
    assert first(result) == ("yield_face", "failed:blocked")


@pytest.mark.parametrize("steps", [1, 4])
def test_wait_stays_so_long(steps: int) -> None:
    result = run([[("wait", {"steps": steps})]], [(5, 5)])
    assert ends(result)[0] == (steps, "wait", "done")
    assert set(places(result)) == {(5, 5)}


def test_wait_agents_releases_all_in_the_same_step() -> None:
    meet = [("wait_agents", {"count": 2})]
    result = run([meet, [("wait", {"steps": 3}), *meet], []], [(0, 0), (5, 5), (9, 9)])
    assert ends(result, 0)[0] == (3, "wait_agents", "done")
    assert ends(result, 1)[1] == (3, "wait_agents", "done")


def test_wait_agents_gives_up_in_time() -> None:
    result = run([[("wait_agents", {"count": 2, "timeout": 4})], []], [(0, 0), (5, 5)])
    assert ends(result)[0] == (4, "wait_agents", "failed:timeout")


# What a plan may say -----------------------------------------------------------------------------------------


def test_an_unknown_concept() -> None:
    assert ends(run([[("fly", {"to": "goal"})]], [(0, 0)]))[0] == (0, "fly", "failed:unknown_concept")


@pytest.mark.parametrize(
    ("concept", "args"),
    [
        ("move", {}),
        ("move", {"direction": "north"}),
        ("move", {"direction": "up", "steps": 0}),
        ("move", {"direction": "up", "steps": 1.0}),
        ("move", {"direction": "up", "steps": True}),
        ("move", {"direction": "up", "speed": 2}),
        ("navigate", {}),
        ("navigate", {"target": "home"}),
        ("navigate", {"target": [1]}),
        ("navigate", {"target": [1, -1]}),
        ("navigate", {"target": [1, 2], "timeout": 0}),
        ("move_to_block", {"block": 0}),
        ("move_to_block", {"block": 1, "face": "left"}),
        ("move_to_block", {"block": -1, "face": "left"}),
        ("move_to_block", {"block": 0, "face": "front"}),
        ("rendezvous", {**AT}),
        ("rendezvous", {**AT, "count": 0}),
        ("push", {**AT}),
        ("push", {**AT, "steps": 10_001}),
        ("push", {"block": 5, "face": "left", "steps": 1}),
        ("yield_face", {"face": "left"}),
        ("wait", {"steps": "two"}),
        ("wait", {"steps": None}),
        ("wait_agents", {}),
        ("wait_agents", {"count": [2]}),
    ],
)
def test_an_invalid_argument(concept: str, args: dict[str, Any]) -> None:
    result = run([[(concept, args)]], [(5, 3)], [(5, 5, 1)])
    assert ends(result)[0] == (0, concept, "failed:invalid_argument")


def test_the_reason_names_argument_and_problem() -> None:
    from emcoop.envs.embodiment import ActionCall

    world = make_embodiment("Cube-v0", n_agents=2)
    world.reset(0)
    failed = world.controller(0, ActionCall("push", {"block": 99, "face": "left", "steps": 1}))
    assert isinstance(failed, Failed)
    assert failed.reason == "invalid_argument"
    assert failed.detail == {"concept": "push", "argument": "block", "problem": "there are blocks 0 to 2"}
    failed = world.controller(0, ActionCall("move", {"direction": "north"}))
    assert isinstance(failed, Failed)
    assert (failed.detail["argument"], failed.detail["concept"]) == ("direction", "move")
    failed = world.controller(0, ActionCall("fly"))
    assert isinstance(failed, Failed)
    assert failed.detail == {"got": "fly", "known": sorted(CONCEPTS)}


def test_every_concept_states_its_reasons_and_a_schema() -> None:
    reasons = {
        "move": {"blocked"},
        "navigate": {"no_path", "timeout"},
        "move_to_block": {"face_full", "no_path", "block_gone", "timeout"},
        "rendezvous": {"timeout", "not_aligned", "block_gone"},
        "push": {"insufficient_force", "blocked_destination", "not_in_contact", "block_gone", "timeout"},
        "yield_face": {"blocked"},
        "wait": set(),
        "wait_agents": {"timeout"},
    }
    assert set(CONCEPTS) == set(reasons)
    for name, concept in CONCEPTS.items():
        assert all(f"`{reason}`" in concept.description for reason in reasons[name]), name
        described = concept.json_schema()
        assert set(described["required"]) <= set(described["properties"]) == set(concept.arguments)
        assert described["additionalProperties"] is False
