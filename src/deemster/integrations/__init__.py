"""Judges inside other tools: trainers, evaluation tools, pytest, pandas, tracing.

One module per tool, to be imported by name (`from deemster.integrations.trl import reward_func`);
nothing here is loaded by `import deemster`, and no module imports another tool than its own.
"""
