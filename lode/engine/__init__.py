"""The engine: config, reruns, results and errors of any study; it knows no science and no study."""
