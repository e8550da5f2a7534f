"""Every number that failure rules depend on, in one table; windows are in logical units, never seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from emcoop.trace import Trace


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the failure rules; the defaults are those of the rule set, frozen per environment.

    Attributes:
        steps: `W_t`, environment steps after which something has lasted too long.
        activations: `W_c`, decisions of a recipient after which a message has waited too long.
        reroutes: `r`, reroutes of a message that are not yet too many.
        slack: Agents beyond a quorum that are not yet duplicated effort.
        storm: `k`, messages per permitted edge and window that are not yet a storm.
        centralisation: `theta`, centralisation of a topology (Freeman, out-degrees) from which it hangs on its hub;
            a leader with two followers has 0.5.
        queue: `q`, share of steps that followers may wait for a leader.
        consensus: `tau`, share of the team that makes a consensus.
        thrash: `k`, plans given up within `steps` that make thrashing.
        idle_share: Share of the mean productive work below which an agent rides free, divided by the team size.
        swap: Steps for which two agents block each other before it is a lock.
        recurrences: Times a configuration comes back before it is a livelock.
        oscillation: Length of an A-B-A-B pattern.
        repetitions: Times the same action in the same situation stays without effect.
        blocked: Share of moves blocked that is congestion.
    """

    steps: int = 12
    activations: int = 2
    reroutes: int = 2
    slack: int = 0
    storm: float = 3.0
    centralisation: float = 0.5
    queue: float = 0.5
    consensus: float = 0.7
    thrash: int = 3
    idle_share: float = 0.5
    swap: int = 3
    recurrences: int = 3
    oscillation: int = 4
    repetitions: int = 3
    blocked: float = 0.5


DEFAULTS = Thresholds()
BY_ENVIRONMENT = {
    "Cube": replace(DEFAULTS, steps=12),
    "MACrafter": replace(DEFAULTS, steps=20),
}
"""Thresholds of environments that differ from the defaults, by the beginning of their id."""


def thresholds_for(trace: Trace) -> Thresholds:
    """Return the thresholds of the environment a trace comes from."""
    env_id = trace.episode.env_id
    return next((known for name, known in BY_ENVIRONMENT.items() if env_id.startswith(name)), DEFAULTS)
