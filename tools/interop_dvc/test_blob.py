"""The suite that every object store has to pass, on moto's S3."""

import os
import subprocess

from conftest import ROOT, WAIT


def test_the_stores_suite(s3):
    env = dict(os.environ, PERENNIAL_TEST_S3=s3)
    done = subprocess.run(["go", "test", "-count=1", "-v", "-run", "TestMotoConforms", "./internal/blob"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--- PASS: TestMotoConforms" in done.stdout
