"""The planner that asks a language model: prompts, replies held to a schema, memory, messages."""

from emcoop.cognitive_layer.planners.llm.planner import LLMPlanner as LLMPlanner
