"""The baselines of the paper's Table 2, trained on the same preference data as the GRM."""
