"""Name the top-level folders as subpackages of `emcoop`; all else is in setup.cfg."""

from setuptools import find_packages, setup

ROOTS = ("envs", "cognitive_layer", "metrics", "baselines", "leaderboards")

below_src = find_packages("src")
below_roots = find_packages(include=[pattern for root in ROOTS for pattern in (root, f"{root}.*")])
setup(packages=[*below_src, *(f"emcoop.{name}" for name in below_roots)])
