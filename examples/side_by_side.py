"""Two planners on the same board, side by side in one GIF (the picture at the top of the README).

python examples/side_by_side.py out.gif
"""

from __future__ import annotations

import sys
from itertools import zip_longest

from PIL import Image, ImageDraw, ImageFont

import emcoop
from emcoop.trace.schema import Step

N_AGENTS, SEED = 8, 0
GAP, CAPTION = 16, 44
BACKDROP, INK = "#2B3240", "#F6F4EE"


def frames(planner: str, topology: str) -> list[Image.Image]:
    """Run an episode, then replay its joint actions in a fresh environment that draws."""
    episode = emcoop.run_episode("Cube-v0", n_agents=N_AGENTS, planner=planner, topology=topology, seed=SEED)
    env = emcoop.parallel_env("Cube-v0", n_agents=N_AGENTS, render_mode="rgb_array")
    env.reset(seed=SEED)
    pictures = [Image.fromarray(env.render())]
    for event in episode.events:
        if isinstance(event, Step) and event.actions:
            env.step(dict(zip(env.agents, event.actions)))
            pictures.append(Image.fromarray(env.render()))
    return pictures


def main(path: str) -> None:
    """Write the GIF; whoever is done first waits for the other."""
    titles = ("greedy, nobody talks", "team, decentralized")
    left, right = frames("greedy", "individual"), frames("team", "decentralized")
    font = ImageFont.load_default(22)
    sheets = []
    for step, pair in enumerate(zip_longest(left, right)):
        width, height = left[0].size
        sheet = Image.new("RGB", (2 * width + 3 * GAP, height + CAPTION + GAP), BACKDROP)
        draw = ImageDraw.Draw(sheet)
        for k, (picture, pictures) in enumerate(zip(pair, (left, right))):
            x = GAP + k * (width + GAP)
            taken = min(step, len(pictures) - 1)
            sheet.paste(picture or pictures[-1], (x, CAPTION))
            draw.text((x, 9), f"{titles[k]}: step {taken}" + (", done" * (picture is None)), INK, font)
        sheets.append(sheet.quantize(32, dither=Image.Dither.NONE))
    times = [80] * (len(sheets) - 1) + [3000]
    sheets[0].save(path, save_all=True, append_images=sheets[1:], duration=times, loop=0, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "side_by_side.gif")
