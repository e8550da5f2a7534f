"""The decorators of compiled code, typed so that annotations survive them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.extending import register_jitable

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile with Numba on first use: cached on disk, releasing the GIL, called like the plain function.

    Numba notices edits of the file a kernel is in, not of kernels it calls: after editing a callee in another file,
    touch the callers' files or clear the cache.
    """
    return cast(F, numba.njit(cache=True, nogil=True)(function))


def entry(function: F) -> F:
    """Compile as `kernel` does, but without counting references to arrays, which takes several times as long as a step.

    The caller holds all arrays, and nothing in here allocates.
    """
    return cast(F, numba.njit(cache=True, nogil=True, _nrt=False)(function))


def part(function: F) -> F:
    """Make a function a part of the kernels that call it; called from Python it is the plain function.

    Unlike a kernel it is not compiled anew for every constant it is called with, which takes half the time.
    """
    return cast(F, register_jitable(function))
