"""What runs inside the sandboxed process: standard library only, loaded without deemster."""
