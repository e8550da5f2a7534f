"""The process of one example episode, drawn from its trace."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emcoop.metrics import resampling, statistics
from emcoop.metrics.report import style
from emcoop.metrics.report.examples import Examples, described
from emcoop.metrics.report.style import Drawn
from emcoop.metrics.resampling import FloatArray
from emcoop.trace import Trace
from emcoop.trace.schema import Constraint, End, Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUESTION = "What happened in one episode?"
BANDS = ("dependency", "participation", "spatial", "temporal", "joint")
_MOST_SIBLINGS = 20
_FOCUS = (*style.PALETTE[:6], "#8C6D31")  # the seven tasks most worked on, then one colour for all others
_OTHER_TASK = "#B0B0B0"


def process_trace(examples: Examples) -> Drawn:
    """Draw progress, constraint bands and task focus of an example episode, before the mean of its cell."""
    for trace, row in examples.episodes():
        return _draw(trace, row, examples.siblings(row, _MOST_SIBLINGS))
    return Drawn("process_trace", QUESTION, absent=examples.problem)


def progress_of(traces: Sequence[Trace], horizon: int) -> FloatArray:
    """Return the progress of several episodes, shape (episodes, horizon + 1); after its end each stays where it was."""
    out = np.zeros((len(traces), horizon + 1))
    for line, trace in zip(out, traces, strict=True):
        for step in trace.of(Step):
            line[min(step.t, horizon) :] = step.progress
    return out


def bands(trace: Trace, horizon: int) -> FloatArray:
    """Compute how far each constraint was met in each step, shape (5, horizon), NaN where no task was active.

    A row per entry of `BANDS`: the mean over active tasks of min(1, count / required); dependency is 0 or 1.
    """
    out = np.full((len(BANDS), horizon), np.nan)
    for event in trace.of(Constraint):
        if event.t >= horizon or not event.tasks:
            continue
        required = np.maximum(1, event.required)
        counts = (event.committed, event.in_place, event.acting, event.joint)
        out[0, event.t] = np.mean(event.dependency)
        for i, count in enumerate(counts, start=1):
            out[i, event.t] = np.minimum(1, np.array(count) / required).mean()
    return out


def focus(trace: Trace, horizon: int) -> tuple[NDArray[np.int64], list[str]]:
    """Find the task each agent was committed to in each step.

    Returns:
        Index of the task, shape (n_agents, horizon), -1 for none; the tasks, the most worked on first.
    """
    committed: list[tuple[int, int, str]] = []
    for event in trace.of(Constraint):
        for task, agents in zip(event.tasks, event.participants, strict=True):
            committed += [(agent, event.t, task) for agent in agents if event.t < horizon]
    work: dict[str, int] = {}
    for _, _, task in committed:
        work[task] = work.get(task, 0) + 1
    tasks = sorted(work, key=lambda task: (-work[task], task))
    index = {task: i for i, task in enumerate(tasks)}
    out = np.full((trace.episode.n_agents, horizon), -1, dtype=np.int64)
    for agent, t, task in committed:
        out[agent, t] = index[task]
    return out, tasks


def _draw(trace: Trace, row: dict[str, Any], cell: Sequence[Trace]) -> Drawn:
    steps = trace.of(Step)
    horizon = max(step.t for step in steps)
    agents, tasks = focus(trace, horizon)
    raster = min(2.6, 0.5 + 0.16 * len(agents))
    figure, grid = style.canvas(
        QUESTION, 4.0 + raster, 3, 1, sharex=True, height_ratios=[1.7, 1.3, raster], gridspec_kw={"hspace": 0.08}
    )
    progress, constraint, who = grid[:, 0]
    _cell(progress, cell, horizon)
    _progress(progress, steps, trace.end)
    _constraint_bands(constraint, bands(trace, horizon), figure)
    _task_focus(who, agents, tasks)
    who.set_xlabel("environment step")
    who.set_xlim(0, horizon * 1.02)
    caption = f"Example: {described(row)}. Line: its progress. "
    if len(cell) > 1:
        ends = [trace.end.score for trace in cell if trace.end is not None]
        caption += (
            f"Grey: mean progress and score of the {len(cell)} episodes of its cell, other seeds included, with 95 % "
            f"intervals (score {style.interval(statistics.mean(ends))}, n = {len(ends)}). "
        )
    else:
        caption += "The only episode of its cell, so no interval. "
    caption += (
        "Bands: share of the required agents, mean over the tasks somebody was committed to; hatched where there was "
        "none. Task focus: the task each agent was committed to."
    )
    if not trace.complete:
        caption += f" Note: {trace.problem}."
    return Drawn("process_trace", QUESTION, caption, figure)


def _cell(axes: Axes, traces: Sequence[Trace], horizon: int) -> None:
    """Draw mean progress and score of a cell behind the example, with intervals."""
    if len(traces) < 2:
        return
    lines = progress_of(traces, horizon)
    x = np.arange(horizon + 1)
    low, high = resampling.mean_bounds(
        lines, np.zeros(len(lines), dtype=np.int64), statistics.DRAWS, np.random.default_rng(0), 0.95
    )
    axes.fill_between(x, low, high, color=style.LIGHT, lw=0, step="post", label=f"mean of {len(traces)} seeds, 95 %")
    axes.plot(x, lines.mean(axis=0), color=style.GREY, lw=1.0, ls="--", drawstyle="steps-post")
    score = statistics.mean([trace.end.score for trace in traces if trace.end is not None])
    axes.errorbar([horizon * 1.012], [score.value], yerr=style.whiskers([score]), color=style.INK, marker="D", ms=4,
                  mfc="white", lw=1.2, capsize=2.5, clip_on=False, ls="none", label="score of the cell")  # fmt: skip


def _progress(axes: Axes, steps: list[Step], end: End | None) -> None:
    axes.plot([step.t for step in steps], [step.progress for step in steps], color=style.PALETTE[0], lw=1.6,
              drawstyle="steps-post", label="this episode")  # fmt: skip
    axes.legend(loc="upper left", fontsize=style.SMALL)
    axes.set_ylim(-0.03, 1.05)
    axes.set_ylabel("progress")
    axes.grid(axis="y")
    last = steps[-1]
    axes.axvline(last.t, color=style.INK, lw=0.8, ls="--")
    axes.plot([last.t], [last.progress], marker="o", ms=5, color=style.INK, clip_on=False)
    if end is None:
        text = f"trace stops at step {last.t}"
    else:
        why = "world ended it" if end.terminated else "horizon reached" if end.status == "completed" else end.status
        text = f"end at step {end.steps}: {why}, score {end.score:.2f}"
    axes.set_title(text, loc="right", fontweight="normal", fontsize=8.5)


def _constraint_bands(axes: Axes, values: FloatArray, figure: Any) -> None:
    extent = (0.0, float(values.shape[1]), len(BANDS) - 0.5, -0.5)
    axes.set_facecolor("white")
    axes.patch.set(hatch="////", edgecolor="#D0D0D0", linewidth=0)
    image = axes.imshow(values, aspect="auto", interpolation="nearest", cmap="cividis", vmin=0, vmax=1, extent=extent)
    axes.set_yticks(range(len(BANDS)), BANDS)
    axes.tick_params(axis="y", length=0)
    for place in range(1, len(BANDS)):
        axes.axhline(place - 0.5, color="white", lw=1.5)
    bar = figure.colorbar(image, cax=axes.inset_axes((1.012, 0.0, 0.014, 1.0)), ticks=[0, 0.5, 1])
    bar.set_label("share met", fontsize=8)
    bar.outline.set_visible(False)


def _task_focus(axes: Axes, agents: NDArray[np.int64], tasks: list[str]) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    named = len(_FOCUS)
    colors = ["#FFFFFF", *_FOCUS, _OTHER_TASK]
    extent = (0.0, float(agents.shape[1]), len(agents) - 0.5, -0.5)
    axes.imshow(np.minimum(agents, named) + 1, aspect="auto", interpolation="nearest", cmap=ListedColormap(colors),
                vmin=-0.5, vmax=len(colors) - 0.5, extent=extent)  # fmt: skip
    axes.set_ylabel("agent")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    letters = dict(enumerate(ascii_uppercase[:named]))
    for agent, line in enumerate(agents):
        for first, last in _runs(line):
            if line[first] in letters and last - first >= 0.03 * agents.shape[1] and len(agents) <= 16:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
                axes.text((first + last) / 2, agent, letters[line[first]], ha="center", va="center",
                          fontsize=style.SMALL, bbox=box)  # fmt: skip
    handles = [
        Patch(color=color, label=f"{letter} {task}")
        for color, letter, task in zip(_FOCUS, letters.values(), tasks, strict=False)
    ]
    if len(tasks) > named:
        handles.append(Patch(color=_OTHER_TASK, label=f"{len(tasks) - named} other tasks"))
    handles.append(Patch(facecolor="white", edgecolor=style.LIGHT, label="no task"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.005, 1.0), fontsize=style.SMALL,
                title="committed to",                title_fontsize=style.SMALL, borderaxespad=0)  # fmt: skip


def _runs(line: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return begin and end (exclusive) of every run of equal values."""
    cuts = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
    return list(pairwise(cuts))
