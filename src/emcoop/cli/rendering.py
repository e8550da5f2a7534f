"""Look at a recorded episode: its actions in a fresh environment, as a window or a GIF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

FRAME_MS = 120
LAST_FRAME_MS = 1500


def frames(trace: Path, render_mode: str) -> Iterator[Any]:
    """Yield what `env.render()` returns after reset and after every recorded step.

    Args:
        trace: A trace file.
        render_mode: `rgb_array` (frames are uint8 arrays, rows x columns x 3) or `human` (frames are None).
    """
    import emcoop
    from emcoop.trace.schema import Step

    recorded = emcoop.read_trace(trace)
    episode = recorded.episode
    env = emcoop.parallel_env(
        episode.env_id,
        n_agents=episode.n_agents,
        max_steps=episode.max_steps,
        render_mode=render_mode,
        **episode.env_kwargs,
    )
    try:
        env.reset(seed=episode.seed, options=episode.options or None)
        yield env.render()
        for step in recorded.of(Step):
            if not step.actions:
                continue
            joint = dict(zip(env.possible_agents, step.actions))
            env.step({agent: joint[agent] for agent in env.agents})
            yield env.render()
    finally:
        env.close()


def write_gif(trace: Path, output: Path) -> int:
    """Write a recorded episode as an animated GIF; return the number of frames."""
    from PIL import Image

    images = [Image.fromarray(frame).quantize(64) for frame in frames(trace, "rgb_array")]
    times = [FRAME_MS] * (len(images) - 1) + [LAST_FRAME_MS]
    output.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(output, save_all=True, append_images=images[1:], duration=times, loop=0)
    return len(images)


def show_window(trace: Path) -> None:
    """Play a recorded episode in a window, at the environment's own pace."""
    for _ in frames(trace, "human"):
        pass
