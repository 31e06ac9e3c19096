"""The tests. Imported before anything else, so that OpenMP's threads sleep while they wait.

Several workers share the cores: threads that spin took seven times the processor time of a training
step.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
