"""Scripts that train and write, each by another way: what trials must keep from the user's folder."""

TRAIN = """
import os, pathlib, sys, torch
HERE = pathlib.Path(__file__).absolute().parent
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
{resume}
inputs = torch.randn(16, 4)
for step in range(5):
    loss = (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("first", {resumed})
{write}
"""
WAYS = {
    "checkpoint": "torch.save(model.state_dict(), 'model.pt')",
    "log": "open('train.log', 'a').write(f'{os.getpid()}\\n')",
    "absolute": "torch.save(model.state_dict(), HERE / 'model.pt'); torch.save(model, os.path.abspath('new.pt'))",
    "rename": "torch.save(model, 'x.tmp'); os.replace('x.tmp', HERE / 'model.pt')",
    "remove": "os.unlink('model.pt'); os.rename('train.log', 'old.log'); import shutil; shutil.rmtree(HERE / 'runs')",
    "sqlite": "import sqlite3; base = sqlite3.connect(HERE / 'runs.db'); base.execute('insert into runs values (1)'); "
    "base.commit()",
    "memmap": "import numpy; held = numpy.memmap('memory.bin', mode='r+'); held[:] = 7; held.flush()",
    "link": "open('link.txt', 'w').write('through a link'); open('hard.txt', 'w').write('through a second name')",
    "child": "import subprocess; subprocess.run(['sh', '-c', f'echo x >> train.log; rm -r {HERE}/runs; touch made'])",
    "mode": "os.chmod('model.pt', 0o600); os.utime('train.log', (1, 1)); os.truncate('memory.bin', 3)",
    "module": "import helper; (pathlib.Path(helper.__file__).parent / 'beside.txt').write_text('x')",
}
RESUME = "if os.path.exists('resume.pt'): sys.exit('resumed from what an earlier trial wrote')"
RESUMES = "torch.save(model.state_dict(), 'resume.pt')"
