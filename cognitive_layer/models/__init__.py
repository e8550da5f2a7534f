"""Language models by name: `provider/model`; third parties add providers by the entry-point group `emcoop.chat_models`.

Nothing here imports a model's package: that happens when a model is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emcoop.cognitive_layer.models.chat import ChatModel
from emcoop.errors import ConfigError, unknown_name
from emcoop.registration import call_named, load, plugins

_HERE = "emcoop.cognitive_layer.models"
_OPTIONS = re.compile(r",[a-z_]+=")


@dataclass(frozen=True)
class ProviderSpec:
    """One provider of models.

    Attributes:
        name: What stands before the `/`.
        description: One line.
        target: `module:attribute` of a callable `(model, **options) -> ChatModel`, or the callable itself.
        free: Whether its calls cost no money, so that they need no price.
    """

    name: str
    description: str
    target: str | Callable[..., ChatModel]
    free: bool = False

    def factory(self) -> Callable[..., ChatModel]:
        """Return what makes a model from its name and options."""
        made: Callable[..., ChatModel] = load(self.target) if isinstance(self.target, str) else self.target
        return made


BUILT_IN = (
    ProviderSpec(
        "openai",
        "any service that speaks OpenAI's protocol: openai/MODEL; option base_url, extra `openai`",
        f"{_HERE}.openai:OpenAIChat",
    ),
    ProviderSpec(
        "local",
        "a small real model on this computer's CPU, without key or network: local/smollm2; extra `local`",
        f"{_HERE}.local:LocalChat",
        free=True,
    ),
    ProviderSpec(
        "test",
        "models that answer by rule, for tests and demonstrations: test/pocket plays, others echo, break or dawdle",
        f"{_HERE}.testing:RuleChat",
        free=True,
    ),
)


def _registry() -> dict[str, ProviderSpec]:
    known = {spec.name: spec for spec in BUILT_IN}
    for name, loader in plugins("emcoop.chat_models").items():
        if name not in known:
            target = loader()
            known[name] = (
                target if isinstance(target, ProviderSpec) else ProviderSpec(name, _first_line(target), target)
            )
    return known


def _first_line(target: Any) -> str:
    return (getattr(target, "__doc__", None) or "").strip().split("\n")[0]


def list_chat_models() -> dict[str, str]:
    """Return provider -> one-line description."""
    return {name: spec.description for name, spec in _registry().items()}


def split_model_name(name: object) -> tuple[str, str]:
    """Return provider and model of `provider/model`; the model's own name may contain further slashes.

    Raises:
        ConfigError: Not such a name; whether the provider is known is not asked.
    """
    provider, slash, model = name.partition("/") if isinstance(name, str) else ("", "", "")
    if _OPTIONS.search(model):
        raise ConfigError(
            f"model={name!r} does not fit: a name has no options; in Python and in suites write a mapping, such as "
            "{'name': 'llm', 'model': 'test/pocket', 'prompts': 'short'}"
        )
    if not (provider and slash and model) or not str(name).isprintable() or len(str(name)) > 200:
        raise ConfigError(
            f"model={name!r} does not fit: give provider/model, such as openai/gpt-4o-mini or test/schema"
        )
    return provider, model


def provider_spec(name: str) -> ProviderSpec:
    """Return the provider of a model name.

    Args:
        name: `provider/model`.

    Raises:
        ConfigError: No such name, or no such provider; the nearest is named.
    """
    provider, _ = split_model_name(name)
    registry = _registry()
    if provider not in registry:
        raise unknown_name("model provider", provider, registry)
    return registry[provider]


def make_chat_model(name: str, options: Mapping[str, Any] | None = None) -> ChatModel:
    """Make a model; whether its service answers shows when it is first asked.

    Args:
        name: `provider/model`.
        options: Options of the provider, such as `base_url`.

    Raises:
        ConfigError: Unknown provider, model or option, a value that does not fit, or a package that is not installed.
        RefusedError: The service needs a key and there is none.
    """
    factory = provider_spec(name).factory()
    model: ChatModel = call_named(f"model {name!r}", factory, dict(options or {}), split_model_name(name)[1])
    return model
