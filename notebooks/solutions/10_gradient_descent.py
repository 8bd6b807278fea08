"""Solutions of the exercises in 10_gradient_descent.ipynb."""

import numpy as np

from dualdiff import gradient

# 1. Five times as far in each step.  (From about 30 on, the steps jump over the valley.)
answer_1 = 5.0


# 2. The gradient of one score in the picture, while the network stays.
def scores(knobs, images):
    hidden = np.tanh(images @ knobs["W1"] + knobs["b1"])
    return hidden @ knobs["W2"] + knobs["b2"]


def answer_2(network, image):
    return gradient(lambda image: scores(network, image)[8], image)


# 3. The hidden layer is zero, so that W2 hears nothing, and nothing comes back through W2 to W1 and b1.  Only b2 moves.
answer_3 = 1
