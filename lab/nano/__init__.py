"""The embedded model: its tokenizer, its loops and its stages."""
