"""Reference values for the tests of package tree: expf of glibc, and the links of
XGBoost computed with it in float32. Needs numpy, on Linux with glibc:

    python single.py > single.json
"""
import ctypes, json, platform
import numpy as np

libm = ctypes.CDLL("libm.so.6")
libm.expf.restype, libm.expf.argtypes = ctypes.c_float, [ctypes.c_float]


def expf(x):
    return np.float32(libm.expf(ctypes.c_float(x)))


rng = np.random.default_rng(1)
xs = rng.uniform(-110, 90, 60000).astype(np.float32)
missed = [x for x in xs if np.float32(np.exp(np.float64(x))) != expf(x)]  # by a rounded float64 exponential
edge = [0, -0.0, 1, -1, 88.7, 88.72283, 88.72284, 100, -87.33655, -103.97207, -103.97208, -104, -1000, 1e-30]
chosen = [np.float32(x) for x in edge] + missed + list(xs[:100])
with np.errstate(all="ignore"):
    print(json.dumps({
        "versions": {"numpy": np.__version__, "libc": " ".join(platform.libc_ver())},
        "expf": [[float(x), min(float(expf(x)), 1e300)] for x in chosen],  # 1e300: infinity
    }))
