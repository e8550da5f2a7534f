"""`emcoop run` and `emcoop replay`: one episode."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emcoop.cli.model_options import with_models
from emcoop.cli.settings import (
    ChannelSettings,
    EnvSettings,
    Faults,
    MonitorNames,
    TopologyName,
    read_channel,
    read_faults,
    read_monitors,
    read_planners,
    read_settings,
    read_topology,
)
from emcoop.errors import ConfigError, ReplayMismatch, TraceError

if TYPE_CHECKING:
    from emcoop.cognitive_layer.episode import EpisodeResult


class Render(str, Enum):
    """Ways to look at an episode."""

    human = "human"
    gif = "gif"


@with_models
def run(
    env: Annotated[str, typer.Argument(metavar="ENV", help="Environment id, see `emcoop list`.")],
    agents: Annotated[int | None, typer.Option("--agents", help="Team size (default: the environment's).")] = None,
    planner: Annotated[
        list[str] | None,
        typer.Option(
            "--planner",
            metavar="NAME[:OPTIONS]",
            help="Planner of every agent (default greedy), such as llm:openai/gpt-4o-mini,prompts=short; repeat it for "
            "a mixed team.",
        ),
    ] = None,
    topology: TopologyName = "individual",
    seed: Annotated[int, typer.Option("--seed", help="Episode seed.")] = 0,
    trace: Annotated[Path | None, typer.Option("--trace", help="Write the trace here (.jsonl or .jsonl.gz).")] = None,
    max_steps: Annotated[int | None, typer.Option("--max-steps", help="Episode length in steps.")] = None,
    settings: EnvSettings = None,
    channel: ChannelSettings = None,
    monitors: MonitorNames = None,
    faults: Faults = None,
    keep_text: Annotated[bool, typer.Option("--keep-text", help="Keep prompts in the trace.")] = False,
    render: Annotated[Render | None, typer.Option("--render", help="Show it in a window, or write a GIF.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the GIF goes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    models: dict[str, Any] | None = None,
) -> None:
    """Run one episode and print its metrics."""
    output = _gif_path(render, output, env, seed)
    import emcoop

    planners = planner or ["greedy"]
    team = read_planners(planners)
    with tempfile.TemporaryDirectory() as scratch:
        path = trace or (Path(scratch) / "episode.jsonl.gz" if render else None)
        result = emcoop.run_episode(
            env,
            n_agents=agents,
            planner=team[0] if len(team) == 1 else team,
            topology=read_topology(topology),
            seed=seed,
            max_steps=max_steps,
            env_kwargs=read_settings(settings),
            channel=read_channel(channel),
            monitors=read_monitors(monitors),
            faults=read_faults(faults),
            keep_text=keep_text,
            models=models,
            trace=path,
        )
        call = {"env": env, "n_agents": result.n_agents, "planner": planners, "topology": topology, "seed": seed}
        (_print_json if as_json else _print_table)(call, result, trace)
        if render is not None and path is not None:
            _show(path, output)
    if result.status != "completed":
        print(f"emcoop: the episode ended with {result.status}: {result.error}", file=sys.stderr)
        raise typer.Exit(1)


def replay(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace written by run or sweep.")],
) -> None:
    """Run a recorded episode again and compare every state; exit code 0 if the same, 1 if not, 2 if it is cut off."""
    import emcoop

    recorded = emcoop.read_trace(trace)
    try:
        emcoop.replay(recorded)
    except ReplayMismatch as mismatch:
        print(f"emcoop: {trace}: {mismatch}", file=sys.stderr)
        raise typer.Exit(1) from mismatch
    from emcoop.trace.schema import Step

    states = len(recorded.of(Step))
    if not recorded.complete:
        raise TraceError(f"{trace}: {recorded.problem}; the {states} states that are there are the same")
    print(f"{trace}: same in all {states} recorded states")


def _gif_path(render: Render | None, output: Path | None, env: str, seed: int) -> Path | None:
    """Return where the GIF goes: where the user says, else a name made of environment and seed."""
    if render is not Render.gif and output is not None:
        raise ConfigError(f"-o {output} is where a GIF goes: add --render gif, or leave it out")
    if render is Render.gif and output is not None and output.suffix.lower() != ".gif":
        raise ConfigError(f"--render gif writes to a file that ends in .gif, not to {output}: give -o FILE.gif")
    if render is Render.gif and output is None:
        return Path(f"{env.rpartition('/')[2]}-seed{seed}.gif")
    return output


def _show(trace: Path, output: Path | None) -> None:
    from emcoop.cli.rendering import show_window, write_gif

    if output is None:
        show_window(trace)
    else:
        write_gif(trace, output)


def _print_table(call: dict[str, Any], result: EpisodeResult, trace: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    team = "+".join(call["planner"])
    print(f"{call['env']}, {call['n_agents']} agents, {team}, {call['topology']}, seed {call['seed']}")
    table = Table()
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right")
    for name in ("status", "score", "steps"):
        table.add_row(name, _text(getattr(result, name)))
    table.add_section()
    for name in sorted(result.metrics):
        if name not in ("score", "steps"):
            table.add_row(name, _text(result.metrics[name]))
    console = Console()
    console.print(table)
    console.print(f"trace: {trace}" if trace else "trace: not kept, add --trace FILE", soft_wrap=True, markup=False)


def _print_json(call: dict[str, Any], result: EpisodeResult, trace: Path | None) -> None:
    names = ("status", "error", "score", "raw_score", "steps", "digest")
    report = {**call, **{name: getattr(result, name) for name in names}}
    report["metrics"] = {name: None if math.isnan(v) else v for name, v in sorted(result.metrics.items())}
    report["trace"] = str(trace) if trace else None
    print(json.dumps(report, indent=2))


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "n/a"
    return f"{value:.0f}" if value == int(value) else f"{value:.4f}"
