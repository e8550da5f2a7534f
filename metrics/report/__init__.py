"""The report of a sweep: which topology, which team size, what failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from emcoop.metrics.report.rows import Results


def build_report(
    results: pd.DataFrame,
    out: Path,
    *,
    title: str,
    traces: Path | None = None,
    command: str = "",
    suite_hash: str = "",
) -> Path:
    """Write `report.html`, `figures/*.png|pdf` and `tables/*.csv` about the results of a sweep.

    The page is one self-contained file. The same results give the same bytes. Whatever the results cannot show (one
    topology, one seed, no matched regime, no completed episode, no traces) is said in a sentence in its place.

    Args:
        results: One row per finished attempt of one episode: `env`, `n_agents`, `topology`, `planner`, `regime`,
            `seed`, `status`, and if present `suite`, `variant`, `condition`, `attempt`, `error`, `trace` and one column
            per metric. A condition counts as part of the regime: `matched (lossy)`. Rows whose status is not
            `completed` are counted, never scored.
        out: Folder to write to, made if needed; files of an earlier report are overwritten.
        title: Heading of the page.
        traces: Folder that the `trace` column is relative to, or the folder the files lie in; for the example episode.
        command: Command that made the results, for the section on reproduction.
        suite_hash: SHA-256 of the suite.

    Returns:
        Path of `report.html`.

    Raises:
        ConfigError: The table lacks an identifying column, or holds a team size or seed that is no integer.
    """
    from emcoop.metrics.report import contents, findings, html, style
    from emcoop.metrics.report.examples import Examples
    from emcoop.metrics.report.rows import prepare

    data = prepare(results)
    frames = contents.tabulate(data)
    out = Path(out)
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        # Ten digits: what lies beyond may differ between processors.
        path = out / "tables" / f"{name}.csv"
        frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n", float_format="%.10g")
    with style.drawing():
        drawn = contents.draw(data, frames, Examples(data, traces))
        pictures = {figure.name: (figure, style.save(figure, out / "figures")) for figure in drawn}
    answers = [
        findings.which_topology(data, frames["topology_effect"]),
        findings.which_team_size(data, frames["team_size"]),
        findings.what_failed(data, frames["first_failing"], frames["status"], frames["missing"]),
        *findings.what_differs(data, frames["planner_options"], "Does the option help?", ["planner"]),
        *findings.what_differs(
            data, frames["robustness"], "What do faults and channels cost?", ["condition", "planner"]
        ),
    ]
    sections = contents.sections(data, frames, pictures, command)
    page = html.render(title, _facts(data, suite_hash), answers, sections)
    path = out / "report.html"
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


_NOUNS = {"topology": "topologies", "planner": "planners", "regime": "regimes"}


def _facts(data: Results, suite_hash: str) -> list[str]:
    rows = data.rows
    if not len(rows):
        return ["The results table has no rows: nothing was run."]
    suites = ", ".join(f"`{name}`" for name in sorted(set(rows["suite"])) if name)
    sizes = ", ".join(str(n) for n in sorted(set(rows["n_agents"])))
    parts = [
        f"{len(data.scored)} scored episodes of {', '.join(sorted(set(rows['env'])))}",
        f"teams of {sizes}",
        f"{rows['seed'].nunique()} seeds",
        *(f"{noun} {', '.join(data.names(column)) or 'none'}" for column, noun in _NOUNS.items()),
    ]
    text = "; ".join(parts) + "."
    facts = [text]
    if suites or suite_hash:
        facts.append(f"Suite {suites or 'unnamed'}" + (f", SHA-256 `{suite_hash}`" if suite_hash else "") + ".")
    return facts
