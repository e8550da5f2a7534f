"""CUBE's rules in words, with the numbers of one instance, for planners that read."""

from __future__ import annotations

from emcoop.envs.cube.settings import CubeSettings


def rules_text(settings: CubeSettings, sight: int | None) -> str:
    """Return the rules of a board in words.

    Args:
        settings: What fixes the board.
        sight: How far agents see in cells, None = everything.
    """
    size, n = settings.grid_size, settings.n_agents
    team = f"The team has {n} agents" if n > 1 else "You are alone"
    seen = (
        "You see the whole board."
        if sight is None
        else f"You see {sight} cells far in every direction, and remember blocks where you last saw them."
    )
    return "\n".join(
        (
            f"A board of {size} x {size} cells, (row, col) counted from the top left. {team}; an agent fills one cell "
            f"and moves one cell up, down, left or right in a step. {seen}",
            f"Square blocks have to be pushed into the goal, the last column ({size - 1}), on the right. A block of "
            f"weight w is w cells wide and high and needs w agents that push the same way in the same step. Once it "
            "touches the goal it is delivered, earns its weight in points and is gone; the episode ends when all are.",
            "To push a block right, stand in line on its left face: in a cell that touches it, or in an unbroken "
            "row of agents behind one. A single file does; the face need not be full. Fewer than w move nothing.",
            "Blocks in touch ahead move along and add their weights. A push fails too if what it moves would leave the "
            "board or enter a cell with an agent that does not push with it. Do not stand in front of a moving block.",
            "Pushing from top or bottom moves a block down or up, for instance around another block in its way. A "
            "block in column 0 can never be delivered: nobody fits to the left of it.",
            "The task blockI/FACE means: stand on that face of block I and push; blockI/left moves it to the goal. "
            "First all go there, then they meet (rendezvous), then they push together.",
            f"The episode lasts at most {settings.max_steps} steps.",
        )
    )
