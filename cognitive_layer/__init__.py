"""The thinking layer: planners, topologies, messages, and the loop that turns plans into joint steps."""
