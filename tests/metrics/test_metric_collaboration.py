"""Hand-computed values of how a team thought, planned and shared its work out."""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations

import pytest

from emcoop.metrics import Metric, collaboration, plans, roles
from emcoop.metrics.collaboration import overheads
from emcoop.metrics.quantities import entropy, spread
from emcoop.metrics.roles import effective_number
from emcoop.trace import Trace
from emcoop.trace.schema import (
    SCHEMA,
    Capability,
    Constraint,
    Episode,
    Event,
    Plan,
    Round,
    Run,
    Stage,
    Step,
    World,
)


def trace(*events: Event, n: int = 2, env: str = "E-v0") -> Trace:
    head: list[Event] = [
        Run(schema=SCHEMA, emcoop="1", config_hash=""),
        Episode(env_id=env, env_kwargs={}, n_agents=n, max_steps=99, seed=0, planners=[], topology={}),
    ]
    return Trace(head + list(events))


def step(t: int, actions: list[int] | None = None, *happened: dict[str, object]) -> Step:
    return Step(
        t=t, actions=actions or [], reward=0.0, state_hash="", configuration_hash="", progress=0.0,
        events=list(happened),
    )  # fmt: skip


def steps(count: int) -> list[Event]:
    """The record after reset and so many steps."""
    return [step(t) for t in range(count + 1)]


def commit(number: int, agent: int, t: int, task: str = "") -> Plan:
    return Plan(id=number, agent=agent, event="commit", t=t, task=task)


def ended(number: int, agent: int, t: int, reason: str = "done") -> Plan:
    return Plan(id=number, agent=agent, event="end", t=t, reason=reason)


def change(agents: list[int], before: str, after: str, cause: str = "") -> Stage:
    return Stage(agents=agents, before=before, after=after, cause=cause)


# Thinking ------------------------------------------------------------------------------------------------------------


def test_overheads_follow_every_agent_through_its_stages() -> None:
    made = trace(
        Round(reason=3),
        change([0, 1], "R", "W"),
        Round(reason=1, wait=2),
        change([2], "R", "W"),
        change([0], "W", "I"),
        Round(interrupt=1, wait=2),
        change([0], "I", "W", "resume"),
        change([0, 1, 2], "W", "X"),
        *steps(5),
        n=3,
    )
    # 3 rounds and 5 steps each: agent 0 thinks in 2 rounds, 1 in 1, 2 in 2.
    assert overheads(made) == pytest.approx([2 / 8, 1 / 8, 2 / 8])
    assert collaboration.decision_overhead_highest(made) == pytest.approx(2 / 8)
    assert collaboration.decision_overhead_spread(made) == pytest.approx(math.sqrt(2) / 3 / 8)
    assert collaboration.decision_overhead(made) == pytest.approx(sum(overheads(made)) / 3)


def test_an_agent_that_never_left_reasoning_reasoned_in_every_round() -> None:
    assert overheads(trace(Round(reason=2), change([0], "R", "W"), Round(reason=1, wait=1))) == [0.5, 1.0]


def test_overheads_need_a_round_and_their_spread_a_team() -> None:
    assert overheads(trace(*steps(0))) == []
    assert math.isnan(collaboration.decision_overhead_highest(trace()))
    assert math.isnan(collaboration.decision_overhead_spread(trace()))
    alone = trace(Round(reason=1), n=1)
    assert collaboration.decision_overhead_highest(alone) == 1.0
    assert math.isnan(collaboration.decision_overhead_spread(alone))


def test_interruptions_per_100_and_those_a_budget_ended() -> None:
    made = trace(
        change([0, 1], "X", "I", "message"),
        change([0], "I", "W", "forced"),
        change([1], "I", "W", "replan"),
        change([0, 1], "X", "I", "notice"),
        *steps(10),
    )
    assert collaboration.interruptions_per_100(made) == 4 * 100 / 20
    assert collaboration.forced_rate(made) == 0.25
    assert math.isnan(collaboration.interruptions_per_100(trace()))
    assert math.isnan(collaboration.forced_rate(trace()))


def test_capability_loss_counts_what_went_away() -> None:
    changes = [
        Capability(agent=0, item="wood", delta=3, cause="collect"),
        Capability(agent=0, item="wood", delta=-2, cause="share"),
        Capability(agent=1, item="wood", delta=2, cause="share"),
        Capability(agent=1, item="wood", delta=-1, cause="use"),
    ]
    assert collaboration.capability_loss(trace(*changes, *steps(50))) == pytest.approx(100 * 3 / 100)
    assert collaboration.capability_loss(trace(changes[0], *steps(1))) == 0.0
    assert math.isnan(collaboration.capability_loss(trace(*steps(1))))
    assert math.isnan(collaboration.capability_loss(trace(*changes)))


def test_collisions_read_only_agents_that_are_agents() -> None:
    odd: dict[str, object] = {"kind": "collision", "agents": [[0], 1, "2"]}
    made = trace(step(0), step(1, [], odd, {"kind": "collision", "agents": 3}, {"kind": ["collision"]}, {}))
    assert collaboration.collisions_per_100(made) == 50.0


# Plans ---------------------------------------------------------------------------------------------------------------


def test_lives_of_plans() -> None:
    made = trace(
        commit(0, 0, 0),
        commit(1, 1, 0),
        step(0),
        ended(0, 0, 2),
        commit(2, 0, 2),
        ended(1, 1, 6, "failed:no_path"),
        commit(3, 1, 6),
        ended(2, 0, 3, "superseded"),
        commit(4, 0, 3),
        ended(4, 0, 20),
        ended(3, 1, 20, "episode_end"),
        *[step(t) for t in range(1, 21)],
    )
    assert plans.plan_survival(made) == 2 / 5
    assert plans.plan_failure_rate(made) == 1 / 4
    assert plans.plan_replacement_rate(made) == 1 / 4
    assert plans.plan_lifetime_mean(made) == pytest.approx((2 + 6 + 1 + 17) / 4)
    assert plans.plan_lifetime_median(made) == 4.0
    assert plans.plans_per_100(made) == 100 * 5 / 40
    lost = 1 - collaboration.plan_stability(made)
    assert lost == pytest.approx(plans.plan_failure_rate(made) + plans.plan_replacement_rate(made))


def test_plans_that_nobody_ended_have_no_lifetime() -> None:
    open_ = trace(commit(0, 0, 0), commit(1, 1, 0), *steps(5), ended(1, 1, 5, "episode_end"))
    assert plans.plan_survival(open_) == 0.0
    for one in (plans.plan_lifetime_mean, plans.plan_lifetime_median, plans.plan_failure_rate):
        assert math.isnan(one(open_)), one.name
    for one in (plans.plan_survival, plans.plans_per_100, plans.plan_overlap, plans.duplicated_target_share):
        assert math.isnan(one(trace())), one.name


def test_an_end_of_another_plan_than_the_one_in_force_ends_nothing() -> None:
    made = trace(commit(0, 0, 0), ended(7, 0, 1), ended(0, 1, 1), *steps(4), ended(0, 0, 4), ended(0, 0, 4))
    assert [(life.start, life.end, life.reason) for life in plans.lives(made)] == [(0, 4, "done")]


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (["a", "a", "a"], 1.0),
        (["a", "b", "c"], 0.0),
        (["a", "a", "b"], 1 / 3),
        (["ab", "a", "b"], (1 / 2 + 1 / 2 + 0) / 3),
        (["ab", "bc", ""], 1 / 3),  # who plans nothing is in no pair
        (["a", "", ""], math.nan),
    ],
)
def test_plan_overlap_is_the_mean_jaccard_index_of_a_window(tasks: list[str], expected: float) -> None:
    for order in permutations(range(3)):
        made: list[Event] = []
        for agent, planned in zip(order, tasks, strict=True):
            made += [commit(10 * agent + k, agent, k, task) for k, task in enumerate(planned)]
        value = plans.plan_overlap(trace(*made, *steps(9), n=3))
        assert value == pytest.approx(expected, nan_ok=True)


def test_plan_overlap_counts_every_pair_of_agents() -> None:
    planned = [(0, "a"), (1, "a"), (2, "a"), (2, "b"), (3, "a"), (3, "b"), (4, "c")]
    made = [commit(number, agent, 0, task) for number, (agent, task) in enumerate(planned)]
    # {a} twice, {a, b} twice, {c}: two equal pairs, four that share one of two tasks, four that share nothing.
    assert plans.plan_overlap(trace(*made, *steps(1), n=5)) == pytest.approx((2 * 1 + 4 * 0.5) / 10)


def test_plan_overlap_takes_a_plan_into_every_window_it_was_in_force_in() -> None:
    made = trace(
        commit(0, 0, 0, "a"),
        commit(1, 1, 0, "a"),
        *[step(t) for t in range(21)],
        ended(1, 1, 10),  # in force in steps 0 to 9: the first window only
        commit(2, 1, 10, "b"),
        step(21),
    )
    assert plans.plan_overlap(made) == pytest.approx((1 + 0 + 0) / 3)


def test_duplicated_targets_are_declared_commitments_beyond_the_quorum() -> None:
    def record(t: int, *rows: tuple[int, int, int]) -> Constraint:
        required, committed, inferred = (list(column) for column in zip(*rows, strict=True))
        zeros = [0] * len(rows)
        return Constraint(
            t=t, tasks=["a"] * len(rows), required=required, committed=committed, in_place=zeros, acting=zeros,
            dependency=zeros, joint=zeros, engaged=zeros, success=zeros, participants=[[]] * len(rows),
            inferred=inferred,
        )  # fmt: skip

    made = trace(record(0, (2, 3, 0), (1, 1, 0)), record(1, (2, 5, 2), (4, 2, 0), (1, 2, 5)))
    assert plans.duplicated_target_share(made) == pytest.approx((1 + 1) / (3 + 1 + 3 + 2))
    assert math.isnan(plans.duplicated_target_share(trace(record(0, (1, 2, 2)))))


# Work and roles ------------------------------------------------------------------------------------------------------


def test_workload_counts_an_agents_productive_steps() -> None:
    push: dict[str, object] = {"kind": "push", "agents": [0, 1]}
    made = trace(
        step(0, [], push),  # nobody has acted when the episode begins
        step(1, [0] * 4, push, {"kind": "push", "agents": [1]}),  # twice in one step is one productive step
        step(2, [0] * 4, {"kind": "push", "agents": [1]}, {"kind": "insufficient_force", "agents": [2]}),
        step(3, [0] * 4, {"kind": "push", "agents": [1]}),
        n=4,
        env="Cube-v0",
    )
    assert roles.productive_steps(made) == {0: 1, 1: 3}
    assert roles.workload_imbalance(made) == pytest.approx((3 * 3 + 1 * 1 - 0) / (4 * 4))
    assert roles.productive_steps_per_100(made) == pytest.approx(100 * 4 / 12)


def test_who_gives_is_productive_and_who_gets_is_not() -> None:
    made = trace(
        step(0),
        step(1, [17, 0, 5], {"kind": "share", "agents": [2, 0]}, {"kind": "drink", "agents": [1]}),
        n=3,
        env="MACrafter-L3-v0",
    )
    assert roles.productive_steps(made) == {2: 1}
    assert roles.workload_imbalance(made) == pytest.approx(1 - 1 / 3)


def test_workload_needs_work_a_team_and_a_known_world() -> None:
    push: dict[str, object] = {"kind": "push", "agents": [0]}
    idle = trace(*steps(2), env="Cube-v0")
    assert math.isnan(roles.workload_imbalance(idle))
    assert roles.productive_steps_per_100(idle) == 0.0
    assert math.isnan(roles.workload_imbalance(trace(step(0), step(1, [0], push), n=1, env="Cube-v0")))
    strange = trace(step(0), step(1, [0, 0], push), env="Elsewhere-v0")
    assert math.isnan(roles.workload_imbalance(strange))
    assert math.isnan(roles.productive_steps_per_100(strange))
    assert math.isnan(roles.productive_steps_per_100(trace(step(0), env="Cube-v0")))


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        (["aab", "aab", "aab", "aab"], 1.0),
        (["a", "b", "c", "d"], 4.0),
        (["a", "a", "bc", "bc"], 2.0),
        (["ab", "ab", "ab", "c"], 1.755),
        (["ab", "aabb"], 1.0),  # only the shape of a profile counts
    ],
)
def test_effective_number_has_the_published_unit_values(profiles: list[str], expected: float) -> None:
    values = {effective_number([Counter(profile) for profile in order]) for order in permutations(profiles)}
    assert len(values) == 1
    assert values.pop() == pytest.approx(expected, abs=5e-4)


def test_effective_number_of_mixed_profiles() -> None:
    # Inner product c = 1/sqrt 2, so that the spectrum is (1 + c) / 2 and (1 - c) / 2.
    c = math.sqrt(0.5)
    entropy_ = -sum(share * math.log(share) for share in ((1 + c) / 2, (1 - c) / 2))
    assert effective_number([Counter("a"), Counter("ab")]) == pytest.approx(math.exp(entropy_))
    assert math.isnan(effective_number([Counter("a")]))
    assert math.isnan(effective_number([Counter("a"), Counter()]))


def test_many_keys_are_taken_block_by_block() -> None:
    many = [Counter(range(3000)), Counter(range(3000)), Counter(range(3000, 6000)), Counter(range(3000, 6000))]
    assert effective_number(many) == pytest.approx(2.0)


def test_role_differentiation_of_actions_and_of_cells() -> None:
    start = World(agents=[0, 1, 2, 3], to=[[0, 0], [0, 0], [0, 5], [0, 5]])
    made = trace(start, step(0), step(1, [1, 1, 2, 3]), step(2, [1, 1, 2, 3]), n=4)
    assert roles.role_differentiation(made) == pytest.approx(math.exp(0.5 * math.log(2) + 0.5 * math.log(4)))
    assert roles.territory_differentiation(made) == pytest.approx(2.0)


def test_whom_something_is_given_to_is_no_role() -> None:
    def giving(*actions: int) -> float:
        return roles.role_differentiation(trace(step(0), step(1, list(actions)), env="MACrafter-v0"))

    assert giving(17, 18 + 240) == 1.0
    assert giving(18, 18 + 480) == 1.0
    assert giving(16, 18) == 2.0


def test_differentiation_needs_a_team_that_acted_somewhere() -> None:
    for made in (trace(), trace(step(0)), trace(step(0), step(1, [0]), n=1), trace(step(0), step(1, [0, 0, 0]))):
        assert math.isnan(roles.role_differentiation(made))
        assert math.isnan(roles.territory_differentiation(made))


def test_spread_and_entropy() -> None:
    assert spread([1.0, 3.0]) == 1.0
    assert math.isnan(spread([]))
    assert entropy([3, 0, 3]) == 1.0
    assert entropy([5]) == 0.0
    assert math.isnan(entropy([0]))


def test_every_metric_here_is_declared_in_its_own_module() -> None:
    for module in (collaboration, plans, roles):
        found = [value for value in vars(module).values() if isinstance(value, Metric)]
        assert found
        assert all(one.compute.__module__ == module.__name__ for one in found)
