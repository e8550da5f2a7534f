"""CUBE: cooperative block pushing. `docs/cube.md` has the rules; `env.py` is the way in."""
