"""`emcoop list`: what can be named on the command line."""

from __future__ import annotations


def list_all() -> None:
    """List environments, planners, topologies, metrics and suites."""
    from rich.console import Console
    from rich.table import Table

    import emcoop
    from emcoop.baselines.suite import list_suites

    console = Console()
    sections = {
        "environments": emcoop.list_environments(),
        "planners": emcoop.list_planners(),
        "topologies": emcoop.list_topologies(),
        "metrics": emcoop.list_metrics(),
        "suites": list_suites(),
    }
    for title, entries in sections.items():
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for name, description in entries.items():
            table.add_row(f"  {name}", description)
        console.print(title)
        console.print(table)
