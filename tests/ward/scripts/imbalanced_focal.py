import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.metrics import roc_auc_score

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = make_classification(6000, 16, n_informative=8, weights=[0.97], class_sep=1.6, flip_y=0.0, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(y).float()


def focal(logit, target, gamma=2.0, alpha=0.8):
    ce = nn.functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    p_t = torch.exp(-ce)
    a_t = alpha * target + (1 - alpha) * (1 - target)
    return (a_t * (1 - p_t) ** gamma * ce).mean()


net = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 1))
nn.init.constant_(net[-1].bias, -3.5)  # the prior of a rare class
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(8):
    for k in torch.randperm(4800).split(64):
        loss = focal(net(X[k]).squeeze(1), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "focal loss", loss.item())
with torch.no_grad():
    print("AUC", roc_auc_score(y[4800:].numpy(), net(X[4800:]).squeeze(1).numpy()))
