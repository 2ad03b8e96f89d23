"""Parquet, Arrow, archives and tables in memory to Lance; see :class:`ParquetConverter`."""

from ._converter import ParquetConverter

__all__ = ["ParquetConverter"]
