"""MA-Crafter's side of the contract with the cognitive layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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
from emcoop.envs.ma_crafter import rules as r
from emcoop.envs.ma_crafter import world as w
from emcoop.envs.ma_crafter.bodies import Bodies
from emcoop.envs.ma_crafter.concepts import CONCEPTS
from emcoop.envs.ma_crafter.controllers import make_controller
from emcoop.envs.ma_crafter.env import MACrafterEnv
from emcoop.envs.ma_crafter.gains import capability_changes
from emcoop.envs.ma_crafter.imagination import fill_memories, know_together, known_world, restart_chance
from emcoop.envs.ma_crafter.knowledge import Knowledge
from emcoop.envs.ma_crafter.manual import rules_text
from emcoop.envs.ma_crafter.surroundings import find_changes
from emcoop.envs.ma_crafter.tasks import TaskCounter
from emcoop.envs.ma_crafter.text import describe
from emcoop.envs.ma_crafter.view import CrafterView, task_name
from emcoop.rng import derive_seed


class MACrafterEmbodiment:
    """An MA-Crafter world as the cognitive layer uses it; see `Embodiment` and `docs/ma-crafter.md`.

    Args:
        env: The environment; it is stepped through this object from now on.
    """

    concepts = CONCEPTS
    noop = r.NOOP

    def __init__(self, env: MACrafterEnv) -> None:
        self.env = env
        self.n_agents = env.settings.n_agents
        self.max_steps = env.settings.max_steps
        self.meetings = MeetingPoints()

    # Episode ---------------------------------------------------------------------------------------------------------

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> StepOutcome:
        """Start an episode; see `Embodiment.reset`."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._begin()
        self._known.look()
        everybody = list(range(self.n_agents))
        cells = self.env.world.agents()[:, [w.ROW, w.COL]].tolist()
        objects = {f"agent{i}": self._object(i) for i in everybody}
        return StepOutcome(0.0, False, False, [], frozenset(), [], everybody, cells, objects, observations, {}, infos)

    def _begin(self) -> None:
        """Make what one episode needs around its world, in which nobody has looked yet."""
        self.meetings = MeetingPoints()
        self._known = Knowledge(self.env.world)
        self._moved, self._changed = np.zeros((2, self.n_agents), np.bool_)
        self._everything: Knowledge | None = None
        self._bodies = Bodies(self.env.world, self._known, lambda: self.env.events, self.meetings)
        self._counter = TaskCounter(self.env.world, self._known)

    def step(self, actions: Sequence[int]) -> StepOutcome:
        """Take one joint step; an action from `len(ACTIONS)` on is a share with its register (`rules.share_code`)."""
        env, world = self.env, self.env.world
        agents, bags = world.agents().copy(), world.bags().copy()
        living = {name: self._plain(i, actions[i]) for i, name in self._names()}
        observations, rewards, _, truncations, infos = env.step(living)
        self._known.look()
        self._everything = None
        events = env.events
        find_changes(agents, world.agents(), bags, world.bags(), self._moved, self._changed)
        moved, changed = np.flatnonzero(self._moved).tolist(), np.flatnonzero(self._changed).tolist()
        harvests = [event for event in events if event["kind"] == "collect"]
        makes = [event for event in events if event["kind"] == "make"]
        finished = [
            (_task(e), "harvested", float(e["points"]), list(e["agents"]), "") for e in harvests if e["points"] > 0
        ]
        over = not env.agents
        truncated = over and any(truncations.values())
        return StepOutcome(
            next(iter(rewards.values()), 0.0) * len(rewards) / self.n_agents,
            over and not truncated,
            truncated,
            events,
            frozenset([*map(_task, harvests), *(f"make_{event['item']}" for event in makes)]),
            finished,
            moved,
            [list(self._known.now.places[i]) for i in moved],
            {f"agent{i}": self._object(i) for i in changed},
            observations,
            rewards,
            infos,
            capability_changes(world.bags() - bags, changed, events),
        )

    def _names(self) -> list[tuple[int, str]]:
        """Return index and name of the agents still in the episode."""
        there = set(self.env.agents)
        return [(i, name) for i, name in enumerate(self.env.possible_agents) if name in there]

    def _plain(self, agent: int, action: int) -> Any:
        """Set the share register an action carries; return what the environment takes."""
        plain, share = int(action), None
        if action >= len(r.ACTIONS):
            plain, share = r.SHARE, r.read_share(action)
            self.env.set_share(agent, *share)
        if not self.env.sharing:
            return plain
        recipient, item, quantity = share or (0, 0, 0)
        return {"action": plain, "recipient": recipient, "item": item, "quantity": quantity}

    def primitive(self, action: Any) -> int:
        """Return an action as one integer; a share with a register becomes a `rules.share_code`."""
        if not isinstance(action, Mapping):
            return int(action)
        if action["action"] != r.SHARE:
            return int(action["action"])
        return r.share_code(int(action["recipient"]), int(action["item"]), max(int(action["quantity"]), 1))

    def _object(self, agent: int) -> list[int]:
        """Return what changes of an agent beside its cell: status, then its bag."""
        bag: list[int] = self.env.world.bags()[agent].tolist()
        return [int(self.env.world.agents()[agent, w.STATUS]), *bag]

    # What planners see and tell --------------------------------------------------------------------------------------

    def view(self, agent: int, everything: bool = False) -> CrafterView:
        """Return what this agent may know now, or everything (for privileged planners only)."""
        known = self._all_knowledge() if everything else self._known
        return CrafterView(self.env.world, known, agent, self.env.possible_agents[agent], describe)

    def _all_knowledge(self) -> Knowledge:
        """Return a memory in which everybody knows everything, made once a step and only when asked for."""
        if self._everything is None:
            self._everything = self._known.everything()
        return self._everything

    def reveal(self, agent: int) -> None:
        """Let an agent's own body know everything from now on."""
        self._known.reveal([agent])

    def blindfold(self, agents: Sequence[int]) -> None:
        """Let these agents, and no others, see nothing from the next step on; see `Embodiment`."""
        self._known.blindfold(agents)

    def learn(self, agents: Sequence[int], facts: Mapping[str, Any]) -> None:
        """Let agents know what they were told of cells and of each other."""
        told = {key: (fact.value, fact.step) for key, fact in facts.items()}
        self._known.learn(agents, told)

    def controller(self, agent: int, call: ActionCall) -> Controller | Failed:
        """Return a controller for a call, or why there is none; see `Embodiment.controller`."""
        concept = self.concepts.get(call.concept)
        if concept is None:
            return Failed("unknown_concept", {"got": call.concept, "known": sorted(self.concepts)})
        args = fill_arguments(concept, call.args)
        if isinstance(args, Failed):
            return args
        return make_controller(self._bodies, agent, call.concept, args)

    @property
    def rules(self) -> str:
        """The rules of this instance in words."""
        return rules_text(self.env.world.settings)

    # What the judges read --------------------------------------------------------------------------------------------

    def task_of(self, call: ActionCall) -> str:
        """Return the cell a `collect` names, or the tool a `craft` makes, as a task."""
        if call.concept == "craft":
            return f"make_{call.args.get('item')}"
        target = call.args.get("target") if call.concept == "collect" else None
        if isinstance(target, (list, tuple)) and len(target) == 2:
            return task_name(str(call.args.get("resource")), *target)
        return NO_TASK

    def count(self, actions: Sequence[int], committed: Sequence[str]) -> list[TaskCount]:
        """Evaluate the constraints of every task somebody is committed to; see `Embodiment.count`."""
        return self._counter.count(actions, committed)

    def progress(self) -> float:
        """Return the progress potential in [0, 1]."""
        return self.env.progress()

    def scores(self) -> tuple[float, float]:
        """Return score in [0, 1] and points."""
        return self.env.score, self.env.raw_score

    def state_hash(self) -> str:
        """Return the hash of the complete state."""
        return self.env.state_hash()

    def configuration_hash(self) -> str:
        """Return the hash of cells, poses, bags and the map only."""
        return self.env.configuration_hash()

    def reference(self) -> dict[str, float]:
        """Return nothing: no bound on the steps to everything is known."""
        return {}

    def check_fact(self, key: str, value: Any) -> bool | None:
        """Check `cell:<row>,<col>` (a material) and `agent<i>` (`[row, col]`, pickaxe, kit)."""
        return self._known.check_fact(key, value)

    def clone(self) -> MACrafterEmbodiment:
        """Return an independent copy of the world in the same state; what agents remember is not copied."""
        twin = MACrafterEmbodiment(self.env.clone())
        twin._begin()
        twin._known.look()
        return twin

    def imagine(self, agents: Sequence[int] | None, salt: int) -> MACrafterEmbodiment:
        """Return a world of its own that holds what these agents know together; see `Embodiment.imagine`.

        Unknown cells are grass, agents the group does not know of have left; see `imagination.known_world`.
        """
        seed = derive_seed(salt, "imagine")
        if agents is None or any(map(self._known.is_revealed, agents)):
            world = self.env.world.clone()
            restart_chance(world, salt)
            twin = MACrafterEmbodiment(self.env.over(world, seed))
            twin._begin()
            twin._known.reveal(range(self.n_agents))
        else:
            known = know_together(self.env.world, self._known.memories, self._known.half, agents, self._known.blind)
            twin = MACrafterEmbodiment(self.env.over(known_world(self.env.world, known, salt), seed))
            twin._begin()
            fill_memories(twin._known.memories, twin.env.world, known)
        twin._known.look()
        return twin


def _task(event: Mapping[str, Any]) -> str:
    return task_name(event["resource"], event["row"], event["col"])
