"""Models: loading, the adapter that says where things are, inputs, attention, encoders, weights."""
