"""What a suite file may say: its keys, their types and limits.

Fields left at their (always empty) default are not part of the canonical form, so a field added in a later
version leaves the hashes of existing suites as they are.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Seed: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
SuiteName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]
ConditionName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32)]
Spec: TypeAlias = Name | dict[str, Any] | list[Any]


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Environment(_Data, frozen=True, kw_only=True):
    """One environment and the settings it runs with.

    Attributes:
        id: Registered environment id.
        variants: Keyword arguments of the environment, one entry per variant; empty = one variant, the defaults.
    """

    id: Name
    variants: list[dict[str, Any]] = []


class SeedRange(_Data, frozen=True, kw_only=True):
    """`count` consecutive seeds from `start` on."""

    start: Seed
    count: Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class Budgets(_Data, frozen=True, kw_only=True):
    """Limits handed to the episode; per agent, except rounds. See `emcoop.run_episode`."""

    decisions_per_step: Count | None = None
    decisions_total: Count | None = None
    tokens_total: Annotated[int, msgspec.Meta(ge=1, le=10**12)] | None = None
    messages_per_step: Count | None = None
    message_chars_per_step: Count | None = None
    rounds_per_step: Count | None = None


class Condition(_Data, frozen=True, kw_only=True):
    """How messages travel, who watches, how long thinking takes and what goes wrong. See `emcoop.run_episode`.

    Attributes:
        channel: Settings of the channel.
        monitors: Names of monitors, or mappings with `name` and options.
        thinking_rounds: Cognitive rounds a decision takes: a number, `[low, high]`, or `{tokens_per_round: N}`.
        thinking_steps: `{tokens_per_step: N}`.
        faults: What goes wrong on purpose: mappings with `kind`, `agent`, `at`, `steps` and the like.
    """

    channel: dict[str, Any] = {}
    monitors: list[Spec] = []
    thinking_rounds: int | list[int] | dict[str, int] | None = None
    thinking_steps: dict[str, int] | None = None
    faults: list[dict[str, Any]] = []


class Match(_Data, frozen=True, kw_only=True):
    """Cells that agree with every field given; a field holds the values it accepts."""

    environments: list[Name] = []
    team_sizes: list[Count] = []
    topologies: list[Name] = []
    planners: list[Name] = []
    regimes: list[Name] = []
    conditions: list[Name] = []


class Horizon(_Data, frozen=True, kw_only=True):
    """Another episode length for some cells; the last one that matches counts."""

    where: Match
    max_steps: Count


class Reference(_Data, frozen=True, kw_only=True):
    """Mean scores of the two references in one world, frozen with the suite: the ends of its scale.

    Attributes:
        env, variant, n_agents, condition: The world, as in the results table.
        random, oracle: Mean score of the planners of these names over the suite's seeds.
    """

    env: Name
    variant: str = ""
    n_agents: Count
    condition: str = ""
    random: float
    oracle: float


class Suite(_Data, frozen=True, kw_only=True):
    """A suite as its file states it.

    Attributes:
        name: Lower-case name; also the default name of the folder of results.
        description: One line for `emcoop list`.
        environments: Environments and their variants.
        team_sizes: Numbers of agents.
        topologies: Names, or mappings with `name` and options.
        planners: Names or specs, mappings with `name` and options, or lists of those for mixed teams.
        regimes: `open` and `matched`, each with its budgets (they override `budgets`).
        conditions: Conditions by name; empty = one without a name, in which nothing is out of the ordinary.
        seeds: Episode seeds, a list or `{start, count}`.
        max_steps: Episode length in environment steps.
        horizons: Other lengths for some cells.
        budgets: Budgets of every episode.
        exclude: Cells that are left out.
        references: Ends of the scale of normalised scores.
    """

    name: SuiteName
    description: Annotated[str, msgspec.Meta(max_length=300)] = ""
    environments: Annotated[list[Environment], msgspec.Meta(min_length=1)]
    team_sizes: Annotated[list[Count], msgspec.Meta(min_length=1)]
    topologies: Annotated[list[Spec], msgspec.Meta(min_length=1)]
    planners: Annotated[list[Spec], msgspec.Meta(min_length=1)]
    regimes: Annotated[dict[str, Budgets], msgspec.Meta(min_length=1)]
    conditions: dict[ConditionName, Condition] = {}
    seeds: Annotated[list[Seed], msgspec.Meta(min_length=1)] | SeedRange
    max_steps: Count
    horizons: list[Horizon] = []
    budgets: Budgets | None = None
    exclude: list[Match] = []
    references: list[Reference] = []

    @property
    def seed_list(self) -> list[int]:
        """Seeds in the order of the file."""
        if isinstance(self.seeds, SeedRange):
            return list(range(self.seeds.start, self.seeds.start + self.seeds.count))
        return list(self.seeds)


REGIMES = ("open", "matched")
MATCHED_NEEDS = ("decisions_per_step", "message_chars_per_step")


def label_of(spec: Any) -> str:
    """Return the readable name of a planner or topology spec: `team`, `tree(b=2)`, `llm:openai/gpt-4o-mini`, `a+b`.

    The address of a model's service is left out: it does not say who thinks.
    """
    if isinstance(spec, list):
        return "+".join(label_of(entry) for entry in spec)
    if isinstance(spec, dict):
        name = f"{spec['name']}:{spec['model']}" if "model" in spec else str(spec["name"])
        options = ",".join(f"{key}={spec[key]}" for key in sorted(spec) if key not in ("name", "model", "base_url"))
        return f"{name}({options})" if options else name
    return str(spec)


def variant_label(kwargs: dict[str, Any]) -> str:
    """Return the short text of environment settings, empty for none."""
    return ",".join(f"{key}={kwargs[key]}" for key in sorted(kwargs))
