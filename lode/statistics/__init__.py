"""What results are judged by: numbers in, numbers out; no torch and no tables here.

``bootstrap``     cluster bootstrap intervals, paired where the series are differences
``significance``  rank among controls, exact McNemar, Holm
``effect_size``   Cohen's d_z, risk difference, matched odds ratio
``selectivity``   does a mask cost more on its own benchmarks than elsewhere; specificity F
``dose``          area and slope of a dose-response curve

The unit of analysis is the sample; samples that share a medium form a cluster (METHODS 4).
"""
