"""Importance of neurons: formulas on tensors in memory, and the sums that capture keeps."""
