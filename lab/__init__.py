"""How the embedded model is made and studied; not installed with the package."""
