"""Reports: LLM weakness analysis, and a run as one HTML file."""
