"""Embodied worlds: dynamics, tasks, concepts, views and rendering. Knows nothing of the layers above."""
