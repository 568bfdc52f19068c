"""Readers of other tools' judge logs, one module per format."""
