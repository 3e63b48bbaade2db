"""Bytes to signals: decoders, the series registry, and admission."""
