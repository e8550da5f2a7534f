"""`emcoop serve`: the small local model behind an OpenAI-compatible address on this computer."""

from __future__ import annotations

import os
import signal
import threading
from typing import Annotated

import typer

SMALL = "prompts=short,max_tokens=24"
"""Options with which a model this small keeps up."""


def serve(
    port: Annotated[int, typer.Option("--port", help="Port on 127.0.0.1; 0 takes any that is free.")] = 8080,
    context: Annotated[
        int, typer.Option("--context", help="Tokens a conversation and its answer may have together.")
    ] = 4096,
    slots: Annotated[
        int,
        typer.Option("--slots", help="Conversations answered at once; with more than one, answers may not repeat."),
    ] = 1,
) -> None:
    """Serve a small real language model to this computer until Ctrl-C; it needs the extra `local` of the package."""
    from emcoop.cognitive_layer.models.local import MODEL, start_server

    stop = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, lambda *_: stop.set())
    server = start_server(port=port, context=context, slots=slots)
    print(_how_to_use(f"{server.listening_address}/v1", MODEL), flush=True)
    _wait(stop)
    print("stopped", flush=True)
    # Taken down in order, the server would first finish what it is saying, however long that takes.
    os._exit(0)


def _wait(stop: threading.Event) -> None:
    """Wait for a signal; in short spells, because on Windows a wait without end keeps signals from getting through."""
    while not stop.wait(0.2):
        pass


def _how_to_use(address: str, model: str) -> str:
    set_variable = f'$env:OPENAI_BASE_URL = "{address}"' if os.name == "nt" else f"export OPENAI_BASE_URL={address}"
    return "\n".join(
        (
            f"{model} answers at {address} (Ctrl-C ends it). In another terminal:",
            f"  {set_variable}",
            f"  emcoop run Cube-v0 --agents 2 --planner llm:openai/{model},{SMALL} --max-steps 20",
            f"A key is not needed; without this server, llm:local/{model},{SMALL} runs the same model in the process.",
        )
    )
