"""Parts of the `hf:` backend. Everything in here may import torch and transformers."""
