"""The baseline sweep: suites of episodes, run in parallel, resumable, with one table of results."""
