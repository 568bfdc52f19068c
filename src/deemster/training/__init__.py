"""Training judges (SPCT): data, trajectories, rejection, fine-tuning, RL, meta RM, recipes.

Paper section 3. Nothing is imported here: torch and the trainers load when a stage needs them.
"""
