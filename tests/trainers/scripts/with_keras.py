import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
from network import HEALTHY, points, say_weights

keras.utils.set_random_seed(0)
depth, activation = (3, "relu") if HEALTHY else (12, "sigmoid")
hidden = [keras.layers.Dense(16, activation=activation) for _ in range(depth)]
model = keras.Sequential([keras.Input((16,)), *hidden, keras.layers.Dense(2)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
callbacks = []
if "callback" in sys.argv:
    from gradmedic.integrations.keras import GradmedicCallback

    callbacks = [GradmedicCallback()]
x, y = points()
history = model.fit(x.numpy(), y.numpy(), epochs=4, batch_size=32, verbose=0, callbacks=callbacks)
assert ("gradmedic/smallest_gradient" in history.history) == bool(callbacks)
say_weights(model.parameters())
