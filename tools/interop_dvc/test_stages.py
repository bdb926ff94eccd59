"""What stages make, in every form that dvc.yaml has for them, and what dvc refuses."""

import json
import shutil

PIPELINE = b"""vars: [v.json, {d: {out: w}}]
stages:
  plain: {cmd: echo 1 > out.txt, wdir: w, outs: [out.txt]}
  private: {cmd: echo secret > private, outs: [private: {push: false}]}
  elsewhere: {cmd: echo near > elsewhere, outs: [elsewhere: {remote: near}]}
  variable: {cmd: 'echo 3 > ${p}', wdir: '${d.out}/${n}', outs: ['${p}']}
  each: {foreach: [a, 2, true], do: {cmd: 'echo ${item} > e-${item}', outs: ['e-${item}']}}
  list: {foreach: '${list}', do: {cmd: 'echo ${item.o} > ${item.o}', outs: ['${item.o}']}}
  named: {foreach: {a: {o: x}, b: {o: y}}, do: {cmd: 'echo ${key} > ${key}-${item[o]}', outs: ['${key}-${item[o]}']}}
  cross: {matrix: {m: [a, b], n: [1, {k: v}]}, cmd: 'echo ${key} > c-${item.m}-${key}', outs: ['c-${item.m}-${key}']}
  anchored: &a {cmd: echo 4 > anchored, wdir: w, outs: &o [anchored]}
  merged: {<<: *a, wdir: w/1.5}
  metric: {cmd: "echo '{}' > m.json", metrics: [m.json: {cache: false}]}
"""
REFUSED = {
    "no YAML": b"stages:\n  s: a: b\n",
    "a key twice": b"stages:\n  s: {cmd: x}\n  s: {cmd: x}\n",
    "no such variable": b"stages:\n  s: {cmd: 'x ${nothing}'}\n",
    "no such item": b"stages:\n  s: {foreach: [{a: 1}], do: {cmd: '${item.b}'}}\n",
    "no file of variables": b"vars: [none.yaml]\nstages:\n  s: {cmd: x}\n",
    "defined twice": b"vars: [{p: 1}]\nstages:\n  s: {cmd: x}\n",
    "an option": b"stages:\n  s: {cmd: x, outs: [a: {push: 1}]}\n",
    "no cmd": b"stages:\n  s: {outs: [a]}\n",
}


def test_stages_of_every_form(new_project, tmp_path):
    p = new_project("p", {"url": str(tmp_path / "far")})
    p.dvc("remote", "add", "near", str(tmp_path / "near"))
    p.write("params.yaml", b"p: m\nlist:\n- o: l0\n- o: l1\n")
    p.write("v.json", b'{"n": 1.50}')
    p.write("dvc.yaml", PIPELINE)
    p.write("sub/dvc.yaml", b"stages:\n  s: {cmd: echo s > s.txt, outs: [s.txt]}\n")
    for directory in ("w", "w/1.5"):
        (p.path / directory).mkdir()
    p.dvc("repro", "-q", "-P")
    files = {s["path"]: s["stage"] for s in json.loads(p.perennial("data", "status", "--json"))}
    assert files == {
        "w/out.txt": "plain", "private": "private", "elsewhere": "elsewhere", "w/1.5/m": "variable", "e-a": "each@a", "e-2": "each@2", "e-true": "each@true",
        "l0": "list@0", "l1": "list@1", "a-x": "named@a", "b-y": "named@b",
        "c-a-a-1": "cross@a-1", "c-a-a-n1": "cross@a-n1", "c-b-b-1": "cross@b-1", "c-b-b-n1": "cross@b-n1", "sub/s.txt": "sub/dvc.yaml:s",
        "w/anchored": "anchored", "w/1.5/anchored": "merged",
    }
    p.perennial("data", "push")
    assert p.clean()
    near, far = objects(tmp_path / "near"), objects(tmp_path / "far")
    assert near == {b"near\n"}
    assert far == {(p.path / f).read_bytes() for f in files} - {b"secret\n", b"near\n"}
    shutil.rmtree(p.path / ".dvc/cache")
    for f in set(files) - {"private"}:
        (p.path / f).unlink()
    p.write("out.txt", b"foreign\n")
    p.perennial("data", "pull", "--force")
    assert (p.path / "out.txt").read_bytes() == b"foreign\n"
    assert json.loads(p.dvc("status", "--json")) == {}


def objects(remote):
    return {f.read_bytes() for f in remote.rglob("*") if f.is_file()}


def test_what_dvc_refuses_is_refused(new_project, tmp_path):
    p = new_project("p", {"url": str(tmp_path / "far")})
    p.write("params.yaml", b"p: m\n")
    for text in REFUSED.values():
        p.write("dvc.yaml", text)
        p.run("dvc", "push", ok=(1, 255))
        p.perennial("data", "push", ok=(1,))


def test_what_a_stage_will_make_is_not_added(new_project, tmp_path):
    p = new_project("p", {"url": str(tmp_path / "far")})
    p.write("dvc.yaml", b"stages:\n  s: {foreach: [a], do: {cmd: 'echo 1 > x-${item}', outs: ['x-${item}']}}\n")
    p.write("x-a", b"mine\n")
    p.write("x-b", b"mine too\n")
    p.perennial("data", "add", "--local", "x-a", ok=(1,))
    p.perennial("data", "add", "--local", "x-b")
    p.dvc("repro", "-q", "-f")
    assert p.clean() or json.loads(p.dvc("status", "--json")) == {}
