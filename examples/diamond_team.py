"""A team of three climbs MA-Crafter's technology tree to the diamond, as a GIF (the picture in docs/ma-crafter.md).

python examples/diamond_team.py out.gif
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import emcoop
from emcoop.trace.schema import Step

N_AGENTS, SEED, MAX_STEPS = 3, 8, 400
WORLD = {"area": (32, 32), "goal": "diamond"}
CAPTION, FRAME_MS, LAST_MS, COLOURS = 36, 100, 4000, 256
BACKDROP, INK = "#262C38", "#F6F4EE"


def in_words(event: Mapping[str, Any]) -> str:
    """Say what a step of the technology tree was; nothing of what happens all the time."""
    who = " + ".join(map(str, event["agents"]))
    if event["kind"] == "make":
        return f"{event['item'].replace('_', ' ')}: made by {who}"
    if event["kind"] == "place":
        return f"{event['item']}: placed by {who}"
    if event["kind"] == "collect" and event["need"] > 1:
        return f"{event['resource']} takes {event['need']} agents: {who}, {event['points']:g} points"
    return ""


def frames() -> list[Image.Image]:
    """Run an episode, then replay its joint actions in a fresh environment that draws."""
    episode = emcoop.run_episode(
        "MACrafter-L3-v0", n_agents=N_AGENTS, planner="oracle", seed=SEED, max_steps=MAX_STEPS, env_kwargs=WORLD
    )
    env = emcoop.parallel_env(
        "MACrafter-L3-v0", n_agents=N_AGENTS, max_steps=MAX_STEPS, render_mode="rgb_array", **WORLD
    )
    env.reset(seed=SEED)
    font, said = ImageFont.load_default(20), ""
    pictures = []
    for event in episode.events:
        if isinstance(event, Step) and event.actions:
            joint = dict(zip(env.possible_agents, event.actions))
            env.step({agent: joint[agent] for agent in env.agents})
            said = next(filter(None, map(in_words, env.events)), said)
            world = Image.fromarray(env.render())
            sheet = Image.new("RGB", (world.width, world.height + CAPTION), BACKDROP)
            sheet.paste(world, (0, CAPTION))
            ImageDraw.Draw(sheet).text((12, 6), f"step {len(pictures) + 1}   {said}", INK, font)
            pictures.append(sheet)
    return pictures


def main(path: str) -> None:
    """Write the GIF, all frames with the colours of the last: what does not change then takes no room."""
    pictures = frames()
    palette = pictures[-1].quantize(COLOURS, method=Image.Quantize.FASTOCTREE)  # it keeps rare colours
    sheets = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    times = [FRAME_MS] * (len(sheets) - 1) + [LAST_MS]
    sheets[0].save(path, save_all=True, append_images=sheets[1:], duration=times, loop=0)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "diamond_team.gif")
