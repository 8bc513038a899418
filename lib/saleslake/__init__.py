"""saleslake: a sales lakehouse that can prove where every single record went."""

__version__ = "0.1.0"
