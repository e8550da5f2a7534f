"""The detector evaluation: do the failure rules find faults that were put in on purpose, and only those?

`python -m emcoop.baselines.detectors --out docs/detectors.md` runs it all and writes the page.
"""

from __future__ import annotations

from emcoop.baselines.detectors.matching import Tally, match
from emcoop.baselines.detectors.pairs import PAIRS, Pair
from emcoop.baselines.detectors.truths import Truth

__all__ = ["PAIRS", "Pair", "Tally", "Truth", "match"]
