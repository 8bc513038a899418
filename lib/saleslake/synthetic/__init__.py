"""Made-up sales data: what `saleslake.generate` writes. Standard library only, no Spark."""
