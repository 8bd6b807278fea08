"""Solutions of the exercises in 10_gradient_descent.ipynb."""

import numpy as np

from dualdiff import gradient

# 1. Five times as far in each step.  (From about 30 on, the steps overshoot the valley.)
answer_1 = 5.0


# 2. The gradient of one score with respect to the image, with the network fixed.
def scores(parameters, images):
    hidden = np.tanh(images @ parameters["W1"] + parameters["b1"])
    return hidden @ parameters["W2"] + parameters["b2"]


def answer_2(network, image):
    return gradient(lambda image: scores(network, image)[8], image)


# 3. The hidden layer is zero, so the gradients of W2 and, through W2, of W1 and b1 are zero.  Only b2 changes.
answer_3 = 1
