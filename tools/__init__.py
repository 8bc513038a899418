"""Tools for those who work on saleslake; none of them is shipped."""
