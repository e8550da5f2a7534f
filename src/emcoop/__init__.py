"""EmCoop: a benchmark of cooperation between embodied agents.

Importing this package registers its environments with Gymnasium and PettingZoo; everything heavier is loaded when
first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emcoop.errors import EmCoopError, ReplayMismatch
from emcoop.registration import make_batch as batch_env
from emcoop.registration import make_parallel as parallel_env
from emcoop.registration import register_all
from emcoop.version import __version__

if TYPE_CHECKING:
    from emcoop import testing
    from emcoop.catalogue import list_environments, list_metrics, list_planners, list_topologies
    from emcoop.cognitive_layer.episode import run_episode
    from emcoop.cognitive_layer.models import list_chat_models
    from emcoop.cognitive_layer.monitors import list_monitors
    from emcoop.metrics import score_trace
    from emcoop.replaying import replay
    from emcoop.trace import read_trace, trace_digest

__all__ = [
    "EmCoopError",
    "ReplayMismatch",
    "__version__",
    "batch_env",
    "list_chat_models",
    "list_environments",
    "list_metrics",
    "list_monitors",
    "list_planners",
    "list_topologies",
    "parallel_env",
    "read_trace",
    "replay",
    "run_episode",
    "score_trace",
    "testing",
    "trace_digest",
]

_LAZY = {
    "list_chat_models": "emcoop.cognitive_layer.models",
    "list_environments": "emcoop.catalogue",
    "list_metrics": "emcoop.catalogue",
    "list_monitors": "emcoop.cognitive_layer.monitors",
    "list_planners": "emcoop.catalogue",
    "list_topologies": "emcoop.catalogue",
    "read_trace": "emcoop.trace",
    "replay": "emcoop.replaying",
    "run_episode": "emcoop.cognitive_layer.episode",
    "score_trace": "emcoop.metrics",
    "trace_digest": "emcoop.trace",
}


def __getattr__(name: str) -> Any:
    if name == "testing":
        return import_module("emcoop.testing")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'emcoop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_all()
