"""The Hugging Face hub and package indexes: what comes from there."""
