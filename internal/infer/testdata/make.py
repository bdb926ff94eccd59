#!/usr/bin/env python3
"""Makes the messy CSV files beside it, each named for its mess. Python 3.11 or
newer, nothing else: python3 make.py. The same files come out each time."""
import datetime
import pathlib
import random

OUT = pathlib.Path(__file__).parent / "messy"


def save(name, header, rows, sep=",", end="\n", encoding="utf-8", head=""):
    lines = ([sep.join(header)] if header else []) + [sep.join(map(str, r)) for r in rows]
    (OUT / (name + ".csv")).write_bytes((head + end.join(lines) + end).encode(encoding))


def rand(name):
    return random.Random("perennial " + name)


def german(v, digits=2):
    return f"{v:,.{digits}f}".replace(",", "x").replace(".", ",").replace("x", ".")


def main():
    OUT.mkdir(exist_ok=True)
    day = datetime.date(2024, 1, 1)

    r = rand("semicolons")
    rows = []
    for i in range(60):
        x, y = r.uniform(1, 9), r.choice(["Wien", "Graz", "Linz"])
        rows.append([f"{day + datetime.timedelta(i):%d.%m.%Y}", y, f"{x:.2f}".replace(".", ","), f"{3 * x + r.gauss(0, 1):.3f}".replace(".", ",")])
    save("semicolons-decimal-commas", ["Datum", "Ort", "Menge", "Preis"], rows, sep=";", end="\r\n")

    r = rand("tabs")
    save("tabs", ["height", "colour", "weight"], [[r.randint(150, 200), r.choice(["red", "blue, dark"]), round(r.uniform(50, 99), 1)] for _ in range(40)], sep="\t")

    r = rand("bars")
    rows = [[f'"{r.choice(["a|b", "c""d".replace("c", "c" + chr(34) * 2), "e"])}"', r.randint(1, 99), r.choice(["in", "out"])] for _ in range(40)]
    save("bars-and-quotes", ["label", "n", "state"], rows, sep="|")

    r = rand("bom")
    save("byte-order-mark-crlf", ["größe", "gewicht", "art"], [[round(r.uniform(1, 2), 2), r.randint(40, 99), r.choice(["männlich", "weiblich"])] for _ in range(40)], end="\r\n", encoding="utf-8-sig")

    r = rand("latin")
    save("windows-1252", ["stadt", "preis", "teuer"], [[r.choice(["Köln", "Paris"]), r.randint(1, 9), r.choice(["ja", "nein"])] for _ in range(30)], encoding="cp1252")
    save("utf-16", ["a", "b"], [[i, i % 2] for i in range(30)], encoding="utf-16")

    r = rand("headless")
    save("no-column-names", None, [[round(r.uniform(4, 8), 1), round(r.uniform(2, 4), 1), r.choice(["setosa", "virginica"])] for _ in range(30)])

    r = rand("names")
    rows = [[i, r.randint(1, 9), r.randint(1, 9), r.randint(1, 9), "x", round(r.uniform(0, 50), 1)] for i in range(1, 41)]
    save("names-twice-and-empty", ["", "a", "b", "a", "", "y"], rows)

    r = rand("nulls")
    rows = []
    for i in range(60):
        words = ["NA", "?", "-", "null", "n/a", "NaN", "None", ""]
        rows.append([r.choice(words) if r.random() < 0.2 else r.randint(18, 80), r.choice(words[:1]) if r.random() < 0.1 else r.choice(["basic", "plus", "none"]),
                     "unknown" if i == 7 else round(r.uniform(0, 1), 3), r.choice(["stay", "leave"])])
    save("many-words-for-null", ["age", "plan", "score", "churn"], rows)

    r = rand("money")
    rows = []
    for _ in range(50):
        p = r.uniform(1, 5000)
        rows.append([f'"${p:,.2f}"', f"{r.uniform(0, 100):.1f}%", f'"{r.randint(500, 4_000_000):,}"', f'"{p * 1.2 + r.gauss(0, 20):,.2f}"'])
    save("thousands-currency-percent", ["price", "discount", "sold", "revenue"], rows)

    r = rand("euro")
    rows = [[german(r.uniform(10, 90000)) + " €", german(r.uniform(0, 9), 1), german(r.uniform(1000, 99000), 0)] for _ in range(50)]
    save("points-for-thousands", ["Umsatz", "Note", "Ziel"], rows, sep=";")

    r = rand("dates")
    rows = []
    for i in range(60):
        d = day + datetime.timedelta(r.randint(0, 900))
        t = datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=r.randint(0, 9000))
        rows.append([d.isoformat(), f"{d:%d.%m.%Y}", f'"{d:%b} {d.day}, {d.year}"', f"{t:%Y-%m-%dT%H:%M:%SZ}", f"{d.month}/{d.day}/{d.year}", f"{d:%Y%m%d}",
                     f"{t:%H:%M}", f"{t:%Y-%m-%d %H:%M:%S}+02:00", d.toordinal() - day.toordinal() + r.randint(0, 9)])
    save("dates-and-times", ["iso", "dotted", "month_name", "stamp", "us", "packed_date", "clock", "zone", "y"], rows)

    r = rand("doubt")
    save("day-or-month", ["when", "x", "y"], [[f"{r.randint(1, 12):02}/{r.randint(1, 12):02}/2023", r.randint(0, 9), r.uniform(0, 9)] for _ in range(40)])

    r = rand("booleans")
    rows = [[r.choice(["yes", "no"]), r.randint(0, 1), r.choice(["true", "false"]), r.choice("tf"), r.choice("YN"), r.choice(["True", "False"]), r.choice(["Yes", "No"])] for _ in range(50)]
    save("booleans", ["smoker", "member", "active", "flag", "letter", "python", "buys"], rows)

    r = rand("codes")
    rows = []
    for i in range(60):
        zipcode = f"{r.choice([1010, 4020, 8010, 203]):05}"
        rows.append([i + 1, f"ord-{r.getrandbits(40):x}", zipcode, 9_000_000_000_000_000_000 + r.choice([1, 2, 3]), r.choice([11, 12, 40]), r.randint(1, 5), round(r.uniform(5, 9), 2)])
    save("ids-and-codes", ["row", "order_id", "zip", "account", "store_code", "rooms", "price"], rows)

    r = rand("text")
    words = "the quick brown fox jumps over a lazy dog and then it rests for the whole day".split()
    rows = []
    for i in range(50):
        text = " ".join(r.choices(words, k=r.randint(6, 15)))
        rows.append([f"p{i}@example.org", '"' + text.replace(" and ", "\nand ") + ', ""so it says""\nEnd."', f"Person {i} X", r.randint(1, 5), r.choice(["good", "bad"])])
    save("free-text-line-breaks", ["email", "comment", "name", "stars", "verdict"], rows)

    r = rand("cities")
    cities = [f"city {i:03}" for i in range(120)]
    save("high-cardinality", ["city", "rooms", "rent"], [[(c := r.randrange(120)) and cities[c] or cities[0], (n := r.randint(1, 5)), round(200 * n + 3 * c + r.gauss(0, 30))] for _ in range(400)])

    r = rand("leak")
    rows = []
    for _ in range(60):
        y = r.choice(["ok", "broken"])
        rows.append([7, "", r.randint(1, 100), {"ok": "A", "broken": "B"}[y], r.choice(["x", "y"]), y])
    save("constant-empty-and-leak", ["plant", "remark", "hours", "state_code", "line", "state"], rows)

    r = rand("rare")
    rows = []
    for i in range(200):
        fraud = i % 20 == 0
        rows.append([round(r.lognormvariate(3 + 2 * fraud, 1), 2), r.choice(["web", "shop"]), int(fraud)])
    save("rare-class", ["amount", "channel", "fraud"], rows)

    r = rand("few")
    save("few-rows", ["dose", "weight", "alive"], [[i, round(r.uniform(1, 2), 1), "yes" if i > 5 else "no"] for i in range(12)])

    r = rand("ragged")
    rows = [[i, r.randint(1, 9), r.choice(["a", "b"])] for i in range(30)]
    rows[4] = [4, "one", "field too many", "a"]
    rows[9] = [9, 1]
    save("ragged-rows", ["n", "x", "y"], rows)

    rows = [[i, "fine", i % 2] for i in range(30)]
    rows[11] = [11, '"never closed', 1]
    save("open-quote", ["n", "text", "y"], rows)

    r = rand("target")
    rows = [[r.randint(1, 9), r.choice(["a", "b"]), "" if i % 6 == 0 else round(r.uniform(1, 2), 3)] for i in range(60)]
    save("rows-without-target", ["x", "group", "y"], rows)

    r = rand("spaces")
    rows = [[r.randint(18, 80), r.choice([" Private", " Self-emp", " ?"]), f" {r.randint(1, 60)}", f" {r.choice(['<=50K', '>50K'])}"] for _ in range(60)]
    save("spaces-after-commas", ["age", " workclass", " hours", " income"], rows)

    r = rand("titles")
    save("title-lines", ["year", "sales", "region"], [[2000 + i, r.randint(1, 99), r.choice("NS")] for i in range(30)], head="Sales report\nmade on Monday\n\n")
    save("excel-sep-line", ["a", "b"], [[i, i % 3] for i in range(30)], sep=";", head="sep=;\n")
    save("one-class", ["x", "y"], [[i, "same"] for i in range(30)])
    save("one-column", ["x"], [[i] for i in range(30)])

    r = rand("quality")
    save("whole-numbers-as-classes", ["acid", "sugar", "quality"], [[round(r.uniform(4, 9), 1), round(r.uniform(1, 9), 2), r.randint(4, 8)] for _ in range(80)])

    r = rand("mixed")
    rows = [[f"{r.randint(1, 12)}/{r.randint(1, 28)}/2020" if i % 2 else f"2020-01-{i % 28 + 1:02}", r.choice(["5 kg", "7 kg", "9 lb"]), r.choice(["Red", "red", "blue"]), r.randint(0, 40)] for i in range(60)]
    save("one-thing-in-several-spellings", ["date", "mass", "colour", "y"], rows)

    r = rand("airquality")
    rows = []
    for i in range(80):
        t = datetime.datetime(2024, 3, 1) + datetime.timedelta(hours=i)
        rows.append([f"{t:%d/%m/%Y}", f"{t:%H.%M.%S}", f"{r.uniform(1, 5):.1f}".replace(".", ","), f"{r.uniform(5, 30):.2f}".replace(".", ","), "", ""])
    save("empty-rows-and-columns", ["Date", "Time", "CO(GT)", "T", "", ""], rows + [[""] * 6] * 9, sep=";", end="\r\n")


main()
