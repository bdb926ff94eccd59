"""Writes rules.json: what dvc makes of .dvcignore files, git of .gitignore files
and configobj of configuration files, for the tests of internal/dvc.

Needs git and the Python package dvc (made with 3.67.1, configobj 5.0.9, git 2.39.5).
Usage: python rules.py > rules.json
"""
import json
import os
import subprocess
import tempfile
from pathlib import Path

from dvc.config import Config, ConfigError
from dvc.repo import Repo

PATHS = ["a", "b", "ab", "x.csv", "x.tmp", "keep.tmp", "#h", "!b", "a b", " s", "s ", "a*b", "[x]", "é.csv", "d/a", "d/x.csv", "d/x.tmp", "d/keep.tmp", "d/e/a", "d/e/x.csv", "d/e/f/a",
         "foo/a", "foo/bar", "d/foo/a", "a-b", "a1", "a\\b", "z/foo/bar/a", "foobar", "d/é.csv"]
FILES = ["", "*.csv", "x.csv", "/x.csv", "d/", "/d/", "d", "d/*", "d/**", "**/a", "d/**/a", "**", "*", "*.tmp\n!keep.tmp", "/*\n!/d", "a?", "[ab]", "[!a]", "[^a]", "[a-b]*", "[]x]",
         "[", "a[", "\\#h", "#h", "\\!b", "!b", "a b", "a\\ b", "s ", "s\\ ", " s", "a\\*b", "\\[x\\]", "foo", "foo/", "/foo", "foo/bar", "**/foo", "**/foo/**", "foo/**/", "*/a", "d/*/a",
         "é.csv", "*é*", "\\", "a\\", "/", "//", "a/", "/a", "d/e\n!d/e/a", "*\n!*.csv", "a\\\\b", "[[:digit:]]*", "*/", "/**", "**/d", "d/e/**\n!d/e/a", "x.*\r\n!x.tmp\r\n", "*.csv\n!x.csv\nd/x.csv"]
CONFIGS = ["", "[core]\n    remote = r\n", "[core]\nremote=R\n['remote \"R\"']\nurl = ../x\n", "[remote \"a\"]\nurl = 'a # b' # c\n", "[a]\nk = x#y\n", "[a]\nk = 'it''s'\n",
           "[a]\nk = \"a,b\"\n", "[cache]\ntype = reflink, copy\n", "[cache]\ntype = \"reflink\",'copy',\n", "[a]\nk =\n", "[a]\nk = ,\n", "k = 1\n[a]\nb = 2\n", "[a]\nk = '''one\ntwo'''\n",
           "[a]\nk = \"\"\"one\"\"\" # c\n", "[a]\n[[b]]\nk = 1\n", "[a]\nk = 1\nk = 2\n", "[a]\n[a]\n", "[a\nk = 1\n", "[a]\nnothing\n", "[a]\nk = 'open\n", "[a]\nk = '''open\n", "# c\n\n  # d\n[ a ]\n  K = V  \n",
           "['a']\n'k' = v\n", "[a]\nk = a 'b' c\n", "[a]\nk = a, , b\n", "[a] # c\nk = \"x\" y\n", "[A]\nb = \"\"\n", "['remote \"x y\"']\nurl = s3://b/p?x=1&y=%41\n", "[a]\nk = \"a\"b\"\n", "[a]\nk: v\n", "[a]\nk = v=w\n"]


def dvcignored():
    out = []
    for text in FILES:
        with tempfile.TemporaryDirectory() as name:
            make(Path(name))
            (Path(name) / ".dvcignore").write_text(text)
            os.chdir(name)
            try:
                ignored = sorted(p for p in PATHS if Repo.init(name, no_scm=True, force=True).dvcignore.is_ignored_file(os.path.join(name, p)))
            except Exception:  # dvc refuses some of these patterns
                continue
            out.append({"file": text, "ignored": ignored})
    return out


def gitignored():
    out = []
    for text in FILES:
        with tempfile.TemporaryDirectory() as name:
            make(Path(name))
            subprocess.run(["git", "init", "-q", name], check=True)
            (Path(name) / ".gitignore").write_text(text)
            r = subprocess.run(["git", "-C", name, "check-ignore", "--no-index", "-z", "--stdin"], input="\0".join(PATHS), capture_output=True, text=True)
            out.append({"file": text, "ignored": sorted(p for p in r.stdout.split("\0") if p)})
    return out


def make(root):
    for p in PATHS:
        (root / p).parent.mkdir(parents=True, exist_ok=True)
        if not (root / p).exists():
            (root / p).write_text("")


def configs():
    out = []
    for text in CONFIGS:
        with tempfile.TemporaryDirectory() as name:
            file = os.path.join(name, "config")
            Path(file).write_text(text)
            try:
                conf = Config.load_file(file)
            except ConfigError:
                out.append({"file": text, "error": True})
                continue
            flat = {}
            for section, values in conf.items():
                if not isinstance(values, dict):
                    continue
                named = section in ("remote", "machine", "db")
                for key, value in values.items():
                    if named:
                        for k, v in value.items():
                            flat[f'{section} "{key}"/{k}'] = ",".join(v) if isinstance(v, list) else v
                    elif not isinstance(value, dict):
                        flat[f"{section}/{key}"] = ",".join(value) if isinstance(value, list) else value
            out.append({"file": text, "values": flat})
    return out


PATHS = [p for p in PATHS if p not in ("d", "foo")]
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what dvc itself says
print(json.dumps({"paths": PATHS, "dvcignore": dvcignored(), "gitignore": gitignored(), "configs": configs()}, indent=1, ensure_ascii=False), file=answer)
