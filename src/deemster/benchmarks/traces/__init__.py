"""Readers of other tools' judge logs, one module a format."""
