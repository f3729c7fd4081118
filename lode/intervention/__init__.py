"""Interventions: one file each. What is done to a set of neurons while the model runs.

A plug-in `lode/intervention/<name>.py` has one public function, a context manager::

    intervene(adapter, neurons, attention_mask, **options)

`neurons` are (layer, neuron) pairs; `attention_mask` (batch, token) marks the real tokens of the forward
passes inside the context; `options` are those of its YAML. Leaving it restores the model bit for bit.
"""
