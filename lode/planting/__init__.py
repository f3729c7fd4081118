"""Planted ground truth: neurons of known purpose in a model that otherwise computes what it did before.

`wide` makes room, `calibration` measures the model, `circuits` designs neurons, `plant` puts them in,
`proof` measures what was promised. Qwen2-VL only: the edits are about its very weights.
"""
