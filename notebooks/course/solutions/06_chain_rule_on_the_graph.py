"""Solutions of the exercises in 06_chain_rule_on_the_graph.ipynb."""

import numpy as np

# 1. Through the exponential: e^x times ln x.  Through the logarithm: 1/x times e^x.
answer_1 = [np.e * np.log(1.0), np.e]

# 2. Each step doubles the number of paths and adds one.
answer_2 = 2**51 - 1


# 3. Each step passes on its adjoint times the local derivative; contributions from several steps add up.
def answer_3(t):
    adjoints = {step.name: 0.0 for step in t.steps}
    adjoints[t.results[0].name] = 1.0
    for step in reversed(t.operations):
        for operand, partial in zip(step.operands, step.partials, strict=True):
            adjoints[operand.name] += partial * adjoints[step.name]
    return adjoints
