"""Running a suite on this machine: in processes, or in threads of this one where planners wait for models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from emcoop.baselines.backends.local import LocalBackend
from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import expand
from emcoop.baselines.preflight import check_teams
from emcoop.baselines.progress import Watch, silent
from emcoop.baselines.schema import Suite
from emcoop.baselines.sweep import SweepEnd, run_episode_with, run_sweep

EPISODES_AT_ONCE = 8
"""Where episodes mostly wait for models."""


def run_here(
    suite: Suite, folder: Path, jobs: int | None = None, models: Mapping[str, Any] | None = None, watch: Watch = silent
) -> SweepEnd:
    """Run what is missing of a suite in a folder.

    Args:
        suite: The suite.
        folder: Folder of results.
        jobs: Episodes at once; default one per processor, or `EPISODES_AT_ONCE` with models.
        models: Settings of the models, see `ModelSettings`.
        watch: Shows the progress.

    Raises:
        ConfigError, EmCoopError: As for `run_sweep`.
    """
    if not check_teams(expand(suite)):
        return run_sweep(suite, folder, LocalBackend(jobs or os.cpu_count() or 1), watch=watch)
    from emcoop.cognitive_layer.models.access import ModelAccess

    with ModelAccess(models) as access:
        backend = ThreadBackend(jobs or EPISODES_AT_ONCE, access.close)
        runner = partial(run_episode_with, access)
        return run_sweep(suite, folder, backend, runner=runner, watch=watch, models=access)
