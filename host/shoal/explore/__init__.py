"""Sequences of components that make a trained network smaller, every stage of them built and measured."""
