"""Engines: what carries the definitions out, Spark or DuckDB.

In: SQL texts and rows by name. Out: the same rows, of the same types, from either engine.
May not know what a table means, nor where it lies: that is silver's, gold's and the lake's.
"""
