# SPDX-License-Identifier: Apache-2.0
"""A policy of the size that the numbers are about, always the same: rules (40 % domain lists, 20 % path patterns, the rest on method, network and
header) and one list of many domains.  python3 bench/generate.py FOLDER [DOMAINS=1000000] [RULES=1000]  writes FOLDER/domains.txt, FOLDER/rules.toml."""
import pathlib
import random
import sys

SYLLABLES = ["al", "an", "ar", "ba", "be", "bo", "ca", "co", "da", "de", "di", "do", "el", "en", "er", "fa", "fi", "ga", "go", "ha", "in", "is", "ka", "ki",
             "la", "le", "li", "lo", "ma", "me", "mi", "mo", "na", "ne", "ni", "no", "on", "or", "pa", "pe", "po", "ra", "re", "ri", "ro", "sa", "se", "si",
             "so", "ta", "te", "ti", "to", "un", "ur", "va", "ve", "vi", "wa", "we", "xi", "ya", "za", "zo"]
HOSTS = ["", "", "", "www.", "ads.", "cdn.", "track.", "static.", "img.", "eu1.", "a.b."]
SUFFIXES = ["com", "com", "com", "net", "org", "de", "ru", "info", "co.uk", "io", "com.br", "xyz", "top"]


def domains(count, seed=1):
    """`count` different names that look real, about 20 characters each."""
    random_ = random.Random(seed)
    seen = set()
    while len(seen) < count:
        name = "".join(random_.choices(SYLLABLES, k=random_.randint(3, 7)))
        if random_.random() < 0.2:
            name += str(random_.randint(1, 999))
        seen.add(random_.choice(HOSTS) + name + "." + random_.choice(SUFFIXES))
    return sorted(seen, key=lambda _: random_.random())


def rules(count, folder, seed=2):
    """The rules' TOML. None decides the benchmark's own requests: a plain GET of 127.0.0.1 from 127.0.0.1 walks through all of them."""
    random_ = random.Random(seed)
    lists = max(1, count * 4 // 10)
    out = ["[lists]", f'big = {{ type = "domain", file = "{folder}/domains.txt" }}']
    for number in range(1, lists):
        values = ", ".join(f'"{name}"' for name in domains(4, seed=1000 + number))
        out.append(f'l{number} = {{ type = "domain", values = [{values}] }}')
    for number in range(count):
        share = number * 10 // count
        if share < 4:
            condition = f"url.domain in @{'big' if number == 0 else f'l{number % lists or 1}'}"
        elif share < 6:
            word = "".join(random_.choices(SYLLABLES, k=4))
            condition = random_.choice([f'url.path contains "/{word}/"', f'url.path starts_with "/{word}"', f'url.path matches "/{word}[0-9]+/"',
                                        f'url.path ends_with ".{word}"'])
        elif share < 7:
            condition = f'http.request.method == "{random_.choice(["PROPFIND", "LOCK", "PATCH", "DELETE"])}" and url.port == {20000 + number}'
        elif share < 9:
            condition = f"client.ip in 10.{random_.randint(0, 255)}.{random_.randint(0, 255)}.0/24 and url.port == {20000 + number}"
        else:
            word = "".join(random_.choices(SYLLABLES, k=3))
            condition = f'http.request.headers["X-{word}"] == "{number}"'
        blocks = number == 0 or number % 3
        out += ["", "[[rule]]", f'name = "generated-{number}"', f"when = '{condition}'"]
        out += ['action = "block"', 'reason = "generated"'] if blocks else ['action = "tag"', f'tags = ["t{number}"]']
    return "\n".join(out) + "\n"


def write(folder, domain_count=1_000_000, rule_count=1000):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "domains.txt").write_text("\n".join(domains(domain_count)) + "\n")
    (folder / "rules.toml").write_text(rules(rule_count, folder.resolve()))


if __name__ == "__main__":
    write(sys.argv[1], *map(int, sys.argv[2:4]))
