"""Networks with frozen random weights and a learned context a task.

`registry` samples the weights and names the parameters of a task, `inference` computes with NumPy, and
`torch_registry` has the networks that learn in torch. FlyNet learns in `flynet_numba` too.
"""
