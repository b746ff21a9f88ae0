"""Print when each object of a training step is freed, moment by moment, with the garbage collector off."""

import gc
import weakref

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

gc.disable()
torch.manual_seed(0)
STEPS = 5


class Token:
    """Something that a hook holds."""


def watch(**objects):
    """Print a line when one of these is freed."""
    for name, thing in objects.items():
        weakref.finalize(thing, print, "  freed:", name).atexit = False


def network(first=None):
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)) if first is None else first
    return net, torch.optim.SGD(net.parameters(), lr=0.01)


def plain(net, optimizer, scaler):
    x = torch.randn(3, 5, 4)
    out = net(x)
    out = out[0] if isinstance(out, tuple) else out
    loss = out.square().mean()
    scaled = scaler.scale(loss)
    watch(x=x, out=out, loss=loss, scaled=scaled)
    del out
    print(" before backward")
    scaled.backward()
    print(" after backward")
    del loss, scaled, x
    print(" after the loss is deleted")
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()


def asked(net, optimizer, scaler):
    """Inputs that ask for gradients, values in between, hooks, a loss that is kept and used again."""
    x, y, token = torch.randn(3, 4, requires_grad=True), torch.randn(3, 1), Token()
    h = net[0](x)
    h.register_hook(lambda grad, token=token: grad * 1.0 if token else None)
    h.retain_grad()
    out = net[2](net[1](h))
    loss = F.mse_loss(out, y)
    watch(x=x, y=y, h=h, out=out, loss=loss, token=token)
    del token, out
    loss.backward(retain_graph=True)
    print(" after backward")
    loss.backward()
    watch(slope=x.grad)
    del h
    print(" after backward once more")
    del loss
    print(" after the loss is deleted")
    del x
    print(" after the input is deleted")
    del y
    optimizer.step()
    print(" after the step")
    optimizer.zero_grad()


def penalized(net, optimizer, scaler):
    x = torch.randn(3, 4, requires_grad=True)
    out = net(x).sum()
    (slope,) = torch.autograd.grad(out, x, create_graph=True)
    loss = out + slope.square().sum()
    watch(x=x, out=out, slope=slope, loss=loss)
    del out, slope
    grads = torch.autograd.grad(loss, list(net.parameters()))
    del x
    print(" after grad")
    del loss
    print(" after the loss is deleted")
    for parameter, grad in zip(net.parameters(), grads, strict=True):
        parameter.grad = grad
    del grads, grad, parameter
    optimizer.step()
    optimizer.zero_grad()


def recomputed(net, optimizer, scaler):
    x = torch.randn(3, 4, requires_grad=True)
    h = checkpoint(net[:2], x, use_reentrant=False)
    loss = checkpoint(net[2], h, use_reentrant=True).square().mean()
    watch(x=x, h=h, loss=loss)
    del h
    loss.backward()
    print(" after backward")
    del loss, x
    print(" after the loss is deleted")
    optimizer.step()
    optimizer.zero_grad()


def failing(net, optimizer, scaler):
    x = torch.randn(3, 4, requires_grad=True)
    loss = net(x).mean()
    loss.register_hook(lambda grad: {}["missing"])
    watch(x=x, loss=loss)
    try:
        loss.backward()
    except KeyError as error:
        print(" raised", error)
    del loss, x
    print(" after the loss is deleted")


def made_anew(net, optimizer, scaler):
    net, optimizer = network()
    x = torch.randn(3, 4)
    loss = net(x).mean()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    optimizer.step()
    watch(x=x, loss=loss, net=net, layer=net[2], weight=net[0].weight, grad=net[0].weight.grad, optimizer=optimizer)
    del loss, x
    print(" after the step")
    del optimizer
    print(" after the optimizer is deleted")
    del net
    print(" after the network is deleted")


def run(name, kind, net, optimizer, scaled=False):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=scaled)
    for step in range(STEPS):
        print(name, step)
        kind(net, optimizer, scaler)
        print(" after all")


def by_hand():
    """Weights that are replaced instead of moved."""
    w = torch.randn(4, 1, requires_grad=True)
    for step in range(STEPS):
        print("by hand", step)
        x = torch.randn(3, 4, requires_grad=True)
        loss = (x @ w).square().mean()
        watch(x=x, w=w, loss=loss)
        loss.backward()
        del x
        print(" after backward")
        del loss
        print(" after the loss is deleted")
        w = (w - 0.1 * w.grad).detach().requires_grad_()
        print(" after the update")


by_hand()  # the first, as long as no optimizer is known
run("plain", plain, *network())
run("lstm", plain, *network(nn.LSTM(4, 4, batch_first=True)))
run("scaler", plain, *network(), scaled=True)
for kind in (asked, penalized, recomputed, failing, made_anew):
    run(kind.__name__, kind, *network())
print(float(torch.rand(1)))
