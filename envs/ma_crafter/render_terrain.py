"""How MA-Crafter's materials look."""

from __future__ import annotations

from emcoop.envs.ma_crafter.render_shapes import (
    Layer,
    Picture,
    Shape,
    always,
    bold,
    box,
    ellipse,
    fine,
    polygon,
    stroke,
    union,
)

GRASS_INK = "#74AE4E"
_FULL = box(0, 0, 1, 1)
_STONE_INK, _SEAM = "#9A9CA6", "#777984"
_BUSH = "#2C6B34"


def _tuft(x: float, y: float, size: float = 0.07) -> Shape:
    """Return three blades of grass growing from a point."""

    return union(*(stroke(0.03, (x, y), (x + lean * size, y - size * (1.6 - abs(lean)))) for lean in (-0.8, 0, 0.8)))


def _wave(x: float, y: float, length: float = 0.26) -> Shape:
    """Return a crest of water that begins at a point."""
    high = 0.045
    return stroke(0.05, (x, y), (x + length / 4, y - high), (x + length / 2, y), (x + 0.75 * length, y - high),
                  (x + length, y))  # fmt: skip


GRASS: Picture = [
    always(GRASS_INK, _FULL),
    fine("#5F9A3F", _tuft(0.22, 0.3), _tuft(0.7, 0.22), _tuft(0.5, 0.62), _tuft(0.16, 0.84), _tuft(0.84, 0.8)),
    fine("#8CC262", _tuft(0.4, 0.2, 0.05), _tuft(0.8, 0.5, 0.05), _tuft(0.3, 0.56, 0.05), _tuft(0.6, 0.92, 0.05)),
    bold("#68A145", box(0.14, 0.14, 0.43, 0.43), box(0.57, 0.57, 0.86, 0.86)),
]

WATER: Picture = [
    always("#3E7FD0", _FULL),
    fine("#2F6BBA", _wave(0.06, 0.42), _wave(0.56, 0.62), _wave(0.14, 0.94), _wave(0.62, 0.16)),
    fine("#86B8F0", _wave(0.12, 0.24), _wave(0.6, 0.44), _wave(0.3, 0.76), _wave(0.7, 0.92, 0.2)),
    bold("#82B4EE", box(0.14, 0.29, 0.57, 0.42), box(0.43, 0.71, 0.86, 0.84)),
]

STONE: Picture = [
    always(_STONE_INK, _FULL),
    bold("#83858F", box(0, 0.43, 1, 0.56), box(0.43, 0, 0.56, 0.43), box(0.71, 0.56, 0.84, 1)),
    fine("#AFB1BB", box(0.03, 0.04, 0.5, 0.45), box(0.54, 0.04, 0.97, 0.45), box(0.03, 0.53, 0.28, 0.96),
         box(0.32, 0.53, 0.76, 0.96), box(0.8, 0.53, 1, 0.96)),
    fine(_STONE_INK, box(0.06, 0.08, 0.5, 0.45), box(0.57, 0.08, 0.97, 0.45), box(0.06, 0.57, 0.28, 0.96),
         box(0.35, 0.57, 0.76, 0.96), box(0.83, 0.57, 1, 0.96)),
    fine(_SEAM, box(0, 0.455, 1, 0.5), box(0, 0.955, 1, 1), box(0.5, 0, 0.54, 0.47), box(0.28, 0.5, 0.32, 0.96),
         box(0.76, 0.5, 0.8, 0.96)),
    fine("#868892", stroke(0.025, (0.2, 0.2), (0.28, 0.27), (0.26, 0.35)), stroke(0.025, (0.56, 0.7), (0.64, 0.76)),
         stroke(0.025, (0.72, 0.2), (0.8, 0.18)), least=24),
]  # fmt: skip

PATH: Picture = [
    always("#6F5D4B", _FULL),
    fine("#63523F", ellipse(0.25, 0.3, 0.13, 0.07), ellipse(0.72, 0.68, 0.15, 0.08), ellipse(0.35, 0.85, 0.1, 0.05)),
    fine("#85715C", ellipse(0.62, 0.22, 0.07, 0.05), ellipse(0.2, 0.62, 0.06, 0.045), ellipse(0.88, 0.42, 0.05, 0.04),
         ellipse(0.5, 0.5, 0.04, 0.03), ellipse(0.6, 0.92, 0.06, 0.04)),
    bold("#665543", box(0.14, 0.57, 0.43, 0.71), box(0.57, 0.14, 0.86, 0.29)),
]  # fmt: skip

SAND: Picture = [
    always("#E9D8A2", _FULL),
    fine("#D3BE82", *(ellipse(x, y, 0.022) for x, y in ((0.18, 0.2), (0.45, 0.12), (0.78, 0.26), (0.3, 0.48),
         (0.62, 0.44), (0.88, 0.6), (0.14, 0.72), (0.5, 0.74), (0.74, 0.86), (0.34, 0.92)))),
    fine("#F4E8BF", stroke(0.03, (0.1, 0.36), (0.2, 0.33), (0.3, 0.36)), stroke(0.03, (0.6, 0.64), (0.7, 0.61),
         (0.8, 0.64))),
    bold("#DCC98E", box(0.29, 0.14, 0.43, 0.29), box(0.71, 0.57, 0.86, 0.71), box(0.14, 0.71, 0.29, 0.86)),
]  # fmt: skip

TREE: Picture = [
    *GRASS,
    fine("#5E9740", ellipse(0.5, 0.9, 0.34, 0.08)),
    always("#6B4526", box(0.42, 0.6, 0.58, 0.94)),
    fine("#523319", box(0.51, 0.6, 0.58, 0.94)),
    bold("#1F5A2B", ellipse(0.5, 0.4, 0.44, 0.38)),
    bold("#3F8A45", ellipse(0.4, 0.3, 0.2, 0.16)),
    fine("#1E5128", ellipse(0.5, 0.24, 0.27, 0.2), ellipse(0.29, 0.42, 0.24, 0.22), ellipse(0.71, 0.42, 0.24, 0.22),
         ellipse(0.5, 0.54, 0.27, 0.18)),
    fine(_BUSH, ellipse(0.49, 0.22, 0.23, 0.16), ellipse(0.28, 0.39, 0.2, 0.18), ellipse(0.69, 0.39, 0.2, 0.18),
         ellipse(0.5, 0.49, 0.24, 0.15)),
    fine("#42924A", ellipse(0.43, 0.19, 0.13, 0.09), ellipse(0.24, 0.35, 0.11, 0.09), ellipse(0.62, 0.36, 0.1, 0.08),
         ellipse(0.44, 0.46, 0.09, 0.06)),
]  # fmt: skip

LAVA: Picture = [
    always("#D9421C", _FULL),
    fine("#A92A12", ellipse(0.24, 0.26, 0.17, 0.12), ellipse(0.76, 0.7, 0.17, 0.13), ellipse(0.8, 0.16, 0.12, 0.07),
         ellipse(0.2, 0.82, 0.13, 0.08)),
    fine("#F98A1E", stroke(0.11, (0, 0.5), (0.25, 0.5), (0.42, 0.4), (0.58, 0.55), (0.8, 0.42), (1, 0.5)),
         stroke(0.08, (0.42, 0.4), (0.5, 0.18), (0.48, 0)), stroke(0.08, (0.58, 0.55), (0.5, 0.8), (0.48, 1))),
    fine("#FFD84A", stroke(0.045, (0, 0.5), (0.25, 0.5), (0.42, 0.4), (0.58, 0.55), (0.8, 0.42), (1, 0.5)),
         stroke(0.03, (0.42, 0.4), (0.5, 0.18), (0.48, 0)), stroke(0.03, (0.58, 0.55), (0.5, 0.8), (0.48, 1))),
    bold("#FFC53A", stroke(0.15, (0, 0.36), (0.36, 0.36), (0.64, 0.64), (1, 0.64))),
    bold("#F57A1C", box(0.57, 0.14, 0.86, 0.29), box(0.14, 0.71, 0.43, 0.86)),
]  # fmt: skip


def _lumps(dark: str, body: str, lit: str, small_body: str, small_lit: str) -> list[Layer]:
    """Return ore in stone: irregular lumps with a lit side."""
    spots = ((0.28, 0.28, 0.15), (0.7, 0.22, 0.11), (0.74, 0.66, 0.16), (0.32, 0.74, 0.12), (0.5, 0.49, 0.1))

    def lump(x: float, y: float, r: float) -> Shape:
        return polygon((x - r, y - 0.2 * r), (x - 0.4 * r, y - r), (x + 0.7 * r, y - 0.8 * r), (x + r, y + 0.3 * r),
                       (x + 0.3 * r, y + r), (x - 0.7 * r, y + 0.8 * r))  # fmt: skip

    return [
        fine(dark, *(lump(x, y, r * 1.25) for x, y, r in spots)),
        fine(body, *(lump(x, y, r) for x, y, r in spots)),
        fine(lit, *(lump(x - 0.25 * r, y - 0.3 * r, r * 0.42) for x, y, r in spots)),
        bold(small_body, box(0.14, 0.14, 0.43, 0.43), box(0.57, 0.43, 0.86, 0.71), box(0.29, 0.71, 0.43, 0.86)),
        bold(small_lit, box(0.14, 0.14, 0.43, 0.29), box(0.57, 0.43, 0.86, 0.57)),
    ]


def _gem(x: float, y: float, r: float) -> tuple[Shape, Shape, Shape]:
    """Return a cut stone: outline, upper facets, spark."""
    outline = polygon((x - r, y - 0.25 * r), (x - 0.5 * r, y - 0.8 * r), (x + 0.5 * r, y - 0.8 * r),
                      (x + r, y - 0.25 * r), (x, y + r))  # fmt: skip
    upper = polygon(
        (x - r, y - 0.25 * r), (x - 0.5 * r, y - 0.8 * r), (x + 0.5 * r, y - 0.8 * r), (x + r, y - 0.25 * r)
    )
    spark = polygon((x - 0.35 * r, y - 0.25 * r), (x + 0.35 * r, y - 0.25 * r), (x, y + r))
    return outline, upper, spark


_GEMS = [_gem(0.3, 0.32, 0.22), _gem(0.7, 0.62, 0.25), _gem(0.28, 0.78, 0.14), _gem(0.74, 0.2, 0.12)]
COAL: Picture = [*STONE, *_lumps("#6A6C76", "#23242B", "#4C4E5A", "#1B1C22", "#3A3C47")]
IRON: Picture = [*STONE, *_lumps("#7A5A44", "#D98E52", "#FBD3A6", "#B4541C", "#FFE2BD")]
DIAMOND: Picture = [
    *STONE,
    fine("#2E8FA8", *(gem[0] for gem in (_gem(0.3, 0.32, 0.26), _gem(0.7, 0.62, 0.29), _gem(0.28, 0.78, 0.18),
         _gem(0.74, 0.2, 0.16)))),
    fine("#6FE3F2", *(gem[0] for gem in _GEMS)),
    fine("#C9FAFF", *(gem[1] for gem in _GEMS)),
    fine("#FFFFFF", *(gem[2] for gem in _GEMS)),
    bold("#2E8FA8", polygon((0.5, -0.05), (1.05, 0.5), (0.5, 1.05), (-0.05, 0.5))),
    bold("#7DF0FF", polygon((0.5, 0.1), (0.9, 0.5), (0.5, 0.9), (0.1, 0.5))),
    bold("#FFFFFF", box(0.29, 0.29, 0.57, 0.57)),
]  # fmt: skip

TABLE: Picture = [
    always("#8A5A2B", _FULL),
    fine("#6A421C", box(0, 0.9, 1, 1), box(0.9, 0, 1, 1)),
    fine("#C58E50", box(0.04, 0.04, 0.9, 0.9, 0.03)),
    fine("#A87238", box(0.04, 0.24, 0.9, 0.27), box(0.04, 0.46, 0.9, 0.49), box(0.04, 0.68, 0.9, 0.71)),
    fine("#7C4F24", stroke(0.1, (0.2, 0.78), (0.46, 0.5))),
    fine("#DFE3EA", polygon((0.38, 0.5), (0.58, 0.3), (0.7, 0.42), (0.5, 0.62))),
    fine("#5C606B", polygon((0.66, 0.62), (0.8, 0.62), (0.8, 0.84), (0.75, 0.8), (0.71, 0.84), (0.66, 0.8))),
    fine("#5C606B", box(0.14, 0.12, 0.2, 0.4), ellipse(0.17, 0.13, 0.07)),
    bold("#CF9A5B", box(0.07, 0.07, 0.93, 0.93)),
    bold("#7A4C22", box(0.43, 0.07, 0.57, 0.93), box(0.07, 0.43, 0.93, 0.57)),
]  # fmt: skip

FURNACE: Picture = [
    always("#5B5E6B", _FULL),
    fine("#494C58", box(0, 0.2, 1, 0.24), box(0, 0.94, 1, 1), box(0.3, 0, 0.34, 0.22), box(0.68, 0, 0.72, 0.22),
         box(0.08, 0.22, 0.12, 0.6), box(0.88, 0.22, 0.92, 0.6), box(0, 0.58, 0.2, 0.62), box(0.8, 0.58, 1, 0.62)),
    fine("#757988", box(0.02, 0.02, 0.3, 0.05), box(0.34, 0.02, 0.68, 0.05), box(0.72, 0.02, 0.98, 0.05)),
    fine("#2A2B33", box(0.17, 0.36, 0.83, 0.94, 0.02), ellipse(0.5, 0.46, 0.33, 0.2)),
    fine("#E2481B", polygon((0.22, 0.92), (0.26, 0.62), (0.36, 0.74), (0.48, 0.44), (0.6, 0.7), (0.72, 0.56),
         (0.78, 0.92))),
    fine("#FFB02E", polygon((0.3, 0.92), (0.34, 0.78), (0.42, 0.82), (0.49, 0.62), (0.58, 0.82), (0.66, 0.74),
         (0.7, 0.92))),
    fine("#FFF0A0", polygon((0.4, 0.92), (0.49, 0.76), (0.58, 0.92))),
    bold("#2A2B33", box(0.14, 0.29, 0.86, 1)),
    bold("#F26A1B", box(0.29, 0.43, 0.71, 0.86)),
    bold("#FFE27A", box(0.43, 0.57, 0.57, 0.86)),
]  # fmt: skip

_LEAVES = (
    polygon((0.5, 0.6), (0.36, 0.62), (0.2, 0.5), (0.14, 0.3), (0.36, 0.36), (0.48, 0.48)),
    polygon((0.5, 0.48), (0.54, 0.34), (0.66, 0.22), (0.88, 0.18), (0.82, 0.38), (0.68, 0.5)),
)
SPROUT: Picture = [
    always("#2F7D32", stroke(0.08, (0.5, 0.86), (0.5, 0.46))),
    fine("#1F5A2B", *_LEAVES),
    fine("#9BE06A", stroke(0.03, (0.46, 0.56), (0.24, 0.4)), stroke(0.03, (0.54, 0.46), (0.78, 0.27))),
    bold("#CFF07A", box(0.14, 0.14, 0.43, 0.43), box(0.57, 0.29, 0.86, 0.57)),
    bold("#2F7D32", box(0.43, 0.43, 0.57, 0.86)),
]
PLANT: Picture = [
    *GRASS,
    fine("#6A4A2C", ellipse(0.5, 0.87, 0.32, 0.09)),
    bold("#6A4A2C", box(0.14, 0.71, 0.86, 1)),
    *SPROUT,
]
RIPE: Picture = [
    fine("#1F5A2B", stroke(0.07, (0.5, 0.86), (0.5, 0.3)), *_LEAVES,
         polygon((0.5, 0.74), (0.62, 0.6), (0.84, 0.58), (0.78, 0.74), (0.6, 0.78))),
    fine("#B02A5B", ellipse(0.5, 0.26, 0.19), ellipse(0.22, 0.58, 0.14), ellipse(0.78, 0.56, 0.15)),
    fine("#F0568C", ellipse(0.49, 0.25, 0.15), ellipse(0.21, 0.57, 0.105), ellipse(0.77, 0.55, 0.115)),
    fine("#FFD3E2", ellipse(0.44, 0.19, 0.05), ellipse(0.18, 0.53, 0.035), ellipse(0.74, 0.51, 0.04)),
    bold("#1F5A2B", box(0.14, 0.14, 0.86, 0.86)),
    bold("#FF4F93", box(0.14, 0.14, 0.43, 0.43), box(0.57, 0.29, 0.86, 0.57), box(0.29, 0.57, 0.57, 0.86)),
]  # fmt: skip

OUTSIDE: Picture = [
    always("#171A21", _FULL),
    fine("#20242D", stroke(0.06, (-0.1, 0.6), (0.6, -0.1)), stroke(0.06, (0.4, 1.1), (1.1, 0.4))),
]

TERRAIN: dict[str, Picture] = {
    "outside": OUTSIDE, "grass": GRASS, "water": WATER, "stone": STONE, "path": PATH, "sand": SAND, "tree": TREE,
    "lava": LAVA, "coal": COAL, "iron": IRON, "diamond": DIAMOND, "table": TABLE, "furnace": FURNACE, "plant": PLANT,
}  # fmt: skip
"""Pictures that fill their cell, by material."""
