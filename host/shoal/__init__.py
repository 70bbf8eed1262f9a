"""shoal turns a trained neural network into firmware that fits, on one microcontroller or on a shoal of them."""

__version__ = "0.1.0"
