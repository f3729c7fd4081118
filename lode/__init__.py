"""Lode finds the neurons of a multimodal language model that serve one modality, and proves whether they do."""

__version__ = "0.1.0"
