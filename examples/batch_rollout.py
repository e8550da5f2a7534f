"""A few thousand agents acting at random, in many environments at once; arrays in, arrays out.

python examples/batch_rollout.py
"""

from __future__ import annotations

import numpy as np

import emcoop

N_ENVS, N_AGENTS, STEPS = 256, 16, 200


def main() -> None:
    """Step all environments together and print how much they delivered."""
    env = emcoop.batch_env("Cube-v0", n_envs=N_ENVS, n_agents=N_AGENTS)
    rng = np.random.default_rng(0)
    observations, _ = env.reset(seed=0)
    delivered = np.zeros(N_ENVS, int)
    for _ in range(STEPS):
        actions = rng.integers(0, env.single_action_space.n, (N_ENVS, N_AGENTS))
        observations, *_, info = env.step(actions)
        delivered += info["delivered_weight"]
    print(f"observations {observations.shape}, {observations.dtype}")
    print(f"{STEPS * N_ENVS * N_AGENTS:,} agent-steps, {delivered.sum()} units of weight delivered by chance")


if __name__ == "__main__":
    main()
