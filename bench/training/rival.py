"""What the scripts that compare Perennial with other libraries have in common.

A venv for each script with the rival in it, the Go side as a process that reads arrays and obeys commands, the
built program's ports, and California Housing on its reference split. Standard library until `inside` has run.
"""
import atexit, csv, functools, json, os, shutil, socket, subprocess, sys, tempfile, time, venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def inside(name, *needs):
    """Runs the script again with the Python of a venv that holds these packages: bench/training/.venv-NAME, or VENV."""
    home = os.environ.get("VENV", os.path.join(HERE, ".venv-" + name))
    python = os.path.join(home, "bin", "python")
    if os.path.realpath(sys.prefix) == os.path.realpath(home):
        return
    if not os.path.exists(python):
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *needs], check=True)
    os.execv(python, [python, *sys.argv])


@functools.cache
def work():
    """A directory that goes when the script ends."""
    made = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@functools.cache
def built(package):
    """Builds a command of this repository and gives the program."""
    binary = os.path.join(work(), os.path.basename(package))
    subprocess.run(["go", "build", "-o", binary, package], cwd=ROOT, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return binary


class Go:
    """A process of the Go side, bench/training/NAME/main.go, with a directory of arrays."""

    def __init__(self, name, **env):
        self.dir = tempfile.mkdtemp(dir=work())
        self.process = subprocess.Popen([built("./bench/training/" + name), self.dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env})

    def write(self, **arrays):
        import numpy as np

        for name, a in arrays.items():
            np.ascontiguousarray(a, dtype="<f8").tofile(os.path.join(self.dir, name + ".f64"))

    def ask(self, **command):
        """Sends one command; p is what was predicted for the Test rows, where something was."""
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "predictions" in answer:
            import numpy as np

            answer["p"] = np.fromfile(answer["predictions"], dtype="<f8").reshape(command["Test"], -1)
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(model, x, y, **more):
    """Seconds on the clock and of all processors that a fit takes."""
    start, used = time.perf_counter(), time.process_time()
    model.fit(x, y, **more)
    return time.perf_counter() - start, time.process_time() - used


def housing():
    """California Housing, the target last; in a new clone the data is pulled first."""
    import numpy as np

    path = "data/raw/california-housing.csv"
    if not os.path.exists(os.path.join(ROOT, path)):
        subprocess.run(["go", "run", "./cmd/perennial", "data", "pull", path], cwd=ROOT, check=True)
    with open(os.path.join(ROOT, path)) as f:
        return np.array([[float(v) for v in row] for row in list(csv.reader(f))[1:]])


def reference_split():
    """Its training rows and targets, then the test part's, as the pipeline uses them."""
    import numpy as np

    table = housing()
    with open(os.path.join(ROOT, "pipelines/california-housing.split.csv")) as f:
        mask = np.zeros(len(table), bool)
        mask[[int(line) for line in f.read().split()[1:]]] = True
    return table[~mask, :-1], table[~mask, -1], table[mask, :-1], table[mask, -1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
