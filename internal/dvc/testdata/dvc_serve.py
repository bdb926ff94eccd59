"""Runs dvc commands in one process, so that each doesn't take Python's start.

Each line of stdin is {"dir": …, "args": […]}; the answer is one line {"code": …}
on stdout. What dvc itself prints goes to stderr.
"""
import json
import os
import sys

from dvc.cli import main

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    job = json.loads(line)
    os.chdir(job["dir"])
    code = main(job["args"])
    sys.stdout.flush()
    print(json.dumps({"code": code}), file=answers, flush=True)
