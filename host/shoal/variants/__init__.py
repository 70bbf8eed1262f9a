"""Smaller versions of a trained Keras network: pure transforms, each usable alone. TensorFlow is imported here and
nowhere else, inside of functions."""
