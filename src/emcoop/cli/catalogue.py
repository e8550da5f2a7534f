"""`emcoop list`: what can be named on the command line."""

from __future__ import annotations

_OPTIONS = "options as NAME:OPTION=VALUE,OPTION=VALUE"
HOW = {
    "planners": _OPTIONS,
    "chat models": "for the planner llm as llm:PROVIDER/MODEL,OPTION=VALUE",
    "topologies": _OPTIONS,
    "monitors": _OPTIONS,
}
"""How options are given on the command line."""


def list_all() -> None:
    """List environments, planners, chat models, topologies, monitors, metrics and suites."""
    from rich.console import Console
    from rich.table import Table

    import emcoop
    from emcoop.baselines.suite import list_suites

    console = Console()
    sections = {
        "environments": emcoop.list_environments(),
        "planners": emcoop.list_planners(),
        "chat models": emcoop.list_chat_models(),
        "topologies": emcoop.list_topologies(),
        "monitors": emcoop.list_monitors(),
        "metrics": emcoop.list_metrics(),
        "suites": list_suites(),
    }
    for title, entries in sections.items():
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for name, description in entries.items():
            table.add_row(f"  {name}", description)
        console.print(f"{title}, {HOW[title]}" if title in HOW else title)
        console.print(table)
