"""ErrorRadar STEP: which step of a student's solution is the first wrong one (2,500 problems, each with an image)?

ErrorRadar: Yan et al. 2024 (arXiv 2410.04509). The reply is the number of the step; the choices are all numbers of the
solution, 3 to 20. Prompts are our own, as theirs are not public.

The table's columns are not public: `columns` maps our names to them, and without a whole map the columns of the file
are listed. The licence is "other, use unclear", so nothing of it is bundled. The cluster is the image.
"""

from lode.dataset._errorradar import META as META
from lode.dataset._errorradar import step_sample
from lode.dataset._errorradar_samples import samples_of_table

HELD_OUT = "clusters"

#: The options are those of `_errorradar_samples.py` beside this file.
samples = samples_of_table(step_sample)
