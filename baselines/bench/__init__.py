"""The speed benchmark: what is measured, against which targets, and how that is written down.

Everything is a ratio taken in one run, because absolute figures move with the machine.
"""

from __future__ import annotations

from emcoop.baselines.bench.bench import Bench, BenchSettings, run_bench

__all__ = ["Bench", "BenchSettings", "run_bench"]
