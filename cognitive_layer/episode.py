"""One episode from start to end: build the team, run the loop, write the trace, compute the metrics."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from emcoop.cognitive_layer.answers import check_answer
from emcoop.cognitive_layer.asking import drive, is_immediate
from emcoop.cognitive_layer.budgets import Budgets, make_budgets
from emcoop.cognitive_layer.channel import Channel, ChannelSettings, channel_streams, make_channel_settings
from emcoop.cognitive_layer.faults import check_team, check_world, make_faults
from emcoop.cognitive_layer.injection import Faults
from emcoop.cognitive_layer.latency import make_thinking
from emcoop.cognitive_layer.loop import Loop
from emcoop.cognitive_layer.models.chat import RefusedError, SeatModels, SpendingLimit
from emcoop.cognitive_layer.models.replies import clean_text
from emcoop.cognitive_layer.monitors import make_monitors
from emcoop.cognitive_layer.plan import Decision, Message, Planner, Privileged, SeatSetup
from emcoop.cognitive_layer.planners import make_team
from emcoop.cognitive_layer.recorder import Recorder
from emcoop.cognitive_layer.seat import Seat
from emcoop.cognitive_layer.stages import R, X
from emcoop.cognitive_layer.topologies import Topology, make_topology, permitted_pairs, reports_of, role_of, superior_of
from emcoop.envs.embodiment import Embodiment, StepOutcome
from emcoop.errors import ConfigError, InfrastructureError, PlannerError, TraceError
from emcoop.metrics import score_trace
from emcoop.registration import call_named, environment_spec, make_embodiment
from emcoop.rng import generator
from emcoop.trace import Trace, TraceWriter, schema
from emcoop.version import __version__

MOST_ERROR = 10_000
"""Characters of an error that are kept."""


@dataclass(frozen=True)
class EpisodeResult:
    """What came of an episode.

    Attributes:
        score: The environment's own score in [0, 1].
        raw_score: Its points.
        steps: Environment steps taken.
        n_agents: Team size.
        status: `completed`, `agent_error` (a planner failed) or `infra_error` (a service failed; never scored).
        error: What went wrong.
        hopeless: Whether the infrastructure failed in a way that a repetition cannot help: a refused key, a missing
            model, a spent budget.
        metrics: Every registered metric by name; NaN = not applicable.
        digest: Hash of the canonical bytes of the trace.
        trace: Where the trace is, None if it was not kept.
        events: The trace itself.
    """

    score: float
    raw_score: float
    steps: int
    n_agents: int
    status: str
    error: str
    metrics: dict[str, float]
    digest: str
    trace: Path | None
    events: Sequence[schema.Event] = field(repr=False)
    hopeless: bool = False


class Session:
    """An episode that is stepped from outside: build it, `start`, then `step` until `over`.

    Args:
        env_id: Registered environment id.
        n_agents: Team size.
        planner: A name, a mapping with options, a planner object, or a list of those.
        topology: A name, or a mapping with `name` and options.
        seed: Fixes everything.
        env_kwargs: Further arguments of the environment.
        max_steps: Horizon; default the environment's.
        channel: See `ChannelSettings`.
        budgets: See `Budgets`.
        monitors: Names of monitors, mappings with options, or monitor objects.
        thinking_rounds: Cognitive rounds a decision takes: a number, `[low, high]` for a seeded draw, or
            `{"tokens_per_round": N}`.
        thinking_steps: `{"tokens_per_step": N}`: environment steps an agent stands still for what its models write.
        faults: What goes wrong on purpose, a list of mappings with `kind`, `agent`, `at`, `steps` and the like; see
            `docs/faults.md`.
        models: How language models are reached: a mapping, see `ModelSettings`, or a `ModelAccess` that several
            episodes share; anything with its method `line` will do.
        keep_text: Whether prompts are kept in the trace.
        regime, suite, suite_hash: Recorded with the episode.
        options: Given to the environment's `reset`.
        trace: Where to write the trace; None = only in memory.
        played: Seats whose primitives come from outside.
        world: An embodiment of `env_id` to use instead of making one; `env_kwargs` and the like are then only recorded.
        record: Whether to record events at all; without them there is no `finish`.
    """

    def __init__(
        self,
        env_id: str,
        *,
        n_agents: int | None = None,
        planner: Any = "greedy",
        topology: str | Mapping[str, Any] = "individual",
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        max_steps: int | None = None,
        channel: Mapping[str, Any] | None = None,
        budgets: Mapping[str, Any] | None = None,
        monitors: Sequence[Any] = (),
        thinking_rounds: int | Sequence[int] | Mapping[str, int] = 1,
        thinking_steps: Mapping[str, int] | None = None,
        faults: Sequence[Mapping[str, Any]] = (),
        models: Any = None,
        keep_text: bool = False,
        regime: str = "open",
        suite: str = "",
        suite_hash: str = "",
        options: Mapping[str, Any] | None = None,
        trace: str | Path | None = None,
        played: Sequence[int] = (),
        world: Embodiment | None = None,
        record: bool = True,
    ) -> None:
        self._seed = check_seed(seed)
        for name, value in (("n_agents", n_agents), ("max_steps", max_steps)):
            if value is not None and name in (env_kwargs or {}):
                raise ConfigError(f"{name} is given twice, also in env_kwargs: give it once")
        arguments = {"n_agents": n_agents, "max_steps": max_steps, **(env_kwargs or {})}
        given = {name: value for name, value in arguments.items() if value is not None}
        self.world: Embodiment = make_embodiment(env_id, **given) if world is None else world
        n = self.world.n_agents
        self._planners, specs, self._privileged = make_team(planner, n)
        self._topology, topology_spec = make_topology(topology, n)
        self._budgets: Budgets = make_budgets(budgets)
        self._channel: ChannelSettings = make_channel_settings(channel)
        watching, monitor_specs = make_monitors(monitors)
        thinking, thinking_record = make_thinking(thinking_rounds, thinking_steps, self._seed)
        injected = make_faults(faults)
        check_team(injected, n, self._topology, played)
        check_world(injected, self.world)
        self._models = EpisodeModels(models, self._seed)
        self._keep_text = keep_text
        self._options = dict(options or {})
        self._played = frozenset(played)
        self.over = False
        episode = schema.Episode(
            env_id=environment_spec(env_id).id,
            env_kwargs=to_plain({k: v for k, v in arguments.items() if k not in ("n_agents", "max_steps")}),
            n_agents=n,
            max_steps=self.world.max_steps,
            seed=self._seed,
            planners=to_plain(specs),
            topology=to_plain(topology_spec),
            permitted=permitted_pairs(self._topology, n),
            channel=msgspec.to_builtins(self._channel),
            budgets=msgspec.to_builtins(self._budgets),
            options=to_plain(self._options),
            monitors=to_plain(monitor_specs),
            thinking=thinking_record,
            faults=[fault.plain() for fault in injected],
            regime=regime,
            privileged=bool(self._privileged) or any(monitor.privileged for monitor in watching),
        )
        self.first = self.world.reset(self._seed, self._options)
        seats = self._seat_everybody()
        self.writer = TraceWriter(trace)
        self.recorder = Recorder(self.writer if record else None)
        self.recorder.emit(
            schema.Run(
                schema=schema.SCHEMA,
                emcoop=__version__,
                config_hash=config_hash(episode),
                suite=suite,
                suite_hash=suite_hash,
            )
        )
        self.recorder.emit(episode)
        post = Channel(self._channel, channel_streams(self._seed))
        self._loop = Loop(
            self.world,
            seats,
            self._topology,
            post,
            self._budgets,
            self.recorder,
            thinking if thinking_record else None,
            watching,
            topology_spec.get("regroup") == "team",
            Faults(injected, self._seed, self._topology, self.world, self.recorder) if injected else None,
        )
        self._loop.record_start(self.first)

    def _seat_everybody(self) -> list[Seat]:
        """Prepare every planner, before anything is written."""
        seats = [Seat(i, None if i in self._played else planner) for i, planner in enumerate(self._planners)]
        names = tuple(self.world.env.possible_agents)
        shared: dict[str, Any] = {}
        topology = self._topology
        for seat in seats:
            if seat.planner is None:
                continue
            privileged = None
            if seat.index in self._privileged:
                self.world.reveal(seat.index)
                privileged = Privileged(
                    self.world, lambda: [s.index for s in seats if s.stage is R and s.planner], shared
                )
            setup = SeatSetup(
                seat=seat.index,
                names=names,
                concepts=self.world.concepts,
                rng=generator(self._seed, "planner", seat.index),
                topology=topology.name,
                role=role_of(topology, seat.index),
                leader=superior_of(topology, seat.index),
                reports=reports_of(topology, seat.index),
                budgets=msgspec.to_builtins(self._budgets),
                max_steps=self.world.max_steps,
                rules=getattr(self.world, "rules", ""),
                models=self._models.line(seat.index) if getattr(seat.planner, "uses_models", False) else None,
                keep_text=self._keep_text,
                privileged=privileged,
            )
            seat.planner.reset(setup)
        return seats

    @property
    def is_immediate(self) -> bool:
        """Say whether no planner ever waits for anything."""
        return all(is_immediate(p) for i, p in enumerate(self._planners) if i not in self._played)

    @property
    def decisions(self) -> int:
        """Decisions of all planners so far."""
        return sum(seat.decisions for seat in self._loop.seats)

    async def think(self) -> None:
        """Let everybody think until the team is ready for the next step."""
        self._loop.settle()
        await self._loop.think()

    def act(self, played: Mapping[int, int] | None = None) -> StepOutcome:
        """Take one joint step; `played` gives the primitives of the seats played from outside."""
        outcome = self._loop.act(played or {})
        self.over = outcome.terminated or outcome.truncated
        self._terminated = outcome.terminated
        return outcome

    # A seat that is played from outside ------------------------------------------------------------------------------

    def reachable(self, seat: int) -> Sequence[int]:
        """Return whom a seat may send messages to now."""
        return tuple(self._topology.reachable(seat))

    def say(self, seat: int, messages: Sequence[Message]) -> None:
        """Send messages from a played seat; they leave before the others think next.

        Raises:
            PlannerError: A message is not well-formed; nothing is sent then.
        """
        check_answer(seat, X, Decision(None, tuple(messages)))
        self._loop.seats[seat].outbox.extend(messages)

    def heard(self, seat: int) -> list[Message]:
        """Return what a played seat has been told since this was asked last; it counts as read."""
        return self._loop.mail.take(self._loop.seats[seat])

    async def run(self) -> None:
        """Run to the end."""
        while not self.over:
            await self.think()
            self.act()

    def finish(self, status: str = "completed", error: str = "", hopeless: bool = False) -> EpisodeResult:
        """Close the trace and compute the metrics from it."""
        self._models.close()
        error = clean_text(error)[:MOST_ERROR]  # whatever a planner raised has to fit into the trace
        counters = self._loop.finish()
        score, raw_score = self.world.scores()
        self.recorder.emit(
            schema.End(
                status=status,
                score=score,
                raw_score=raw_score,
                steps=self.recorder.t,
                terminated=self.over and self._terminated,
                counters=counters,
                error=error,
                reference=self.world.reference(),
            )
        )
        self.writer.close()
        events = self.writer.events
        metrics = score_trace(Trace(events))
        path = None if self.writer.path is None else Path(self.writer.path)
        digest = self.writer.digest()
        n, steps = self.world.n_agents, self.recorder.t
        return EpisodeResult(score, raw_score, steps, n, status, error, metrics, digest, path, events, hopeless)

    def abandon(self) -> None:
        """Leave the episode; what is written of its trace stays readable."""
        self._models.close()
        self.writer.abandon()


class EpisodeModels:
    """Language models of one episode: nothing is set up before a planner asks for them.

    Args:
        given: Settings, a shared `ModelAccess`, or None for the defaults.
        seed: Episode seed.
    """

    def __init__(self, given: Any, seed: int) -> None:
        self._given = given
        self._seed = seed
        self._own: Any = None

    def line(self, agent: int) -> SeatModels:
        """Return what one seat has of the models."""
        from emcoop.cognitive_layer.models.access import ModelAccess, make_model_settings

        if hasattr(self._given, "line"):
            given: SeatModels = self._given.line(seed=self._seed, agent=agent)
            return given
        if self._own is None:
            self._own = ModelAccess(make_model_settings(self._given))
        line: SeatModels = self._own.line(seed=self._seed, agent=agent)
        return line

    def close(self) -> None:
        """Close what was set up for this episode alone."""
        if self._own is not None:
            self._own.close()
            self._own = None


def run_episode(env_id: str, **settings: Any) -> EpisodeResult:
    """Run one episode and return its result; see `Session` for the settings.

    The same settings give the same trace, byte for byte. A planner that raises ends the episode with status
    `agent_error`, a failing service with `infra_error`; the trace up to there is kept.

    Raises:
        ConfigError: A setting does not fit; nothing has been written then.
        OSError: The trace could not be written; what was written stays readable.
    """
    session: Session = call_named("an episode", Session, settings, env_id)
    try:
        if session.is_immediate:
            drive(session.run())
        else:
            run_async(session.run())
    except InfrastructureError as error:
        return session.finish("infra_error", str(error), isinstance(error, (RefusedError, SpendingLimit)))
    except (PlannerError, TraceError) as error:
        # A trace refuses only what a planner put into a plan or message.
        return session.finish("agent_error", str(error))
    except BaseException:
        # Not a planner's doing: keep the readable part and let the caller decide.
        session.abandon()
        raise
    return session.finish()


setattr(run_episode, "__signature__", inspect.signature(Session))  # noqa: B010 - editors show the settings


def run_async(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, also from inside a running event loop (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(coroutine)
        return
    failure: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(coroutine)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def check_seed(seed: object) -> int:
    """Return `seed` if it is a whole number from 0 to 2**63 - 1, else raise `ConfigError`."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= int(seed.__index__()) < 2**63:
        raise ConfigError(f"seed={seed!r} does not fit: give a whole number from 0 to 2**63 - 1")
    return int(seed.__index__())


def to_plain(value: Any) -> Any:
    """Return a value as plain JSON data.

    Raises:
        ConfigError: It has none, so it cannot be recorded.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{value!r} cannot be written into a trace: {error}; use plain numbers, texts and lists"
        ) from None


def config_hash(episode: schema.Episode) -> str:
    """Return the hash of an episode's configuration without its seed."""
    # What is at its default is left out by value: msgspec goes by identity, which a text from a file does not have.
    plain = {
        f.name: value for f in msgspec.structs.fields(episode) if (value := getattr(episode, f.name)) != _default(f)
    }
    plain.pop("seed")
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made: Any = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return made


__all__ = ["EpisodeResult", "Planner", "Session", "Topology", "run_episode"]
