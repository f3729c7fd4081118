"""Stages: one verb a file, each with `run(config, provenance)`. A stage reads tables, never another stage."""
