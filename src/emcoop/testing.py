"""The public conformance suite: what every registered environment promises, checked on the real thing.

A new environment is one row in the registry and no test code of its own:

    emcoop.testing.check_environment("MyWorld-v0")
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from emcoop.errors import ActionError, SettingsWarning
from emcoop.registration import environment_spec, make_aec, make_batch, make_embodiment, make_parallel
from emcoop.rng import generator, pick

STEPS = 60
"""Steps taken in checks that play an episode."""
BATCH_STEPS = 18


def check_environment(env_id: str, n_agents: Sequence[int] = (1, 2, 16), **kwargs: Any) -> list[str]:
    """Check one registered environment against everything the package promises.

    PettingZoo's and Gymnasium's own checks, determinism over whole episodes (also when one twin is rendered and
    observed more often), refusal of bad actions that leaves the state alone, independent clones, the batch
    environment bit for bit, and the contract with the cognitive layer, ending with a traced, replayed episode.

    Args:
        env_id: Registered id.
        n_agents: Team sizes to check; those the environment refuses make the check fail.
        **kwargs: Further arguments of the environment.

    Returns:
        What was checked, one line each.

    Raises:
        AssertionError: A promise is broken; the sentence says which.
    """
    done = []
    for n in n_agents:
        make = {"n_agents": n, **kwargs}
        for check in _CHECKS:
            check(env_id, make)
            done.append(f"{env_id} n={n}: {(check.__doc__ or check.__name__).splitlines()[0]}")
    return done


def random_actions(env: Any, rng: np.random.Generator) -> dict[str, int]:
    """Return a random joint action for the living agents of a ParallelEnv with `Discrete` actions."""
    return {name: pick(rng, int(env.action_space(name).n)) for name in env.agents}


def play(env: Any, seed: int, steps: int = STEPS, between: Callable[[Any], Any] | None = None) -> list[str]:
    """Play a seeded random game and return the state hash after reset and after every step.

    Args:
        env: A ParallelEnv of this package.
        seed: Seed of the layout and of the actions.
        steps: Steps at most.
        between: Called with the environment before every step.
    """
    rng = generator(seed, "check")
    env.reset(seed=seed)
    hashes = [env.state_hash()]
    for _ in range(steps):
        if not env.agents:
            break
        if between is not None:
            between(env)
        env.step(random_actions(env, rng))
        hashes.append(env.state_hash())
    return hashes


def _silently(check: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Run a check of another package, its prints dropped and its warnings raised."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        # A team may well be checked that is too small for what the level asks of it.
        warnings.simplefilter("ignore", SettingsWarning)
        # Only its opinion on Dict observations.
        warnings.filterwarnings("ignore", message="Observation (is not a NumPy array|space for each agent probably)")
        check(*args, **kwargs)


def _check_pettingzoo(env_id: str, make: Mapping[str, Any]) -> None:
    """PettingZoo's parallel_api_test, and api_test on the AEC conversion."""
    from pettingzoo.test.api_test import api_test
    from pettingzoo.test.parallel_test import parallel_api_test

    _silently(parallel_api_test, make_parallel(env_id, **make), num_cycles=STEPS)
    _silently(api_test, make_aec(env_id, **make), num_cycles=20)


def _check_gymnasium(env_id: str, make: Mapping[str, Any]) -> None:
    """Gymnasium's check_env on the team view and the seat view."""
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    spec = environment_spec(env_id)
    for name in (spec.id, spec.seat_id):
        env = gymnasium.make(f"emcoop/{name}", **make)
        _silently(check_env, env.unwrapped, skip_render_check=True)
        env.close()


def _check_observations(env_id: str, make: Mapping[str, Any]) -> None:
    """Observations lie in their spaces, are distinct arrays, and are not changed by later steps."""
    env = make_parallel(env_id, **make)
    rng = generator(0, "check")
    observations, _ = env.reset(seed=0)
    kept: list[tuple[Any, Any]] = []
    for _ in range(10):
        for name, observation in observations.items():
            assert env.observation_space(name).contains(observation), f"{name}'s observation is not in its space"
        flat = [part for o in observations.values() for part in (o.values() if isinstance(o, dict) else [o])]
        writable = [part for part in flat if part.flags.writeable]
        for one, other in pairwise(writable):
            assert not np.shares_memory(one, other), "two agents share the memory of their observations"
        kept += [(part, part.copy()) for part in flat]
        if not env.agents:
            break
        observations, *_ = env.step(random_actions(env, rng))
    for part, copy in kept:
        assert np.array_equal(part, copy), "an observation changed after it was handed out"


def _check_determinism(env_id: str, make: Mapping[str, Any]) -> None:
    """The same seed gives the same whole episode, however often one twin is rendered and observed."""
    quiet, watched = make_parallel(env_id, **make), make_parallel(env_id, render_mode="rgb_array", **make)

    def watch(env: Any) -> None:
        env.render()
        env.state()
        env.snapshot()

    assert play(quiet, 7) == play(watched, 7, between=watch), "rendering or observing changes the episode"
    assert play(quiet, 7) == play(quiet, 7), "the same seed gives another episode the second time"
    if len(play(quiet, 7)) > 1:
        assert play(quiet, 7) != play(quiet, 8), "two seeds give the same episode"


def _check_bad_actions(env_id: str, make: Mapping[str, Any]) -> None:
    """A bad joint action is refused by an ActionError that names the agent, and changes nothing."""
    env = make_parallel(env_id, **make)
    env.reset(seed=0)
    good = dict.fromkeys(env.agents, 0)
    first = env.agents[0]
    before = env.state_hash()
    missing = {name: action for name, action in good.items() if name != first}
    bad: list[Any] = [missing, {**good, first: 0.5}, {**good, first: -1}, {**good, first: 10**6}, {**good, first: None}]
    for actions in [*bad, {**good, "nobody": 0}, list(good.values())]:
        refusal = _refusal(env, actions)
        assert refusal, f"a bad joint action was accepted: {actions}"
        assert first in refusal or "nobody" in refusal, f"the error does not name the agent: {refusal}"
        assert env.state_hash() == before, "a refused joint action changed the state"


def _refusal(env: Any, actions: Any) -> str:
    """Return the sentence with which a joint action is refused, empty if it is not."""
    try:
        env.step(actions)
    except ActionError as error:
        return str(error)
    return ""


def _check_clone(env_id: str, make: Mapping[str, Any]) -> None:
    """A clone has the same state and goes its own way."""
    env = make_parallel(env_id, **make)
    play(env, 3, 5)
    before = env.state_hash()
    twin = env.clone()
    assert twin.state_hash() == before, "a clone has another state"
    rng = generator(1, "check")
    for _ in range(10):
        if twin.agents:
            twin.step(random_actions(twin, rng))
    assert env.state_hash() == before, "stepping a clone changes the original"


def _check_batch(env_id: str, make: Mapping[str, Any]) -> None:
    """The batch environment does bit for bit what single environments do, in every mode of starting anew."""
    if not environment_spec(env_id).batch:
        return
    short = {**make, "max_steps": BATCH_STEPS // 3}
    for mode, settings in (("disabled", make), ("disabled", short), ("next_step", short), ("same_step", short)):
        _compare_batch(env_id, settings, mode)


def _compare_batch(env_id: str, make: Mapping[str, Any], mode: str) -> None:
    n_envs = 3
    batch = make_batch(env_id, n_envs=n_envs, autoreset=mode, **make)
    singles = [make_parallel(env_id, **make) for _ in range(n_envs)]
    seen, _ = batch.reset(seed=11)
    for i, env in enumerate(singles):
        _compare_views(seen, i, env, env.reset(seed=11 + i)[0])
    rng = generator(2, "check")
    for _ in range(BATCH_STEPS):
        joint = [random_actions(env, rng) for env in singles]
        # Agents that have ended take action 0 in a batch, whose arrays always hold the whole team.
        rows = [[actions.get(name, 0) for name in env.possible_agents] for env, actions in zip(singles, joint)]
        step = batch.step(np.array(rows))
        for i, (env, actions) in enumerate(zip(singles, joint)):
            _compare_step(step, i, env, actions, mode)
        assert batch.state_hashes() == [env.state_hash() for env in singles], "the batch goes another way"
    batch.close()


def _compare_step(step: Any, i: int, env: Any, actions: Mapping[str, int], mode: str) -> None:
    """Take the step of environment `i` in a single environment too, and compare all it gives."""
    seen, rewards, terminated, truncated, info = step
    if not env.agents:
        assert not rewards[i].any(), f"environment {i} of the batch pays a reward though it had ended"
        if mode == "next_step":
            _compare_views(seen, i, env, env.reset()[0])
        assert (terminated[i] or truncated[i]) == (mode == "disabled"), f"environment {i} of the batch has not ended"
        return
    views, single_rewards, _, truncations, _ = env.step(actions)
    paid = {name: rewards[i, env.possible_agents.index(name)] for name in single_rewards}
    assert paid == single_rewards, f"environment {i} of the batch pays another reward"
    over, cut = not env.agents, not env.agents and any(truncations.values())
    assert (terminated[i], truncated[i]) == (over and not cut, cut), f"environment {i} of the batch ends otherwise"
    if over and mode == "same_step":
        assert info["_final_observation"][i], f"environment {i} of the batch has no last observation"
        _compare_views(info["final_observation"], i, env, views)
        views = env.reset()[0]
    _compare_views(seen, i, env, views)


def _compare_views(seen: Any, i: int, env: Any, views: Mapping[str, Any]) -> None:
    """Compare what environment `i` of a batch shows with what a single one shows the agents that were alive."""
    for name, view in views.items():
        k = env.possible_agents.index(name)
        parts = view if isinstance(view, Mapping) else {None: view}
        for part, expected in parts.items():
            got = (seen if part is None else seen[part])[i, k]
            assert np.array_equal(got, expected), f"{name} sees something else in environment {i} of the batch"


def _check_contract(env_id: str, make: Mapping[str, Any]) -> None:
    """The Embodiment offers rules, valid concepts, views, sampled calls, counts, facts and progress."""
    world = make_embodiment(env_id, **make)
    outcome = world.reset(5)
    assert isinstance(world.rules, str), "the rules are no text"
    assert world.rules.strip(), "the rules are empty: planners that read have to be told them"
    assert len(outcome.moved) == world.n_agents, "reset has to report every agent's position"
    assert 0.0 <= world.progress() <= 1.0, "progress is not in [0, 1]"
    for name, concept in world.concepts.items():
        assert name == concept.name, f"concept {name!r} is registered under another name than {concept.name!r}"
        assert concept.json_schema()["type"] == "object", f"concept {name!r} has no argument schema"
    rng = generator(5, "check")
    for agent in range(world.n_agents):
        view = world.view(agent)
        assert view.me == agent, "a view belongs to somebody else"
        assert isinstance(view.text(), str), "the text view is no text"
        assert view.text(), "the text view is empty"
        for call in [view.sample(rng.random), *view.idle(), *view.idle(brief=True)]:
            made = world.controller(agent, call)
            assert hasattr(made, "act"), f"a call offered by the view is refused: {call}, {made}"
        for task in view.tasks():
            assert task.required >= 1, f"task {task.id} needs nobody"
            assert view.recipe(task.id, task.required), f"task {task.id} has no recipe"
    counts = world.count([world.noop] * world.n_agents, [""] * world.n_agents)
    assert all(c.joint <= min(c.committed, c.in_place, c.acting) for c in counts), "joint counts exceed their parts"


def _check_imagination(env_id: str, make: Mapping[str, Any]) -> None:
    """Imagined worlds repeat for a salt, keep all indices, show their members something, and leave the world alone."""
    world = make_embodiment(env_id, **make)
    world.reset(6)
    before = world.state_hash()
    everything = world.imagine(None, 1).configuration_hash()
    assert everything == world.configuration_hash(), "imagining everything gives another world"
    for agents in ([0], list(range(world.n_agents)), None):
        one, other = world.imagine(agents, 2), world.imagine(agents, 2)
        assert one.state_hash() == other.state_hash(), "the same salt gives another imagined world"
        assert one.n_agents == world.n_agents, "indices change in an imagined world"
        assert one.view(0).text(), "a member sees nothing in an imagined world"
        for _ in range(3):
            one.count([one.noop] * one.n_agents, [""] * one.n_agents)
            one.step([one.noop] * one.n_agents)
        assert world.state_hash() == before, "stepping an imagined world changes the true one"


def _check_episode(env_id: str, make: Mapping[str, Any]) -> None:
    """A traced episode repeats byte for byte, is scored from its trace, and replays."""
    from emcoop.cognitive_layer.episode import run_episode
    from emcoop.metrics import score_trace
    from emcoop.replaying import replay
    from emcoop.trace import Trace

    kwargs = {name: value for name, value in make.items() if name != "n_agents"}
    settings = {"n_agents": make["n_agents"], "env_kwargs": kwargs, "seed": 4, "max_steps": STEPS}
    for planner in ("random", "team"):
        one = run_episode(env_id, planner=planner, topology="decentralized", **settings)
        assert one.status == "completed", f"an episode of planner {planner} failed: {one.error}"
        other = run_episode(env_id, planner=planner, topology="decentralized", **settings)
        assert one.digest == other.digest, f"the same episode of planner {planner} gives other bytes"
        trace = Trace(list(one.events))
        assert str(score_trace(trace)) == str(one.metrics), "the trace gives other metrics than the episode"
        assert replay(trace) == one.steps, "the trace does not replay"


_CHECKS: tuple[Callable[[str, Mapping[str, Any]], None], ...] = (
    _check_pettingzoo,
    _check_gymnasium,
    _check_observations,
    _check_determinism,
    _check_bad_actions,
    _check_clone,
    _check_batch,
    _check_contract,
    _check_imagination,
    _check_episode,
)
