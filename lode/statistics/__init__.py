"""What results are judged by: numbers in, numbers out; no torch and no tables here.

``clusters``      samples that err as one
``intervals``     intervals that hold at the boundary, with clusters; the interval of the best of many
``significance``  rank among controls, alone and corrected over a report; exact McNemar, Holm
``effect_size``   Cohen's d_z, risk difference, matched odds ratio
``selectivity``   does a set cost more on its own benchmarks than elsewhere, in shares; specificity F
``verdict``       specific, not shown to be, or cannot be told here and why
``dose``          area and slope of a dose-response curve
``classes``       replies that name a class: by class, against chance, collapse
``convergence``   do two groups of tokens come nearer over layers; ``panel``, ``approach``, ``label_nulls``, ``taken``
``alignment``     are the same contents alike in two forms
``phenomena``     how near tokens come to those of a bank; ``reach``
``stability``     does a selection come out again on other samples, and do other selectors agree

The unit of analysis is the sample; samples that share a medium form a cluster (docs/methods.md 4.2).
"""
