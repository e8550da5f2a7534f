"""How MA-Crafter's items and vital signs look in the strip below a view."""

from __future__ import annotations

from emcoop.envs.ma_crafter.render_shapes import Picture, bold, box, ellipse, fine, polygon, stroke
from emcoop.envs.ma_crafter.render_terrain import SPROUT

_HANDLE = "#7A4A26"
_METALS = {"wood": ("#C98B4A", "#8F5C2A"), "stone": ("#9EA2AD", "#6B6F7B"), "iron": ("#FBFCFF", "#AFC3DA")}
"""Lit and shaded ink of tools, by what they are made of."""


def _pickaxe(metal: str) -> Picture:
    lit, shaded = _METALS[metal]
    head = ((0.12, 0.5), (0.18, 0.3), (0.36, 0.18), (0.6, 0.14), (0.78, 0.22), (0.86, 0.4), (0.82, 0.64))
    return [
        fine(_HANDLE, stroke(0.11, (0.2, 0.9), (0.68, 0.34))),
        fine(shaded, stroke(0.17, (0.3, 0.14), (0.55, 0.16), (0.76, 0.26), (0.86, 0.5), (0.87, 0.72))),
        fine(lit, stroke(0.1, (0.28, 0.13), *head[3:5], (0.84, 0.45), (0.87, 0.72))),
        bold(_HANDLE, box(0.14, 0.71, 0.29, 0.86), box(0.29, 0.57, 0.43, 0.71), box(0.43, 0.43, 0.57, 0.57),
             box(0, 0.86, 0.14, 1)),
        bold(lit, box(0.29, 0, 0.71, 0.14), box(0.57, 0.14, 0.86, 0.29), box(0.86, 0.29, 1, 0.71),
             box(0.57, 0.29, 0.71, 0.43), box(0.71, 0.14, 0.86, 0.43)),
    ]  # fmt: skip


def _sword(metal: str) -> Picture:
    lit, shaded = _METALS[metal]
    return [
        fine(shaded, polygon((0.88, 0.06), (0.9, 0.22), (0.44, 0.7), (0.3, 0.56), (0.72, 0.1))),
        fine(lit, polygon((0.88, 0.06), (0.72, 0.1), (0.3, 0.56), (0.37, 0.63))),
        fine(_HANDLE, stroke(0.1, (0.34, 0.66), (0.16, 0.84)), ellipse(0.14, 0.86, 0.08)),
        fine("#E0B23C", stroke(0.1, (0.22, 0.54), (0.46, 0.78))),
        bold(lit, box(0.86, 0, 1, 0.29), box(0.71, 0.14, 0.86, 0.43), box(0.57, 0.29, 0.71, 0.57),
             box(0.43, 0.43, 0.57, 0.57), box(0.71, 0, 1, 0.14), box(0.57, 0.14, 0.71, 0.29),
             box(0.43, 0.29, 0.57, 0.43)),
        bold("#E0B23C", box(0.14, 0.43, 0.29, 0.57), box(0.29, 0.57, 0.43, 0.71), box(0.43, 0.71, 0.57, 0.86)),
        bold(_HANDLE, box(0.14, 0.71, 0.29, 0.86), box(0, 0.86, 0.14, 1)),
    ]  # fmt: skip


def _rock(dark: str, body: str, lit: str) -> Picture:
    outline = ((0.1, 0.66), (0.16, 0.36), (0.4, 0.14), (0.7, 0.18), (0.92, 0.46), (0.86, 0.8), (0.3, 0.88))
    return [
        fine(dark, polygon(*outline)),
        fine(body, polygon(*((0.5 + 0.86 * (x - 0.5), 0.5 + 0.86 * (y - 0.52)) for x, y in outline))),
        fine(lit, polygon((0.24, 0.42), (0.42, 0.22), (0.64, 0.26), (0.5, 0.44))),
        bold(dark, box(0.14, 0.29, 0.86, 0.86), box(0.29, 0.14, 0.71, 1)),
        bold(body, box(0.14, 0.29, 0.71, 0.71), box(0.29, 0.14, 0.71, 0.86)),
        bold(lit, box(0.29, 0.29, 0.57, 0.43)),
    ]


_WOOD: Picture = [
    fine("#5B3A1C", stroke(0.44, (0.28, 0.66), (0.72, 0.34))),
    fine("#96642F", stroke(0.36, (0.28, 0.66), (0.72, 0.34))),
    fine("#6F4721", stroke(0.04, (0.38, 0.5), (0.62, 0.33)), stroke(0.04, (0.5, 0.62), (0.72, 0.48))),
    fine("#5B3A1C", ellipse(0.28, 0.66, 0.21)),
    fine("#E3BC7E", ellipse(0.28, 0.66, 0.17)),
    fine("#B98A4C", ellipse(0.28, 0.66, 0.1)),
    fine("#E3BC7E", ellipse(0.28, 0.66, 0.06)),
    bold("#8A5A2B", box(0, 0.29, 1, 0.86)),
    bold("#6B4320", box(0.43, 0.43, 1, 0.57)),
    bold("#F0CB8D", box(0, 0.29, 0.43, 0.86)),
    bold("#A8763A", box(0.14, 0.43, 0.29, 0.71)),
]
_INGOT: Picture = [
    fine("#8A4F25", polygon((0.06, 0.78), (0.2, 0.42), (0.34, 0.24), (0.94, 0.24), (0.94, 0.5), (0.76, 0.8))),
    fine("#D98E52", polygon((0.1, 0.76), (0.22, 0.45), (0.8, 0.45), (0.73, 0.76))),
    fine("#FBD3A6", polygon((0.24, 0.42), (0.36, 0.27), (0.9, 0.27), (0.81, 0.42))),
    fine("#B86F38", polygon((0.76, 0.74), (0.84, 0.44), (0.91, 0.31), (0.91, 0.48))),
    bold("#8A4F25", box(0, 0.29, 1, 0.86)),
    bold("#E89A5A", box(0, 0.43, 0.86, 0.86)),
    bold("#FFDDB3", box(0.14, 0.29, 1, 0.43)),
]
_DIAMOND: Picture = [
    fine("#2E8FA8", polygon((0.04, 0.4), (0.26, 0.12), (0.74, 0.12), (0.96, 0.4), (0.5, 0.94))),
    fine("#6FE3F2", polygon((0.1, 0.4), (0.29, 0.17), (0.71, 0.17), (0.9, 0.4), (0.5, 0.86))),
    fine("#C9FAFF", polygon((0.1, 0.4), (0.29, 0.17), (0.71, 0.17), (0.9, 0.4))),
    fine("#FFFFFF", polygon((0.34, 0.4), (0.5, 0.17), (0.66, 0.4), (0.5, 0.86))),
    bold("#35B4CF", box(0.29, 0, 0.71, 0.14), box(0, 0.14, 1, 0.43), box(0.14, 0.43, 0.86, 0.57),
         box(0.29, 0.57, 0.71, 0.71), box(0.43, 0.71, 0.57, 0.86)),
    bold("#B4F6FF", box(0.29, 0.14, 0.71, 0.43), box(0.43, 0.43, 0.57, 0.57)),
]  # fmt: skip
_SAPLING: Picture = [
    *SPROUT,
    fine("#8A5A34", ellipse(0.5, 0.86, 0.26, 0.1)),
    bold("#57B04A", box(0.43, 0.43, 0.57, 0.86)),
    bold("#8A5A34", box(0.29, 0.86, 0.71, 1)),
]

_HEART = (
    ellipse(0.3, 0.34, 0.23),
    ellipse(0.7, 0.34, 0.23),
    polygon((0.1, 0.46), (0.5, 0.4), (0.9, 0.46), (0.5, 0.92)),
)
HEALTH: Picture = [
    fine("#7E1420", *_HEART),
    fine("#E5383B", ellipse(0.3, 0.34, 0.185), ellipse(0.7, 0.34, 0.185), polygon((0.15, 0.44), (0.5, 0.34),
         (0.85, 0.44), (0.5, 0.85))),
    fine("#FF9C9E", ellipse(0.25, 0.28, 0.07)),
    bold("#E5383B", box(0, 0.14, 0.43, 0.43), box(0.57, 0.14, 1, 0.43), box(0, 0.29, 1, 0.57),
         box(0.14, 0.57, 0.86, 0.71), box(0.29, 0.71, 0.71, 0.86), box(0.43, 0.86, 0.57, 1)),
    bold("#FFB3B5", box(0.14, 0.14, 0.29, 0.29)),
]  # fmt: skip
FOOD: Picture = [
    fine("#F4EEDF", stroke(0.12, (0.62, 0.64), (0.84, 0.86)), ellipse(0.88, 0.8, 0.08), ellipse(0.8, 0.89, 0.08)),
    fine("#7A3F17", ellipse(0.38, 0.38, 0.32), polygon((0.62, 0.16), (0.72, 0.7), (0.16, 0.6))),
    fine("#C2702E", ellipse(0.38, 0.38, 0.27), polygon((0.58, 0.2), (0.67, 0.65), (0.2, 0.56))),
    fine("#E79B55", ellipse(0.3, 0.28, 0.11, 0.09)),
    bold("#B5652A", box(0, 0.14, 0.57, 0.57), box(0.14, 0, 0.43, 0.71), box(0.43, 0.29, 0.71, 0.71)),
    bold("#E79B55", box(0.14, 0.14, 0.29, 0.29)),
    bold("#F4EEDF", box(0.71, 0.71, 0.86, 0.86), box(0.86, 0.71, 1, 0.86), box(0.71, 0.86, 0.86, 1)),
]
DRINK: Picture = [
    fine("#1F4E8C", ellipse(0.5, 0.64, 0.3), polygon((0.5, 0.04), (0.78, 0.54), (0.22, 0.54))),
    fine("#3E8EEA", ellipse(0.5, 0.64, 0.25), polygon((0.5, 0.14), (0.72, 0.53), (0.28, 0.53))),
    fine("#B5DBFF", ellipse(0.4, 0.66, 0.07, 0.11)),
    bold("#3E8EEA", box(0.43, 0, 0.57, 0.43), box(0.29, 0.29, 0.71, 1), box(0.14, 0.43, 0.86, 0.86)),
    bold("#C2E2FF", box(0.29, 0.57, 0.43, 0.71)),
]
ENERGY: Picture = [
    fine("#8A6A00", polygon((0.62, 0.02), (0.16, 0.58), (0.44, 0.58), (0.34, 0.98), (0.86, 0.38), (0.56, 0.38))),
    fine("#FFD23F", polygon((0.58, 0.12), (0.25, 0.54), (0.5, 0.54), (0.43, 0.82), (0.75, 0.42), (0.49, 0.42))),
    bold("#FFD23F", box(0.43, 0, 0.71, 0.14), box(0.29, 0.14, 0.57, 0.29), box(0.14, 0.29, 0.86, 0.57),
         box(0.43, 0.57, 0.71, 0.71), box(0.29, 0.71, 0.57, 0.86), box(0.29, 0.86, 0.43, 1)),
]  # fmt: skip

VITAL_ICONS: tuple[Picture, ...] = (HEALTH, FOOD, DRINK, ENERGY)
"""Health, food, drink, energy."""
ITEM_ICONS: dict[str, Picture] = {
    "sapling": _SAPLING,
    "wood": _WOOD,
    "stone": _rock("#5A5D69", "#9EA2AD", "#C9CCD5"),
    "coal": _rock("#090A0D", "#33353F", "#747888"),
    "iron": _INGOT,
    "diamond": _DIAMOND,
    **{f"{metal}_pickaxe": _pickaxe(metal) for metal in _METALS},
    **{f"{metal}_sword": _sword(metal) for metal in _METALS},
}
"""Icons by name of the item."""
