"""Proof by killing: runs end with SIGKILL at named points, start again, and must come to the same tables."""
