"""A model that fits in a pocket: it reads the task table of a prompt and answers by a rule of thumb.

It knows nothing but the prompt, so it shows that the prompt says what one needs, and it lets tests and demonstrations
run the whole path of a language model without key, network or weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from emcoop.cognitive_layer.models.chat import ChatMessage

_TASK = re.compile(
    r"^- (?P<id>\S+): needs (?P<need>\d+), (?P<in_place>\d+) in place(?:, said to come: (?P<coming>[^;]*))?; "
    r"(?:you are (?P<travel>\d+) steps away|[^;]*); (?P<work>\d+) steps of work; worth (?P<value>[^;]*); "
    r"(?P<possible>possible now)?",
    re.MULTILINE,
)
_ME = re.compile(r"^You are agent (\d+) of a team of (\d+)", re.MULTILINE)
_ORDER = re.compile(r"^Asked for by who directs you: (\S+)\.$", re.MULTILINE)
_FREE = re.compile(r"^Agents without a task: (.*)\.$", re.MULTILINE)
_PLAN = re.compile(r"^Your plan \((\S+)\):", re.MULTILINE)
_DIRECTED = re.compile(r"^Agent (\d+) directs you\.", re.MULTILINE)
_ROUNDS = re.compile(r"Rounds of talk left before the next step: (\d+)")
_NUMBER = re.compile(r"\d+")

OUT_OF_SIGHT = 50
"""Steps to reckon with for a task that one cannot tell the way to."""


@dataclass(frozen=True)
class Row:
    """A task as the prompt tells of it."""

    id: str
    need: int
    in_place: int
    coming: frozenset[int]
    effort: int
    value: float
    possible: bool


def from_the_prompt(messages: Sequence[ChatMessage], schema: Mapping[str, Any] | None) -> str:
    """Take the nearest task of the task table that still lacks hands, and say so if one may talk.

    Returns:
        A reply in the form the schema asks for.
    """
    system, asked = messages[0].content, next(m.content for m in reversed(messages) if m.role == "user")
    properties = (schema or {}).get("properties", {})
    said = _choose(properties["choice"]["enum"]) if "choice" in properties else _reply(system, asked, properties)
    return msgspec.json.encode(said).decode()


def _choose(options: Sequence[str]) -> dict[str, Any]:
    """Answer a prompt that only wants a choice: the first, which is to go on if there is something to go on with."""
    return {"choice": options[0]}


def _reply(system: str, asked: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    me = int(_found(_ME, system) or 0)
    offered = properties.get("decision", {}).get("enum", ("plan",))
    rows = _rows(asked)
    talks = "messages" in properties
    free = [int(i) for i in _NUMBER.findall(_found(_FREE, asked) or "")]
    order, directed, busy = _found(_ORDER, asked), _found(_DIRECTED, system), _found(_PLAN, asked)
    if "resume" in offered and busy:
        mine = None
    elif order:
        mine = order if any(row.id == order for row in rows) else None
    else:
        mine = _best(rows, me)
    messages = _orders(rows, free, busy or mine) if talks and free and "You direct these agents" in system else []
    if "resume" in offered and (busy or mine is None):
        return _answer("resume", None, "I go on.", messages, talks)
    if talks and directed is not None and order != "none":
        if not order and "talk" in offered and int(_found(_ROUNDS, asked) or 0) > 3:
            return _answer("talk", None, "I wait for a task.", [_message([int(directed)], "free", None)], talks)
        messages.append(_message([int(directed)], "ack", mine))
    elif talks and directed is None and not messages:
        messages.append(_message("all", "commit", mine))
    return _answer("plan", mine, f"{mine or 'Nothing'} is next.", messages, talks)


def _answer(
    decision: str, task: str | None, thought: str, messages: list[dict[str, Any]], talks: bool
) -> dict[str, Any]:
    call = {"concept": "idle"} if task is None else {"concept": "do_task", "task": task, "agents": None}
    plan = [call] if decision == "plan" else []
    said = {"thought": thought, "decision": decision, "task": task, "plan": plan, "messages": messages, "note": None}
    if not talks:
        del said["messages"]
    return said


def _message(to: Any, kind: str, task: str | None) -> dict[str, Any]:
    text = f"{kind} {task}" if task else kind
    return {"to": to, "kind": kind, "text": text, "task": task, "facts": []}


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match.group(1) if match else None


def _rows(asked: str) -> list[Row]:
    rows = []
    for match in _TASK.finditer(asked):
        coming = frozenset(int(i) for i in _NUMBER.findall(match["coming"] or ""))
        effort = int(match["travel"] or OUT_OF_SIGHT) + int(match["work"])
        value, possible = float(match["value"]), match["possible"] is not None
        rows.append(Row(match["id"], int(match["need"]), int(match["in_place"]), coming, effort, value, possible))
    return rows


def _worth(row: Row) -> tuple[float, str]:
    """Return how good a task is: points for the steps and hands it takes."""
    return (row.value * row.value + 1e-6) / ((1 + row.effort) ** 2 * row.need), row.id


def _best(rows: Sequence[Row], me: int) -> str | None:
    """Return the best task that lacks hands: one that others are coming to, if there is one."""
    lacking = [row for row in rows if row.possible and len(row.coming - {me}) < row.need]
    begun = [row for row in lacking if row.coming - {me}]
    best = max(begun or lacking, key=_worth, default=None)
    return None if best is None else best.id


def _orders(rows: Sequence[Row], free: Sequence[int], mine: str | None) -> list[dict[str, Any]]:
    """Return requests that deal the free agents out to the tasks, best first."""
    messages, left = [], list(free)
    for row in sorted(rows, key=_worth, reverse=True):
        lacks = row.need - len(row.coming) - (row.id == mine)
        if row.possible and left and 0 < lacks <= len(left):
            messages.append(_message(left[:lacks], "request", row.id))
            left = left[lacks:]
    return messages[:4]
