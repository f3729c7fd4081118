"""Builders of the small models that ship with the project, one file each."""
