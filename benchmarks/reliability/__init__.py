"""`make reliability`: what deemster promises under faults, kills and attacks, measured."""
