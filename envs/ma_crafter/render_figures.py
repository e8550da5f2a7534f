"""How MA-Crafter's agents and creatures look. Agents are drawn in an ink called `tint`, which `tiles` fills in."""

from __future__ import annotations

from emcoop.envs.ma_crafter.render_shapes import (
    Layer,
    Picture,
    bold,
    box,
    ellipse,
    fine,
    mirrored,
    polygon,
    stroke,
    turned,
)

_DARK = "#15171C"
_SKIN, _HAIR = "#F3C9A0", "#4A2F1D"
_ROTTEN, _ROTTEN_LIT, _RAGS = "#7FB84E", "#B4E36F", "#33507D"
_BONE = "#F2F0E6"

# Everything below stands on its cell and is dark-rimmed, so that it shows on grass, sand and rock alike.
_BODY: Picture = [
    fine("rim", box(0.19, 0.44, 0.81, 0.9, 0.15), box(0.27, 0.8, 0.73, 0.99, 0.04), ellipse(0.5, 0.29, 0.27)),
    fine("#3A4254", box(0.32, 0.84, 0.47, 0.96, 0.03), box(0.53, 0.84, 0.68, 0.96, 0.03)),
    fine("tint", box(0.23, 0.48, 0.77, 0.87, 0.12)),
    bold("rim", box(0.14, 0, 0.86, 0.57), box(0, 0.57, 1, 0.86), box(0.14, 0.86, 0.43, 1), box(0.57, 0.86, 0.86, 1)),
    bold("tint", box(0.14, 0.43, 0.86, 0.86)),
]
_FRONT: Picture = [
    *_BODY,
    fine(_HAIR, ellipse(0.5, 0.28, 0.23)),
    fine(_SKIN, ellipse(0.5, 0.34, 0.2, 0.165)),
    fine(_DARK, ellipse(0.42, 0.33, 0.032, 0.045), ellipse(0.58, 0.33, 0.032, 0.045)),
    fine("#B5654A", stroke(0.025, (0.44, 0.425), (0.48, 0.445), (0.52, 0.445), (0.56, 0.425)), least=24),
    fine("rim", ellipse(0.24, 0.78, 0.085), ellipse(0.76, 0.78, 0.085), least=24),
    fine(_SKIN, ellipse(0.24, 0.78, 0.06), ellipse(0.76, 0.78, 0.06), least=24),
    bold(_HAIR, box(0.29, 0, 0.71, 0.14)),
    bold(_SKIN, box(0.29, 0.14, 0.71, 0.43)),
]
_BACK: Picture = [
    *_BODY,
    fine(_HAIR, ellipse(0.5, 0.28, 0.23)),
    fine("#6B4730", stroke(0.03, (0.42, 0.14), (0.38, 0.36)), stroke(0.03, (0.56, 0.13), (0.6, 0.38))),
    bold(_HAIR, box(0.29, 0, 0.71, 0.43)),
]
_PROFILE: Picture = [
    *_BODY,
    fine("rim", ellipse(0.23, 0.35, 0.06)),
    fine(_HAIR, ellipse(0.5, 0.28, 0.23)),
    fine(_SKIN, polygon((0.53, 0.2), (0.28, 0.22), (0.26, 0.3), (0.2, 0.35), (0.28, 0.4), (0.32, 0.48), (0.53, 0.5))),
    fine(_DARK, ellipse(0.38, 0.31, 0.032, 0.045)),
    fine("rim", stroke(0.16, (0.3, 0.62), (0.1, 0.62)), least=24),
    fine("tint", stroke(0.09, (0.36, 0.62), (0.16, 0.62)), least=24),
    fine(_SKIN, ellipse(0.1, 0.62, 0.06), least=24),
    bold(_HAIR, box(0.43, 0, 0.71, 0.43), box(0.29, 0, 0.71, 0.14)),
    bold(_SKIN, box(0.14, 0.14, 0.43, 0.43)),
]
_LYING: list[Layer] = [
    fine("rim", box(0.02, 0.46, 0.98, 0.94, 0.16)),
    fine("#F7F5EE", box(0.05, 0.52, 0.4, 0.9, 0.1)),
    fine(_HAIR, ellipse(0.22, 0.7, 0.17)),
    fine("tint", box(0.38, 0.5, 0.95, 0.9, 0.12)),
    bold("rim", box(0, 0.43, 1, 1)),
    bold("tint", box(0.29, 0.57, 1, 0.86)),
]
_ASLEEP: Picture = [
    *_LYING,
    fine(_SKIN, ellipse(0.25, 0.7, 0.13)),
    fine(_DARK, stroke(0.03, (0.19, 0.66), (0.25, 0.68)), stroke(0.03, (0.19, 0.77), (0.25, 0.75))),
    fine(_DARK, stroke(0.13, (0.6, 0.1), (0.84, 0.1), (0.6, 0.36), (0.84, 0.36))),
    fine("#FFFFFF", stroke(0.06, (0.6, 0.1), (0.84, 0.1), (0.6, 0.36), (0.84, 0.36))),
    bold("#3D6FD9", box(0.43, 0, 1, 0.43)),
    bold("#FFFFFF", box(0, 0.57, 0.29, 0.86), box(0.57, 0, 1, 0.14), box(0.71, 0.14, 0.86, 0.29),
         box(0.57, 0.29, 1, 0.43)),
    bold(_SKIN, box(0, 0.71, 0.29, 0.86)),
]  # fmt: skip
_FALLEN: Picture = [
    fine("#8C1F28", ellipse(0.5, 0.86, 0.49, 0.13)),
    *_LYING,
    fine("#C9CBD2", ellipse(0.23, 0.7, 0.14)),
    fine(_DARK, stroke(0.03, (0.16, 0.63), (0.24, 0.69)), stroke(0.03, (0.24, 0.63), (0.16, 0.69)),
         stroke(0.03, (0.16, 0.73), (0.24, 0.79)), stroke(0.03, (0.24, 0.73), (0.16, 0.79))),
    fine("#FFFFFF", box(0.42, 0.1, 0.82, 0.42, 0.06)),
    fine("#D62839", box(0.57, 0.14, 0.67, 0.38), box(0.48, 0.21, 0.76, 0.31)),
    bold("#D0D2D8", box(0, 0.57, 0.29, 0.86)),
    bold("#FFFFFF", box(0.29, 0, 1, 0.43)),
    bold("#D62839", box(0.43, 0.14, 0.86, 0.29), box(0.57, 0, 0.71, 0.43)),
]  # fmt: skip
_GONE: Picture = [
    fine(_DARK, ellipse(0.5, 0.92, 0.4, 0.07)),
    fine("rim", box(0.2, 0.08, 0.8, 0.95, 0.26)),
    fine("#B9BCC6", box(0.25, 0.13, 0.75, 0.9, 0.22)),
    fine("#8B8E99", box(0.68, 0.3, 0.75, 0.9)),
    fine("#5A5D69", box(0.46, 0.2, 0.54, 0.48), box(0.37, 0.27, 0.63, 0.34)),
    fine("tint", box(0.25, 0.54, 0.75, 0.88)),
    bold("rim", box(0.14, 0, 0.86, 1), box(0, 0.86, 1, 1)),
    bold("#C4C7D0", box(0.29, 0, 0.71, 0.43)),
    bold("#5A5D69", box(0.43, 0, 0.57, 0.43), box(0.29, 0.14, 0.71, 0.29)),
    bold("tint", box(0.29, 0.43, 0.71, 0.86)),
]
AGENT_POSES: tuple[Picture, ...] = (_BACK, _FRONT, _PROFILE, mirrored(_PROFILE), _ASLEEP, _FALLEN, _GONE)
"""Facing up, down, left, right; asleep; down, may be revived; gone, only the bag is left."""

ZOMBIE: Picture = [
    fine("#18230F", box(0.24, 0.03, 0.76, 0.48, 0.1), box(0.2, 0.42, 0.8, 0.84, 0.06),
         box(0.26, 0.78, 0.74, 0.99, 0.03), stroke(0.22, (0.14, 0.54), (0.86, 0.54))),
    fine("#403350", box(0.31, 0.8, 0.47, 0.95), box(0.53, 0.8, 0.69, 0.95)),
    fine(_RAGS, box(0.25, 0.47, 0.75, 0.8)),
    fine("#27406A", polygon((0.25, 0.8), (0.25, 0.7), (0.36, 0.8), (0.46, 0.71), (0.56, 0.8), (0.66, 0.7),
         (0.75, 0.8))),
    fine(_ROTTEN_LIT, stroke(0.12, (0.14, 0.54), (0.28, 0.54)), stroke(0.12, (0.72, 0.54), (0.86, 0.54))),
    fine(_ROTTEN, box(0.29, 0.08, 0.71, 0.44, 0.06)),
    fine(_ROTTEN_LIT, box(0.29, 0.08, 0.71, 0.3, 0.06)),
    fine("#18230F", box(0.35, 0.2, 0.46, 0.29), box(0.54, 0.2, 0.65, 0.29), box(0.39, 0.35, 0.61, 0.4)),
    fine("#F0443A", box(0.39, 0.22, 0.44, 0.27), box(0.56, 0.22, 0.61, 0.27)),
    bold("#18230F", box(0.14, 0.43, 0.86, 1), box(0, 0.14, 1, 0.43)),
    bold(_ROTTEN_LIT, box(0.14, 0, 0.86, 0.43), box(0, 0.43, 1, 0.57)),
    bold("#C8102E", box(0.29, 0.14, 0.43, 0.29), box(0.57, 0.14, 0.71, 0.29)),
    bold(_RAGS, box(0.29, 0.43, 0.71, 0.86)),
    bold("#403350", box(0.29, 0.86, 0.43, 1), box(0.57, 0.86, 0.71, 1)),
]  # fmt: skip

_RIBS = (stroke(0.05, (0.34, 0.52), (0.66, 0.52)), stroke(0.05, (0.36, 0.61), (0.64, 0.61)),
         stroke(0.05, (0.39, 0.7), (0.61, 0.7)))  # fmt: skip
SKELETON: Picture = [
    fine("#1B1C22", ellipse(0.47, 0.25, 0.25, 0.23), box(0.33, 0.3, 0.61, 0.49, 0.04), box(0.27, 0.45, 0.72, 0.8, 0.05),
         stroke(0.15, (0.42, 0.78), (0.36, 0.95)), stroke(0.15, (0.56, 0.78), (0.62, 0.95)),
         stroke(0.15, (0.66, 0.52), (0.82, 0.6)), stroke(0.14, (0.32, 0.52), (0.2, 0.72))),
    fine(_BONE, ellipse(0.47, 0.23, 0.2, 0.18), box(0.37, 0.3, 0.57, 0.43, 0.03)),
    fine("#1B1C22", ellipse(0.39, 0.25, 0.055), ellipse(0.55, 0.25, 0.055), polygon((0.44, 0.35), (0.47, 0.3),
         (0.5, 0.35)), box(0.43, 0.39, 0.445, 0.43), box(0.49, 0.39, 0.505, 0.43)),
    fine(_BONE, stroke(0.06, (0.5, 0.48), (0.5, 0.78)), *_RIBS, stroke(0.06, (0.42, 0.78), (0.58, 0.78)),
         stroke(0.07, (0.42, 0.78), (0.36, 0.95)), stroke(0.07, (0.57, 0.78), (0.62, 0.95)),
         stroke(0.07, (0.66, 0.52), (0.82, 0.6)), stroke(0.06, (0.33, 0.53), (0.2, 0.72))),
    fine("#A9713B", stroke(0.06, (0.78, 0.3), (0.92, 0.44), (0.95, 0.6), (0.92, 0.76), (0.78, 0.9))),
    fine("#E6E1D2", stroke(0.02, (0.78, 0.3), (0.78, 0.9)), least=24),
    bold("#1B1C22", box(0.14, 0, 0.86, 1), box(0, 0.14, 1, 0.86)),
    bold(_BONE, box(0.14, 0, 0.86, 0.29), box(0.29, 0.29, 0.71, 0.43), box(0.43, 0.43, 0.57, 0.86),
         box(0.14, 0.49, 0.86, 0.57), box(0.14, 0.71, 0.86, 0.79), box(0.14, 0.86, 0.29, 1), box(0.71, 0.86, 0.86, 1)),
    bold("#1B1C22", box(0.29, 0.14, 0.43, 0.29), box(0.57, 0.14, 0.71, 0.29)),
]  # fmt: skip

_HIDE, _PATCH, _MUZZLE = "#F6F1E7", "#5A3A28", "#F2A3A8"
COW: Picture = [
    fine("#2B1E16", box(0.2, 0.28, 0.97, 0.74, 0.16), ellipse(0.22, 0.37, 0.21, 0.2), box(0.28, 0.66, 0.48, 0.96, 0.03),
         box(0.7, 0.66, 0.9, 0.96, 0.03), stroke(0.08, (0.95, 0.4), (0.97, 0.7))),
    fine(_HIDE, box(0.24, 0.32, 0.93, 0.7, 0.13), box(0.32, 0.66, 0.44, 0.88), box(0.74, 0.66, 0.86, 0.88)),
    fine("#3A2A20", box(0.32, 0.87, 0.44, 0.93), box(0.74, 0.87, 0.86, 0.93)),
    fine(_PATCH, ellipse(0.55, 0.4, 0.12, 0.09), ellipse(0.82, 0.5, 0.1, 0.13), ellipse(0.6, 0.65, 0.09, 0.05)),
    fine("#F7A8B0", ellipse(0.64, 0.71, 0.08, 0.05)),
    fine("#D9CDB4", stroke(0.06, (0.08, 0.2), (0.06, 0.1)), stroke(0.06, (0.35, 0.2), (0.38, 0.1))),
    fine(_HIDE, ellipse(0.22, 0.36, 0.17, 0.165)),
    fine(_PATCH, ellipse(0.32, 0.28, 0.09, 0.08), ellipse(0.04, 0.27, 0.045, 0.035), ellipse(0.41, 0.27, 0.045, 0.035)),
    fine(_MUZZLE, ellipse(0.2, 0.48, 0.14, 0.085)),
    fine("#1B1C22", ellipse(0.15, 0.34, 0.03), ellipse(0.29, 0.34, 0.03), ellipse(0.15, 0.48, 0.02),
         ellipse(0.25, 0.48, 0.02)),
    bold("#2B1E16", box(0.29, 0.14, 1, 0.29), box(0.14, 0.71, 1, 0.86), box(0.14, 0.86, 0.43, 1),
         box(0.71, 0.86, 1, 1), box(0, 0, 0.14, 0.14), box(0.29, 0, 0.43, 0.14)),
    bold(_HIDE, box(0.14, 0.29, 1, 0.71), box(0.14, 0.71, 0.43, 0.86), box(0.71, 0.71, 1, 0.86),
         box(0, 0.14, 0.43, 0.57)),
    bold(_PATCH, box(0.57, 0.29, 0.86, 0.43), box(0.57, 0.43, 0.71, 0.57), box(0.86, 0.57, 1, 0.71)),
    bold("#1B1C22", box(0, 0.29, 0.14, 0.43), box(0.29, 0.29, 0.43, 0.43)),
    bold(_MUZZLE, box(0, 0.43, 0.43, 0.57)),
]  # fmt: skip


def _arrow(quarters: int) -> list[Layer]:
    """Return an arrow that points up, turned clockwise by quarters of a full turn."""
    feathers = [stroke(0.08, (0.5, y), (0.5 + side * 0.14, y + 0.1)) for y in (0.7, 0.82) for side in (-1, 1)]
    upright = [
        fine(_DARK, stroke(0.14, (0.5, 0.22), (0.5, 0.9)), polygon((0.5, -0.03), (0.76, 0.38), (0.24, 0.38)),
             *(stroke(0.14, (0.5, y), (0.5 + side * 0.14, y + 0.1)) for y in (0.7, 0.82) for side in (-1, 1))),
        fine("#EBCB95", stroke(0.08, (0.5, 0.22), (0.5, 0.92))),
        fine("#F4F6FA", polygon((0.5, 0.06), (0.68, 0.33), (0.32, 0.33))),
        fine("#E4574C", *feathers),
        bold("#F4F6FA", box(0.43, 0, 0.57, 0.14), box(0.29, 0.14, 0.71, 0.29), box(0.14, 0.29, 0.86, 0.43)),
        bold("#EBCB95", box(0.43, 0.43, 0.57, 0.86)),
        bold("#E4574C", box(0.29, 0.71, 0.43, 1), box(0.57, 0.71, 0.71, 1)),
    ]  # fmt: skip
    return [Layer(turned(layer.shape, quarters), layer.ink, layer.least, layer.most) for layer in upright]


ARROWS: tuple[Picture, ...] = (_arrow(0), _arrow(2), _arrow(3), _arrow(1))
"""Flying up, down, left, right."""
