"""CUBE's side of the contract with the cognitive layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emcoop.envs.controllers import Cell, Meet, Move, Navigate, Wait
from emcoop.envs.cube.concepts import CONCEPTS
from emcoop.envs.cube.controllers import (
    MOVES,
    STAY,
    MoveToBlock,
    Push,
    destinations,
    side_of_direction,
    side_of_face,
)
from emcoop.envs.cube.env import CubeEnv
from emcoop.envs.cube.imagination import Seen, covered, known_world, merge_blocks
from emcoop.envs.cube.knowledge import Knowledge
from emcoop.envs.cube.manual import rules_text
from emcoop.envs.cube.tasks import TaskCounter, index_in, task_id
from emcoop.envs.cube.text import describe
from emcoop.envs.cube.view import Block, CubeView
from emcoop.envs.cube.world import OFF_BOARD
from emcoop.envs.embodiment import (
    NO_TASK,
    ActionCall,
    Controller,
    Failed,
    MeetingPoints,
    StepOutcome,
    TaskCount,
    fill_arguments,
)
from emcoop.rng import derive_seed

FAILED_PUSHES = ("insufficient_force", "blocked_destination", "contested_push")


class CubeEmbodiment:
    """A CUBE world as the cognitive layer uses it; see `Embodiment` and `docs/cube.md`.

    Args:
        env: The environment; it is stepped through this object from now on.
    """

    concepts = CONCEPTS
    noop = STAY
    moves = MOVES

    def __init__(self, env: CubeEnv) -> None:
        self.env = env
        self.n_agents = env.settings.n_agents
        self.max_steps = env.settings.max_steps
        self.size = env.settings.grid_size
        self.pad = env.world.pad
        self.meetings = MeetingPoints()

    # Episode -----------------------------------------------------------------------------------------------------

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> StepOutcome:
        """Start an episode; see `Embodiment.reset`."""
        from emcoop.envs.cube.bound import steps_lower_bound

        observations, infos = self.env.reset(seed=seed, options=options)
        world = self.env.world
        bound = steps_lower_bound(world.agents[0], world.blocks[0], world.weights[0], self.size)
        self._reference = {"steps_lower_bound": float(bound)}
        shape = world.occupancy.shape[1:]
        self.meetings = MeetingPoints()
        self._counter = TaskCounter(world, self.env.scratch)
        self._sight = self.env.sight
        self._revealed: set[int] = set()
        self._blind: dict[int, Knowledge] = {}
        self._absent: frozenset[int] = frozenset()
        owners = 1 if self._sight is None else self.n_agents
        self._knowledge = [Knowledge(self.n_agents, (shape[0], shape[1]), self.pad) for _ in range(owners)]
        self._memories: list[dict[int, Seen]] = [{} for _ in range(owners)]
        self._stuck: set[int] = set()
        self._previous = world.blocks[0].copy()
        self._look()
        objects = {f"block{b}": self._object(b) for b in range(world.n_blocks)}
        agents, cells = list(range(self.n_agents)), world.agents[0].tolist()
        stuck = self._newly_stuck()
        return StepOutcome(0.0, False, False, [], frozenset(), stuck, agents, cells, objects, observations, {}, infos)

    def step(self, actions: Sequence[int]) -> StepOutcome:
        """Take one joint primitive step; see `Embodiment.step`."""
        env, world = self.env, self.env.world
        before = world.agents[0].copy()
        self._previous = world.blocks[0].copy()
        if self._absent:
            actions = [STAY if i in self._absent else action for i, action in enumerate(actions)]
        observations, rewards, terminations, truncations, infos = env.step(dict(zip(env.agents, actions)))
        self._look()
        events = env.events
        moved = np.flatnonzero((before != world.agents[0]).any(axis=1)).tolist()
        shifted = np.flatnonzero((self._previous != world.blocks[0]).any(axis=1)).tolist()
        finished = [
            (f"block{e['block']}", "delivered", float(e["weight"]), e["agents"], "")
            for e in events
            if e["kind"] == "delivery"
        ]
        first = env.possible_agents[0]
        return StepOutcome(
            rewards[first],
            terminations[first],
            truncations[first],
            events,
            frozenset(
                task_id(block, side_of_direction(e["direction"]))
                for e in events
                if e["kind"] == "push"
                for block in e["blocks"]
            ),
            finished + self._newly_stuck(),
            moved,
            world.agents[0][moved].tolist(),
            {f"block{b}": self._object(b) for b in shifted},
            observations,
            rewards,
            infos,
        )

    def _object(self, block: int) -> list[int]:
        world = self.env.world
        return [*world.blocks[0, block].tolist(), int(world.weights[0, block]), int(world.delivered[0, block])]

    def _newly_stuck(self) -> list[tuple[str, str, float, list[int], str]]:
        """Report each block that can no longer be delivered, once, with the reason."""
        reports = []
        known = self._full_blocks
        for b, block in known.items():
            reason = self._truth.is_stuck(block) if b not in self._stuck else ""
            if reason:
                self._stuck.add(b)
                reports.append((f"block{b}", "stuck", 0.0, list[int](), reason))
        return reports

    def _look(self) -> None:
        """Refresh what everybody knows."""
        world, step = self.env.world, int(self.env.world.steps[0])
        cells: list[Cell] = [(row, col) for row, col in world.agents[0].tolist()]
        gone, weights = world.delivered[0].tolist(), world.weights[0].tolist()
        self._cells = cells
        self._full_blocks = {
            b: Block(row, col, weights[b]) for b, (row, col) in enumerate(world.blocks[0].tolist()) if not gone[b]
        }
        self._delivered = gone
        everyone = {i: cell for i, cell in enumerate(cells) if i not in self._absent}
        if self._sight is None:
            self._knowledge[0].refresh(step, world.occupancy[0], self._full_blocks, everyone)
        else:
            for i in range(self.n_agents):
                if i in self._blind:
                    self._remember(i)
                elif i in self._revealed:
                    self._knowledge[i].refresh(step, world.occupancy[0], self._full_blocks, everyone)
                else:
                    self._see(i, step, everyone)
        for agent, picture in self._blind.items():
            picture.keep(step, agent, cells[agent], gone)
        self._truth = self._knowledge[0].map(self.size) if self._sight is None else self._true_map(step, everyone)

    def _true_map(self, step: int, everyone: dict[int, Cell]) -> Any:
        from emcoop.envs.cube.view import CubeMap

        return CubeMap(self.size, step, self.n_agents, everyone, self._full_blocks)

    def _remember(self, agent: int) -> None:
        """Let one agent with limited sight, which sees nothing now, remember the blocks that are still there."""
        kept = self._memories[agent].items()
        self._memories[agent] = {b: seen for b, seen in kept if not self._delivered[b]}

    def _see(self, agent: int, step: int, everyone: dict[int, Cell]) -> None:
        """Update what one agent with limited sight knows: what it sees now, and blocks it remembers."""
        row, col = self._cells[agent]
        known, sight = self._knowledge[agent], self._sight
        assert sight is not None

        def near(r: int, c: int) -> bool:
            return max(abs(r - row), abs(c - col)) <= sight

        memory = {
            b: seen
            for b, seen in self._memories[agent].items()
            if not any(near(r, c) for r, c in covered(seen[1])) and not self._delivered[b]
        }
        for b, block in self._full_blocks.items():
            if any(near(r, c) for r, c in covered(block)):
                memory[b] = (step, block)
        self._memories[agent] = memory
        blocks = {b: block for b, (_, block) in sorted(memory.items())}
        agents = {i: cell for i, cell in everyone.items() if near(*cell)}
        occupancy = np.zeros_like(known.occupancy)
        occupancy[self.env.world.occupancy[0] == OFF_BOARD] = OFF_BOARD
        for b, block in blocks.items():
            y, x = block.row + self.pad, block.col + self.pad
            occupancy[y : y + block.weight, x : x + block.weight] = -(b + 1)
        for i, (r, c) in agents.items():
            occupancy[r + self.pad, c + self.pad] = i + 1
        known.refresh(step, occupancy, blocks, agents, {b: at for b, (at, _) in memory.items()})

    def _known(self, agent: int) -> Knowledge:
        if self._blind and agent in self._blind:
            return self._blind[agent]
        return self._knowledge[0 if self._sight is None else agent]

    # What planners see -------------------------------------------------------------------------------------------

    def view(self, agent: int, everything: bool = False) -> CubeView:
        """Return what this agent may know now, or everything (for privileged planners only)."""
        known = self._truth if everything else self._known(agent).map(self.size)
        return CubeView(known, agent, self.env.possible_agents[agent], describe)

    def reveal(self, agent: int) -> None:
        """Let an agent's own body know the whole map from now on."""
        if self._sight is not None and agent not in self._revealed:
            self._revealed.add(agent)
            self._look()

    def blindfold(self, agents: Sequence[int]) -> None:
        """Let these agents, and no others, see nothing from the next step on; see `Embodiment`."""
        self._blind = {agent: self._blind.get(agent) or self._picture(agent) for agent in agents}

    def _picture(self, agent: int) -> Knowledge:
        """Return a picture of its own for an agent: what it knows now."""
        known = self._known(agent)
        shape = known.occupancy.shape
        own = Knowledge(self.n_agents, (shape[0], shape[1]), self.pad)
        own.refresh(known.step, known.occupancy.copy(), dict(known.blocks), dict(known.agents))
        return own

    def learn(self, agents: Sequence[int], facts: Mapping[str, Any]) -> None:
        """Leave facts alone: what CUBE's bodies know they have seen."""

    # What controllers ask ----------------------------------------------------------------------------------------

    def position(self, agent: int) -> Cell:
        """Return the agent's own cell."""
        return self._cells[agent]

    def block(self, agent: int, index: int) -> Block | None:
        """Return a block as the agent knows it."""
        return self._known(agent).blocks.get(index)

    def is_delivered(self, index: int) -> bool:
        """Say whether a block has left the board."""
        return bool(self._delivered[index])

    def in_line(self, agent: int, index: int, side: int) -> bool:
        """Say whether the agent stands in line on a face."""
        return self._known(agent).in_line_behind(agent, side) == index

    def is_well_placed(self, agent: int, index: int, side: int) -> bool:
        """Say whether an agent in line on a face need not move on to let others in."""
        return self._known(agent).is_well_placed(agent, index, side)

    def face_field(self, agent: int, index: int, side: int, fresh: bool) -> NDArray[np.int32] | None:
        """Return distances to the free places on a face, None if it has none."""
        return self._known(agent).face_field(index, side, fresh)

    def way_out(self, agent: int, index: int, side: int) -> NDArray[np.int32] | None:
        """Return distances out of the way of a pushed block, None if the agent is not in it."""
        return self._known(agent).way_out(agent, index, side, self.size)

    def cell_field(self, agent: int, cells: Sequence[Cell], fresh: bool) -> NDArray[np.int32]:
        """Return distances to the nearest of some cells."""
        return self._known(agent).cell_field(cells, fresh)

    def distance(self, agent: int, field: NDArray[np.int32]) -> int:
        """Return the agent's own distance in a field."""
        row, col = self._cells[agent]
        return int(field[row + self.pad, col + self.pad])

    def seen_agent(self, agent: int, other: int) -> Cell | None:
        """Return where another agent is, None if it cannot be seen."""
        return self._known(agent).agents.get(other)

    def occupancy(self, agent: int) -> NDArray[np.int32]:
        """Return the padded board as the agent knows it."""
        return self._known(agent).occupancy

    def push_events(self, agent: int) -> list[dict[str, Any]]:
        """Return the failed pushes of the last step this agent took part in."""
        return [e for e in self.env.events if e["kind"] in FAILED_PUSHES and agent in e["agents"]]

    def controller(self, agent: int, call: ActionCall) -> Controller | Failed:
        """Return a controller for a call, or why there is none; see `Embodiment.controller`."""
        if agent in self._absent:
            return Failed("absent")
        concept = self.concepts.get(call.concept)
        if concept is None:
            return Failed("unknown_concept", {"got": call.concept, "known": sorted(self.concepts)})
        args = fill_arguments(concept, call.args)
        if isinstance(args, Failed):
            return args
        if "block" in args and args["block"] >= self.env.world.n_blocks:
            problem = f"there are blocks 0 to {self.env.world.n_blocks - 1}"
            return Failed("invalid_argument", {"concept": call.concept, "argument": "block", "problem": problem})
        return self._make(agent, call.concept, args)

    def _make(self, agent: int, concept: str, args: dict[str, Any]) -> Controller:
        if concept == "wait":
            return Wait(args["steps"], STAY)
        if concept == "move":
            return Move(self, agent, side_of_direction(args["direction"]), args["steps"])
        if concept == "navigate":
            target = args["target"]
            return Navigate(self, agent, target, lambda: destinations(self, agent, target, self.size), args["timeout"])
        if concept == "wait_agents":
            point = f"wait_agents:{args['count']}"
            return Meet(self.meetings, point, agent, args["count"], args["timeout"], STAY, lambda: None)
        block, side = args["block"], side_of_face(args["face"])
        if concept == "move_to_block":
            return MoveToBlock(self, agent, block, side, args["timeout"])
        if concept == "push":
            return Push(self, agent, block, side, args["steps"], args["timeout"])
        if concept == "yield_face":
            return Move(self, agent, side ^ 1, args["steps"])
        point = f"rendezvous:{task_id(block, side)}"

        def check() -> Failed | None:
            if self.is_delivered(block):
                return Failed("block_gone", {"block": block})
            return None if self.in_line(agent, block, side) else Failed("not_aligned", {"block": block})

        return Meet(self.meetings, point, agent, args["count"], args["timeout"], STAY, check)

    @property
    def rules(self) -> str:
        """The rules of this instance in words."""
        return rules_text(self.env.settings, self.env.sight)

    # What the judges read ----------------------------------------------------------------------------------------

    def task_of(self, call: ActionCall) -> str:
        """Return the face a call names, as a task."""
        block, face = call.args.get("block"), call.args.get("face")
        return NO_TASK if block is None or face is None else f"block{block}/{face}"

    def count(self, actions: Sequence[int], committed: Sequence[str]) -> list[TaskCount]:
        """Evaluate the constraints of every task somebody is committed to; see `Embodiment.count`."""
        return self._counter.count(actions, committed)

    def primitive(self, action: Any) -> int:
        """Return an action of the action space as the primitive it is."""
        return int(action)

    def progress(self) -> float:
        """Return the progress potential in [0, 1]."""
        return self.env.progress()

    def scores(self) -> tuple[float, float]:
        """Return score in [0, 1] and delivered weight."""
        return self.env.score, self.env.raw_score

    def state_hash(self) -> str:
        """Return the hash of the complete state."""
        return self.env.state_hash()

    def configuration_hash(self) -> str:
        """Return the hash of positions and deliveries only."""
        return self.env.configuration_hash()

    def reference(self) -> dict[str, float]:
        """Return the lower bound on steps to deliver everything."""
        return dict(self._reference)

    def check_fact(self, key: str, value: Any) -> bool | None:
        """Check `block<i>` (`[row, col]` or `delivered`) and `agent<i>` (`[row, col]`)."""
        for kind, known in (("block", len(self._delivered)), ("agent", self.n_agents)):
            index = index_in(key, kind)
            if 0 <= index < known:
                told = list(value) if isinstance(value, tuple) else value
                return bool(self._fact(kind, index) == told)
        return None

    def _fact(self, kind: str, index: int) -> Any:
        if kind == "agent":
            return list(self._cells[index])
        return "delivered" if self._delivered[index] else list(self._full_blocks[index][:2])

    def clone(self) -> CubeEmbodiment:
        """Return an independent copy of the world in the same state; what agents remember is not copied."""
        twin = self._twin(self.env.clone(), self._sight)
        twin._revealed = set(self._revealed)
        twin._look()
        return twin

    def imagine(self, agents: Sequence[int] | None, salt: int) -> CubeEmbodiment:
        """Return a world of its own that holds what these agents know together; see `Embodiment.imagine`.

        With the whole map in sight, and one of them that sees it, that is everything. Else agents they do not know of
        are not there and do nothing, and blocks they do not know are not there either, see
        `imagination.known_world`.
        """
        them = range(self.n_agents) if agents is None else agents
        eyes = [i for i in them if i not in self._blind]
        knows_all = agents is None or (bool(eyes) and (self._sight is None or not self._revealed.isdisjoint(eyes)))
        known = self._placed(them)
        world = self.env.world.clone() if knows_all else known_world(self.env.world, known, self._merge(them))
        twin = self._twin(self.env.over(world, derive_seed(salt, "imagine"), knows_all), None)
        if not knows_all:
            twin._absent = frozenset(range(self.n_agents)) - set(known)
            twin._reference, twin._stuck = {}, set()
        twin._look()
        return twin

    def _placed(self, group: Sequence[int]) -> dict[int, Cell]:
        """Return where agents are as far as a group knows together; what is seen counts more than old pictures."""
        old_first = sorted(group, key=lambda j: j not in self._blind)
        known = {i: cell for j in old_first for i, cell in self._known(j).agents.items()}
        if self._blind:
            known.update({j: self._cells[j] for j in group})
            at = {cell: i for i, cell in sorted(known.items(), key=lambda place: place[0] in group)}
            known = {i: cell for cell, i in at.items()}
        return known

    def _merge(self, agents: Sequence[int]) -> dict[int, Block]:
        """Return the blocks some agents without the whole board in sight know of together."""
        step, sight = int(self.env.world.steps[0]), self._sight
        cells = [self._cells[i] for i in agents if i not in self._blind]
        seen = list(self._placed(agents).values())
        if sight is None:
            memories = [{b: (step, block) for b, block in self._known(i).blocks.items()} for i in agents]
            return merge_blocks(memories, [], 0, step, seen)
        return merge_blocks([self._memories[i] for i in agents], cells, sight, step, seen)

    def _twin(self, env: CubeEnv, sight: int | None) -> CubeEmbodiment:
        """Return an embodiment around a copy of the environment in which nobody has looked yet."""
        twin = CubeEmbodiment(env)
        twin._reference, twin._sight, twin._revealed = self._reference, sight, set()
        twin._blind = {}
        twin._counter = TaskCounter(env.world, env.scratch)
        twin._stuck, twin._absent = set(self._stuck), self._absent
        twin._previous = env.world.blocks[0].copy()
        shape = env.world.occupancy.shape[1:]
        owners = 1 if sight is None else self.n_agents
        twin._knowledge = [Knowledge(self.n_agents, (shape[0], shape[1]), self.pad) for _ in range(owners)]
        twin._memories = [{} for _ in range(owners)]
        return twin
