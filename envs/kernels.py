"""The one decorator all compiled kernels share, typed so that annotations survive it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile with Numba on first use: cached on disk, releasing the GIL, called like the plain function.

    Numba notices edits of the file a kernel is in, not of kernels it calls: after editing a callee in another file,
    touch the callers' files or clear the cache.
    """
    return cast(F, numba.njit(cache=True, nogil=True)(function))
