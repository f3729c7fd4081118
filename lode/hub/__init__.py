"""The Hugging Face hub: what comes from there."""
