"""Parts of the backend for models behind an HTTP API."""
