"""The page of the failure rules: `python -m emcoop.metrics.failures.page > docs/failures.md`."""

from __future__ import annotations

from dataclasses import fields
from itertools import groupby

from emcoop.metrics.failures import RULE_SET, rules
from emcoop.metrics.failures.rates import metric_name
from emcoop.metrics.failures.rule import Rule
from emcoop.metrics.failures.thresholds import BY_ENVIRONMENT, DEFAULTS, Thresholds

HEAD = """\
# Failure modes

A failure rule is a deterministic look through a trace for one way in which teams fail; no model judges. Rule set
`{version}`; ids are permanent. Every hit keeps its agents, its steps and the events that show it, and every rule
says how often it could have hit, so that rates of long and short episodes compare. This page is generated from the code
by `python -m emcoop.metrics.failures.page`.

```python
import emcoop
from emcoop.metrics.failures import find_failures

episode = emcoop.run_episode("Cube-v0", n_agents=4, planner="random", seed=0, trace="out.jsonl.gz")
found = find_failures(emcoop.read_trace("out.jsonl.gz"))["E2"]
print(len(found.hits), "of", found.opportunities, found.hits[:1])
assert episode.metrics["failures_e2"] > 0
```

*Severity* F is a failure (the goal out of reach, or credit lost), W a warning (risk or waste). *Pattern* is that of the
interaction graph (DIG, arXiv 2603.00309), *modes* are those of MAST (arXiv 2503.13657), *family* is a constraint: S
spatial, T temporal, N participation, P dependency. *Fidelity* says whether the rule is what they define, or a proxy:
something observable that stands for it. A rate of a proxy is no "MAST rate". A rule that does not apply to an episode,
such as a rule on messages where nobody may talk, gives NaN.
"""
GROUPS = {
    "C": "Communication and hand-off",
    "A": "Work allocation",
    "E": "Embodied constraints",
    "P": "Plans and control",
    "T": "Progress and termination",
    "G": "Propagation and group cognition",
}
THRESHOLDS = """\
## Thresholds

All numbers the rules depend on, in steps of the environment or in decisions, never in seconds.

"""


def page() -> str:
    """Return the page as Markdown."""
    sections = [
        _section(GROUPS[letter], list(members))
        for letter, members in groupby(rules().values(), lambda rule: rule.id[0])
    ]
    return "\n".join([HEAD.format(version=RULE_SET), *sections, THRESHOLDS + _thresholds()])


def _section(title: str, members: list[Rule]) -> str:
    crosswalk = (
        "| rule | severity | name | pattern | modes | family | fidelity | metric |\n|---|---|---|---|---|---|---|---|\n"
    )
    rows = "".join(f"| {' | '.join(_crosswalk(rule))} |\n" for rule in members)
    told = "".join(
        f"- **{rule.id}, {rule.name}.** {rule.says} *Opportunity:* {rule.opportunity}.\n" for rule in members
    )
    return f"## {title}\n\n{crosswalk}{rows}\n{told}"


def _crosswalk(rule: Rule) -> list[str]:
    modes, families = ", ".join(rule.mast), ", ".join(rule.families)
    fidelity = rule.fidelity if rule.dig or modes or families else ""
    return [rule.id, rule.severity, rule.name, rule.dig, modes, families, fidelity, f"`{metric_name(rule.id)}`"]


def _thresholds() -> str:
    meaning = _meanings()
    names = list(BY_ENVIRONMENT)
    head = f"| threshold | default | {' | '.join(names)} | meaning |\n|---|---|{'---|' * len(names)}---|\n"
    rows = "".join(
        f"| `{field.name}` | {getattr(DEFAULTS, field.name)} | "
        f"{' | '.join(str(getattr(BY_ENVIRONMENT[name], field.name)) for name in names)} | {meaning[field.name]} |\n"
        for field in fields(Thresholds)
    )
    return head + rows


def _meanings() -> dict[str, str]:
    """Return threshold -> what its docstring says."""
    lines = (Thresholds.__doc__ or "").split("Attributes:")[1].strip().splitlines()
    found: dict[str, str] = {}
    for line in map(str.strip, lines):
        name, colon, text = line.partition(": ")
        if colon and name.isidentifier():
            found[name] = text
        elif found:
            last = next(reversed(found))
            found[last] += f" {line}"
    return {name: text.rstrip(".") for name, text in found.items()}


if __name__ == "__main__":
    print(page(), end="")
