# Writes escapes.json: texts with control characters as values and as keys of files of
# parameters, and what the YAML writer of DVC 3.67 makes of them in dvc.lock.
# Usage: python escapes.py escapes.json
import json, sys
from collections import OrderedDict
from dvc.utils.serialize import dumps_yaml

texts = [chr(c) for c in [*range(0x20), *range(0x7F, 0x85), *range(0x86, 0xA2), 0xFEFF, 0xFFFE, 0xFFFF]]
texts += ["a\tb", "a\nb", "a\n", "\r\n", " \t ", "é\t\u00a0'\"\\", "\\t", "'\t", "a: \t", "#\t", "C:\\new\t"]
shapes = [lambda t: t, lambda t: [t, [t], {t: t}], lambda t: {t: OrderedDict(a=1, b=[t, None])}, lambda t: {t: [t, {"c": t}]}, lambda t: {t: None}]
out = []
for shape in shapes:
    p = OrderedDict((f"k{i:02}", shape(t)) for i, t in enumerate(texts))
    lock = dumps_yaml({"schema": "2.0", "stages": {"s": OrderedDict(cmd="x", params={"p.json": p})}})
    out.append({"json": json.dumps(p), "lock": lock})
p = OrderedDict((t, 1) for t in sorted(texts))
lock = dumps_yaml({"schema": "2.0", "stages": {"s": OrderedDict(cmd="x", params={"p.json": p})}})
out.append({"json": json.dumps(p), "lock": lock})
json.dump(out, open(sys.argv[1], "w"))
