"""Verifying and ranking submissions. May use traces, metrics and envs; nothing below may use it."""
