"""What all events of a trace share."""

from __future__ import annotations

from typing import TypeAlias, Union

import msgspec

EVERYONE = "*"
"""Recipients of a broadcast: everyone the topology lets the sender reach."""

Recipients: TypeAlias = Union[list[int], str]  # noqa: UP007 - evaluated at run time by msgspec on Python 3.10


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag=str.lower):
    """What all events share.

    Attributes:
        seq: Place in the log, counted from 0.
        t: Environment steps taken before this event.
        c: Cognitive rounds started before or with this event.
    """

    seq: int = -1
    t: int = 0
    c: int = 0
