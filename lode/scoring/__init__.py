"""Scores: one file each. A plug-in turns the replies of a model to samples into one number per sample.

A plug-in `lode/scoring/<name>.py` says which column of the predictions table it scores, and has one public function::

    COLUMN = "reply"
    def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]

`replies[i]` is the greedy reply to `samples[i]`, or what else `COLUMN` names, such as the likelihoods of the options.
`samples[i]` is a row of the `dataset` table (`lode/schemas.py`) of which a score may read every column but `media`:
the stage leaves the encoded files out. The result is a float64 in [0, 1] per sample, higher is better.

- The score of a sample depends on its own reply and row alone: the stage scores each distinct (sample, reply) once.
  It may also depend on the references of all samples given (`cider_d`), never on how often a sample occurs, nor on
  another reply.
- An empty reply scores 0, whatever the references: a collapsed model must not be rewarded. A sample without a
  reference or right option scores 0, and a blank reference is no reference.
- Only light imports at the top: plug-ins are imported while the job graph is built. Libraries go inside `score`.
- The docstring of the module says what is measured, the formula, the range, the source, and what it does not tell.
"""
