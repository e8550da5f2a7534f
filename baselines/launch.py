"""Running a suite on this machine: in processes, or in threads of this one where planners wait for models."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emcoop.baselines.backends.local import LocalBackend
from emcoop.baselines.backends.threads import ThreadBackend
from emcoop.baselines.expansion import expand
from emcoop.baselines.preflight import check_teams
from emcoop.baselines.progress import Watch, silent
from emcoop.baselines.schema import Suite
from emcoop.baselines.sweep import SweepEnd, has_begun, run_episode_with, run_sweep

if TYPE_CHECKING:
    from emcoop.cognitive_layer.models.access import ModelAccess

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
    if check_teams(expand(suite)):
        return run_with_models(suite, folder, jobs, models, lambda access: watch)
    return run_sweep(suite, folder, LocalBackend(jobs or os.cpu_count() or 1), watch=watch)


def run_with_models(
    suite: Suite,
    folder: Path,
    jobs: int | None,
    models: Mapping[str, Any] | None,
    watch_of: Callable[[ModelAccess], Watch],
) -> SweepEnd:
    """Run what is missing of a suite whose planners call models, over one access to them; arguments as for `run_here`.

    Args:
        watch_of: Returns what shows the progress, given the access, which counts what the models take.
    """
    from emcoop.cognitive_layer.models.access import ModelAccess

    settings = dict(models or {})
    if settings.get("mode") == "record" and has_begun(folder):
        # Recording anew what finished episodes rest on would leave a cassette that does not repeat them.
        settings["mode"] = "cache"
    with ModelAccess(settings) as access:
        backend = ThreadBackend(jobs or EPISODES_AT_ONCE, access.close)
        runner = partial(run_episode_with, access)
        return run_sweep(suite, folder, backend, runner=runner, watch=watch_of(access), models=access)
