"""Orders of axes that the capture of activations and gradients goes by."""

from lode.grouping.modality import GROUPS
from lode.importance import ATTENTION_KINDS as ATTENTION_KINDS
from lode.importance import METRICS as METRICS
from lode.importance import NORMALISATIONS as NORMALISATIONS
from lode.model.tokens import TOKEN_KINDS

#: Order of the group axis of captured statistics. `special_text` and `prompt` are unions of others.
MODALITIES = tuple(GROUPS)

#: What one token can be; the unions are derived from these.
TOKEN_MODALITIES = TOKEN_KINDS

#: The token modalities that each group is made of.
MEMBERS = GROUPS
