"""The answers at the top of the report, as sentences generated from the tables.

A difference is stated only if its interval leaves out zero and its adjusted p is small, see `pairings.verdict`;
otherwise the sentence says that no difference is seen, or calls it a hint.
Names in backticks are shown as code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from emcoop.metrics import statistics
from emcoop.metrics.report.pairings import ALPHA, aside, effect, verdict
from emcoop.metrics.report.rows import (
    ATTEMPTS,
    BASELINE,
    FIRST_FAILING,
    OUTCOME_NAMES,
    REFERENCES,
    Results,
    ordered,
    records,
)
from emcoop.metrics.report.style import NOT_APPLICABLE, counts, interval, listing, number, p_value, percent
from emcoop.metrics.report.tables import ALL, cells, gather, mean, primary

_MOST_DETAILS = 12


@dataclass(frozen=True)
class Answer:
    """A question, the answer in a sentence, and what it rests on: sentences, and a table of texts with its note."""

    question: str
    lead: str
    details: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    grid: list[list[str]] = field(default_factory=list)
    note: str = ""


def which_topology(results: Results, effects: pd.DataFrame) -> Answer:
    """Answer from the paired effects in the matched regime."""
    question = "Which topology?"
    reason = _no_topology_claim(results, effects)
    if reason:
        return Answer(question, reason)
    matched = effects[(effects["regime"] == results.matched) & (effects["env"] == ALL)]
    pairs = list(zip(matched["planner"], matched["topology"], strict=True))
    disputes = {pair: text for pair in pairs if (text := _disagreement(*pair, effects, results.matched))}
    details = [_effect_sentence(row, len(matched)) for row in records(matched)]
    leads = [
        _topology_lead(
            str(planner), rows, {topology for name, topology in disputes if name == planner}, results.matched
        )
        for planner, rows in matched.groupby("planner", sort=False)
    ]
    return Answer(question, " ".join(leads), [*details, *disputes.values(), *_other_conditions(results)])


def which_team_size(results: Results, table: pd.DataFrame) -> Answer:
    """Answer per planner and environment, from the topologies pooled."""
    question = "Which team size?"
    metric = primary(results)
    if not len(table) or table[metric].isna().all():
        return Answer(question, "No completed episode has an outcome, so nothing can be said about team size.")
    planners = [name for name in results.communicating if name not in REFERENCES] or results.names("planner")
    rows = table[(table["regime"] == results.regime) & (table["topology"] == ALL) & table["planner"].isin(planners)]
    leads, grid = {}, []
    sizes = sorted(rows["n_agents"].unique())
    for (planner, env, variant), part in rows.groupby(["planner", "env", "variant"], sort=False):
        world = f"{env} {variant}".strip()
        if len(part) > 1 or planner == results.focus:
            where = f"`{planner}` in {world}"
            leads[planner, world] = _size_lead(results, where, (env, variant, planner), part, metric)
        by_size = {row["n_agents"]: row for row in records(part)}
        for outcome in dict.fromkeys((metric, "score")):
            texts = [interval(gather(outcome, by_size[n])) if n in by_size else NOT_APPLICABLE for n in sizes]
            grid.append([str(planner), world, OUTCOME_NAMES[outcome], *texts])
    first = [text for (planner, _), text in leads.items() if planner == results.focus] or list(leads.values())
    rest = [text for text in leads.values() if text not in first]
    header = ["planner", "environment", "outcome", *(f"{n} agent{'s' if n > 1 else ''}" for n in sizes)]
    note = f"{results.regime.capitalize()} regime, topologies pooled; {counts(rows[f'{metric}_n'])} per entry."
    return Answer(question, " ".join(first), rest, header, grid, note)


def what_differs(results: Results, table: pd.DataFrame, question: str, names: Sequence[str]) -> list[Answer]:
    """Answer from paired differences: what they come to over all topologies, then topology by topology.

    Args:
        results: The episodes.
        table: Of `pairings.planner_options` or `pairings.robustness`; no row, no answer.
        question: Of the answer.
        names: Columns that say what is compared; the last of them with `than`.
    """
    if not len(table):
        return []
    shown = {name.partition(" (")[0] for name in results.regimes} | set(results.regimes)
    pooled = table[(table["env"] == ALL) & table["regime"].isin(shown)]
    leads: list[str] = []
    details: list[str] = []
    for key, rows in pooled.groupby([*names, "than", "regime"], sort=False):
        *who, than, regime = (str(part) for part in key)
        for row in records(rows):
            where = "all topologies" if row["topology"] == ALL else f"`{row['topology']}`"
            says = {
                "better": "better", "worse": "worse", "same": "no difference seen", "unknown": "too few pairs",
                "hint": f"a hint only, p is above {ALPHA} after correction",
            }[verdict(row)]  # fmt: skip
            text = f"{', '.join(f'`{part}`' for part in who)} against `{than}`, {regime} regime, {where}: "
            text += f"{_numbers(row)}; {says}."
            (details if leads and row["topology"] != rows["topology"].iloc[0] else leads).append(text)
    return [Answer(question, " ".join(leads[:3]), [*leads[3:], *details][:_MOST_DETAILS])]


def what_failed(results: Results, failures: pd.DataFrame, status: pd.DataFrame, missing: pd.DataFrame) -> Answer:
    """Answer from the first-failing shares, the attempts and the statuses of episodes."""
    question = "What failed?"
    lead, details = _first_failing(results)
    if len(failures):
        failures = failures[(failures["regime"] == results.regime) & (failures["topology"] == ALL)]
    for row in records(failures):
        if row["planner"] not in REFERENCES and (row["failed_attempts_n"] or row["joint_satisfaction_n"]):
            details.append(_attempts_sentence(row))
    return Answer(question, lead, [*details, _status_sentence(results, status, missing)])


def _no_topology_claim(results: Results, effects: pd.DataFrame) -> str:
    topologies = results.names("topology")
    if not topologies:
        return "No episode was completed, so no topology can be compared."
    if len(topologies) == 1:
        return f"Only the topology `{topologies[0]}` was run, so no topology can be compared."
    if BASELINE not in topologies:
        return f"The topology `{BASELINE}` was not run, so there is nothing to compare {listing(topologies)} with."
    if not results.communicating:
        return "No planner sent a message in any completed episode, so the topology could not matter."
    if not results.matched:
        return (
            "No episode of the matched regime was completed, so no claim about topology is made: in the open regime "
            "topologies differ in how much they may decide and say."
        )
    if not len(effects) or not ((effects["regime"] == results.matched) & (effects["difference_n"] > 0)).any():
        return f"In the {results.matched} regime no seed was completed under both `{BASELINE}` and another topology."
    return ""


def _other_conditions(results: Results) -> list[str]:
    """Say which conditions of the matched regime the answer does not speak of."""
    others = [name for name in results.names("regime") if name.startswith("matched") and name != results.matched]
    return [f"Of the {listing(others)} regime the tables tell; conditions are never pooled."] if others else []


def _topology_lead(planner: str, rows: pd.DataFrame, disputed: set[str], regime: str) -> str:
    verdicts: dict[str, list[str]] = {"better": [], "worse": [], "hint": [], "same": [], "unknown": [], "disputed": []}
    for row in records(rows):
        verdicts["disputed" if row["topology"] in disputed else verdict(row)].append(str(row["topology"]))
    does = [
        f"does {kind} than `{BASELINE}` under {listing(verdicts[kind])}"
        for kind in ("better", "worse")
        if verdicts[kind]
    ]
    if verdicts["hint"]:
        does.append(f"shows a hint of a difference under {listing(verdicts['hint'])}")
    rest = []
    if verdicts["same"]:
        rest.append(f"no difference is seen under {listing(verdicts['same'])}")
    if verdicts["disputed"]:
        rest.append(f"environments disagree about {listing(verdicts['disputed'])}")
    if verdicts["unknown"]:
        rest.append(f"there are too few pairs to say anything about {listing(verdicts['unknown'])}")
    if does:
        return f"In the {regime} regime `{planner}` {'; '.join(does + rest)}."
    return f"In the {regime} regime, with `{planner}`, {'; '.join(rest)}."


def _effect_sentence(row: dict[str, Any], family: int) -> str:
    head = f"`{row['planner']}`, `{row['topology']}` against `{BASELINE}`"
    if not row["difference_n"]:
        return f"{head}: no pair of completed episodes ({_pairs(row)})."
    tail = {
        "better": "",
        "worse": "",
        "same": "; no difference seen",
        "unknown": "; one pair says nothing",
        "hint": f"; a hint only, p is above {ALPHA} after correction for {family} comparisons",
    }[verdict(row)]
    return f"{head}: {_numbers(row)}{tail}."


def _numbers(row: dict[str, Any]) -> str:
    """Write mean and median of a row, first the one it rests on with its interval, then pairs and p."""
    name, other = aside(row)
    text = f"{OUTCOME_NAMES[row['metric']]} {interval(effect(row), signed=True)} ({row['statistic']}; {name} "
    text += f"{number(other.value, signed=True)}), {_pairs(row)}"
    return text + (f", Holm-adjusted p {p_value(row['p_holm'])}" if row["difference_n"] > 1 else "")


def _pairs(row: dict[str, Any]) -> str:
    left_out = int(row["missing"] + row["dropped"])
    parts = [f"{row['difference_n']} pairs"]
    parts += [f"{row['equal']} of them equal"] if row["equal"] else []
    return ", ".join(parts + ([f"{left_out} missing"] if left_out else []))


def _disagreement(planner: str, topology: str, effects: pd.DataFrame, regime: str) -> str:
    """Say so when environments point in opposite directions, which pooling hides."""
    rows = effects[(effects["regime"] == regime) & (effects["planner"] == planner) & (effects["env"] != ALL)]
    rows = rows[rows["topology"] == topology]
    known = {str(row["env"]): effect(row) for row in records(rows)}
    up = [env for env, found in known.items() if found.low > 0]
    down = [env for env, found in known.items() if found.high < 0]
    if not up or not down:
        return ""
    return (
        f"Environments disagree about `{topology}` with `{planner}`: better in {listing(up)}, worse in "
        f"{listing(down)}; the pooled figure hides that."
    )


def _size_lead(results: Results, where: str, key: tuple[Any, ...], part: pd.DataFrame, metric: str) -> str:
    if len(part) == 1:
        return f"For {where} only teams of {part['n_agents'].iloc[0]} were run."
    order = part.sort_values(metric, ascending=False, kind="stable").dropna(subset=[metric])
    if len(order) < 2:
        return f"For {where} only one team size has a completed episode."
    best, last = order.iloc[0], order.iloc[-1]
    env, variant, planner = key
    frame = results.shown
    frame = frame[(frame["env"] == env) & (frame["variant"] == variant) & (frame["planner"] == planner)]
    top = frame[frame["n_agents"] == best["n_agents"]]
    name = OUTCOME_NAMES[metric]
    alike = [n for n in order["n_agents"].iloc[1:] if not _differs(top, frame[frame["n_agents"] == n], metric)]
    text = f"For {where} {name} is highest with {best['n_agents']} agents ({interval(gather(metric, best))})"
    text += f" and lowest with {last['n_agents']} ({interval(gather(metric, last))})"
    if alike:
        text += f"; no difference seen between {best['n_agents']} and {', '.join(map(str, sorted(alike)))}"
    return f"{text}."


def _differs(first: pd.DataFrame, second: pd.DataFrame, metric: str) -> bool:
    """Compare two team sizes run by run; worlds differ between sizes, so seeds cannot be paired."""
    wins = statistics.probability_of_improvement(
        first[metric].to_numpy(), second[metric].to_numpy(), list(first["topology"]), list(second["topology"])
    )
    return wins.excludes(0.5)


def _first_failing(results: Results) -> tuple[str, list[str]]:
    frame = results.shown
    frame = frame[~frame["planner"].isin(REFERENCES)] if (~frame["planner"].isin(REFERENCES)).any() else frame
    columns = [column for column in FIRST_FAILING if frame[column].notna().any()]
    frame = frame[frame[columns].sum(axis=1) > 0] if columns else frame.iloc[:0]
    if not len(frame):
        return "No failed attempt was recorded in a completed episode.", []
    shares = {FIRST_FAILING[column]: mean(frame, column) for column in columns}
    order = sorted(shares, key=lambda kind: -shares[kind].value)
    first = order[0]
    lead = f"When an attempt fails, `{first}` is missing first most often: {percent(shares[first])} of failed attempts"
    if len(order) > 1:
        gap = frame[f"first_failing_{first}"] - frame[f"first_failing_{order[1]}"]
        if not statistics.mean(gap.to_numpy(), cells(frame)).excludes():
            lead += f" (no difference seen from `{order[1]}`, {percent(shares[order[1]])})"
    planners = ordered("planner", frame["planner"].unique())
    rest = ", ".join(f"`{kind}` {percent(shares[kind])}" for kind in order)
    details = [
        f"First missing constraint: {rest}; mean over {len(frame)} episodes of {listing(planners)} with a failed "
        f"attempt, {results.regime} regime."
    ]
    return f"{lead}.", details


def _attempts_sentence(row: dict[str, Any]) -> str:
    parts = []
    for column, text in zip(
        ATTEMPTS, ("of the joint requirement was met on average", "of attempts failed"), strict=True
    ):
        estimate = gather(column, row)
        if estimate.n:
            parts.append(f"{percent(estimate)} {text} ({estimate.n} episodes)")
    return f"`{row['planner']}`: {'; '.join(parts)}."


def _status_sentence(results: Results, status: pd.DataFrame, missing: pd.DataFrame) -> str:
    attempts, completed = (int(status[column].sum()) if len(status) else 0 for column in ("attempts", "completed"))
    names: Sequence[str] = ("agent_error", "infra_error", "other")
    bad = ", ".join(f"{int(status[name].sum())} `{name}`" for name in names if len(status) and status[name].sum())
    text = f"{completed} of {attempts} episode attempts were completed"
    text += f"; {bad} (counted, never scored)" if bad else ""
    if len(missing):
        text += f"; {len(missing)} cell-seed pairs have no completed episode"
    if results.repeated:
        text += f"; {results.repeated} repeated completions were left out (the first one counts)"
    return f"{text}."
