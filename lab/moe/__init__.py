"""A mixture of experts beside a dense model of as many active parameters."""
