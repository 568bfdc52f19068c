"""YAML-defined evaluation suites, the run store, metrics, and what is made of stored runs."""
