"""The `saleslake` command for people at a shell."""
