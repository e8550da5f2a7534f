"""How much a team talked, and who did."""

from __future__ import annotations

import math
from collections import Counter

from emcoop.metrics.quantities import gini, ratio, steps_taken
from emcoop.metrics.registry import metric
from emcoop.trace import Trace
from emcoop.trace.schema import Message, Transport


@metric("M", "messages sent", (0.0, math.inf), "neither", "EmCoop")
def messages_total(trace: Trace) -> float:
    """Messages sent; a broadcast is one message."""
    return float(len(trace.of(Message)))


@metric("M_del", "copies delivered", (0.0, math.inf), "neither", "EmCoop")
def messages_delivered(trace: Trace) -> float:
    """Copies of messages that reached a recipient; a broadcast has one copy per recipient."""
    return float(sum(record.count for record in trace.of(Transport) if record.outcome == "delivered"))


@metric("M/T", "messages sent / steps", (0.0, math.inf), "neither", "EmCoop")
def messages_per_step(trace: Trace) -> float:
    """Messages of the whole team per environment step.

    NaN without a step.
    """
    return ratio(messages_total(trace), steps_taken(trace))


@metric(
    "M_gini", "sum_ij |m_i - m_j| / (2 n sum_i m_i), m_i = messages sent by i", (0.0, 1.0), "neither", "Gini (1912)"
)
def message_imbalance(trace: Trace) -> float:
    """Gini coefficient of the number of messages each agent sent.

    0 = all sent equally many, 1 - 1/n = one agent sent everything. NaN without a message and in a team of one.
    """
    n_agents = trace.episode.n_agents
    if n_agents == 1:
        return math.nan
    sent = Counter(message.sender for message in trace.of(Message))
    return gini([sent[agent] for agent in range(n_agents)])
