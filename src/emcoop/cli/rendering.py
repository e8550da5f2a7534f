"""Look at a recorded episode: its actions in a fresh environment, as a window or a GIF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

FRAME_MS = 120
LAST_FRAME_MS = 1500
COLOURS = 256
SAMPLES = 8
"""Frames whose colours make the palette of all: with one palette, a cell that does not change costs nothing."""


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

    images = [Image.fromarray(frame).quantize(COLOURS) for frame in frames(trace, "rgb_array")]
    shared = _palette(images[:: -(-len(images) // SAMPLES)] + images[-1:])
    images = [image.convert("RGB").quantize(palette=shared, dither=Image.Dither.NONE) for image in images]
    times = [FRAME_MS] * (len(images) - 1) + [LAST_FRAME_MS]
    output.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(output, save_all=True, append_images=images[1:], duration=times, loop=0)
    return len(images)


def _palette(samples: Sequence[Image]) -> Image:
    """Return an image whose palette has the colours of all samples, which are of one size."""
    from PIL import Image

    width, height = samples[0].size
    sheet = Image.new("RGB", (width, height * len(samples)))
    for k, sample in enumerate(samples):
        sheet.paste(sample.convert("RGB"), (0, k * height))
    # The method that keeps rare colours: those of the agents.
    return sheet.quantize(COLOURS, method=Image.Quantize.FASTOCTREE)


def show_window(trace: Path) -> None:
    """Play a recorded episode in a window, at the environment's own pace."""
    for _ in frames(trace, "human"):
        pass
