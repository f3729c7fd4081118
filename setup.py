"""What the package holds: `lode`, and within it a copy of `config/`, which a checkout has at its top."""

from setuptools import find_namespace_packages, setup

CONFIG = "lode.config_tree"

setup(packages=[*find_namespace_packages(include=["lode", "lode.*"]), CONFIG], package_dir={CONFIG: "config"})
