"""What cards of several files share: what decides groups, what jobs run over, and the tables nearly all read."""

from lode.engine.study import Read

#: What decides which tokens are of which group.
GROUPING = ("grouping.name", "grouping.plugin", "grouping.options")
#: Models with the selections that are made of them: those whose sites they have.
SETS = ("models", "selections", "selecting")
RUNS = (*SETS, "interventions")
RUN = "{model}/{selection}/{intervention}"
MANIFEST, DATASET = Read("manifest"), Read("dataset")
