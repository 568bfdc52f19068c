"""Kinds of tasks about the form of the same content: capitals, lists, JSON, words, sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from lab.smol.amounts import in_words
from lab.smol.item import FAR, NEAR, RIGHT, Answer, Principle, Rng, Task, capital, numbered, quoted
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows

_ASKED = {
    "capital letters": (
        *("in capital letters", "all in capitals", "in ALL CAPS", "IN CAPITALS", "in upper case"),
        *("ALL CAPITALS", "in block capitals", "with every letter a capital", "CAPS only"),
    ),
    "small letters": ("in small letters", "all in lower case", "without capitals", "in lowercase"),
    "numbered list": (
        *("as a numbered list", "numbered", "with numbers 1 2 3 in front", "as numbered lines"),
        *("numbered 1., 2. and so on", "in a numbered list"),
    ),
    "bulleted list": ("as bullet points", "as a bulleted list", "with bullets", "in bullets"),
    "line with commas": (
        *("comma separated", "in one line with commas", "separated by commas", "on one line"),
        *("with commas between", "as a comma-separated line"),
    ),
    "separate lines": ("each on its own line", "one per line", "one on each line, no marks"),
    "JSON array": ("as a JSON array", "as a JSON list", "in a JSON array"),
    "sentence": ("as a full sentence", "in a full sentence", "in one complete sentence"),
    "quotation marks": ("in quotation marks", "in quotes", "inside quotation marks"),
    "brackets": ("in brackets", "in round brackets", "inside brackets"),
    "bold": ("in bold", "in bold Markdown", "bold, with asterisks"),
    "semicolons": ("separated by semicolons", "with semicolons between", "in one line with ;"),
    "slashes": ("separated by slashes", "with slashes between", "in one line with /"),
    "one word": ("in one word", "with one word", "one word only", "in a single word"),
    "JSON object": ("as JSON", "as a JSON object", "in JSON", "json"),
    "lines with colons": ("as key: value lines", "in lines with colons", "as YAML"),
    "lines with dashes": ("as bullet points", "as a list with dashes"),
}
"""Forms, and how they are asked for."""
_NEAR = {
    "capital letters": ("words with a capital", "words with a capital", "small letters"),
    "small letters": ("words with a capital", "capital letters"),
    "numbered list": ("bulleted list", "bulleted list", "line with commas", "sentence"),
    "bulleted list": ("numbered list", "numbered list", "line with commas", "sentence"),
    "line with commas": ("bulleted list", "numbered list", "separate lines", "semicolons"),
    "separate lines": ("line with commas", "bulleted list", "sentence"),
    "JSON array": ("braces without keys", "line with commas", "bulleted list", "sentence"),
    "sentence": ("line with commas", "bulleted list"),
    "quotation marks": ("brackets", "bold", "line with commas"),
    "brackets": ("quotation marks", "line with commas"),
    "bold": ("capital letters", "quotation marks", "line with commas"),
    "semicolons": ("line with commas", "slashes"),
    "slashes": ("line with commas", "semicolons"),
}
_CHATTY = (
    *("Sure! Here you go: {}", "Here they are: {}", "Of course, happy to help! {}", "{} Enjoy!"),
    *("{}\nLet me know if you need more.", "Great question! {}", "I think it is this: {}"),
)
_ONLY = ("nothing else", "nothing.", "no chatter", "just that", "only that", "no comment")


def _written(form: str, items: Sequence[str], mark: str) -> str:
    """Things in a form."""
    line = ", ".join(items)
    return {
        "capital letters": line.upper(),
        "words with a capital": line.title().replace("'S", "'s"),
        "small letters": line.lower(),
        "numbered list": "\n".join(f"{i}. {one}" for i, one in enumerate(items, 1)),
        "bulleted list": "\n".join(f"{mark} {one}" for one in items),
        "line with commas": line,
        "separate lines": "\n".join(items),
        "JSON array": json.dumps(items, ensure_ascii=False),
        "braces without keys": "{" + json.dumps(items, ensure_ascii=False)[1:-1] + "}",
        "sentence": f"They are {', '.join(items[:-1])} and {items[-1]}.",
        "quotation marks": ", ".join(f'"{one}"' for one in items),
        "brackets": ", ".join(f"({one})" for one in items),
        "bold": ", ".join(f"**{one}**" for one in items),
        "semicolons": "; ".join(items),
        "slashes": " / ".join(items),
    }[form]


def seen(form: str, text: str) -> str:
    """What of a text shows its form."""
    if form in {"capital letters", "words with a capital", "small letters"}:
        words = ["".join(filter(str.isalpha, one)) for one in text.split()]
        letters = [one for one in words if one]
        if not letters:
            return "no letters"
        one = letters[0][0]
        two = next((one[1] for one in letters if len(one) > 1), letters[-1][0])
        sizes = ["capital" if letter.isupper() else "small" for letter in (one, two)]
        return f"{one} is {sizes[0]}, {two} is {sizes[1]}"
    if form in {"numbered list", "bulleted list", "JSON array", "lines with dashes"}:
        return f"it begins with {text[0]}" + ("." if form == "numbered list" else "")
    return {
        "line with commas": "commas between",
        "separate lines": "new lines, no marks",
        "braces without keys": "it begins with {",
        "sentence": "a sentence with a full stop",
        "quotation marks": 'it has "',
        "brackets": "it has ( and )",
        "bold": "it has **",
        "semicolons": "it has ;",
        "slashes": "it has /",
        "one word": "a single word",
        "JSON object": "it begins with { and has quotes",
        "lines with colons": "colons and no quotes",
        "equals signs": "it has = and no quotes",
        "braces without quotes": "it begins with { and has no quotes",
    }[form]


_CALLED = {"words with a capital": "words with a capital letter", "lines with dashes": "a list"}
"""What a form is called where it is given but not asked for."""


def copied(text: str) -> str:
    """The text as it is, in one line."""
    return f"It says {text}".replace("\n", " / ")


def _formed(  # noqa: PLR0917 - called in this order
    rng: Rng, query: str, asked: str, content: str, right: str, wrong: Sequence[tuple[str, str]],
    *, far: Sequence[tuple[str, str]] = (),
) -> Task:  # fmt: skip
    """A task about form, of texts in other forms and far ones in the right form."""
    only = any(one in query.lower() for one in _ONLY)
    near = []
    for one, text in wrong:
        fault = f"{seen(one, text)}, {_CALLED.get(one, one)}, not {asked}."
        if text != right:
            near.append(Answer(text, f"{copied(text)}: {fault}", NEAR))
    if (only and rng.random() < 0.4) or not near:
        text = rng.choice(_CHATTY).format(right)
        near = [Answer(text, f"{copied(text)}: more than the {asked}, it chats.", NEAR)]
    return Task(
        "layout",
        query,
        (Principle("asked format", 60, asked), Principle("right content", 40, content)),
        Answer(right, f"{copied(right)}: {seen(asked, right)}, {asked}, as asked.", RIGHT),
        (*near, *(Answer(text, f"{copied(text)}: {fault}.", FAR) for text, fault in far)),
    )


def form(rng: Rng) -> Task:
    """The same content in the form that was asked for or in another."""
    draw = rng.random()
    if draw < 0.2:
        return _sign(rng)
    if draw < 0.45:
        return _fact(rng)
    if draw < 0.6:
        return _record(rng)
    name, *items = rng.choice(rows("sets" if draw < 0.85 else "given"))
    asked = rng.choice(sorted(_NEAR))
    if rng.random() < 0.3:
        asked = rng.choice(("numbered list", "JSON array", "capital letters", "line with commas"))
    mark, how = rng.choice("-*•"), rng.choice(_ASKED[asked])
    given = ", ".join(items) if rng.random() < 0.6 else f"{', '.join(items[:-1])} and {items[-1]}"
    if draw < 0.85:
        query, _ = ask(rng, "form_sets", s=name, f=how)
    else:
        query, _ = ask(rng, "form_given", l=name, i=given, f=how)
    shown = [capital(one) for one in items] if rng.random() < 0.4 else items
    forms = [one for one in _NEAR[asked] if one != "small letters" or asked == "capital letters"]
    wrong = [(one, _written(one, shown, mark)) for one in dict.fromkeys(forms)]
    return _formed(
        rng, _typed(rng, query), asked, ", ".join(items) if draw < 0.85 else given,
        _written(asked, shown, mark), [rng.choice(wrong)] if rng.random() < 0.5 else wrong,
    )  # fmt: skip


def _typed(rng: Rng, query: str) -> str:
    """Now and then with a small letter first, or shouted at the end."""
    draw = rng.random()
    if draw < 0.25:
        return query[:1].lower() + query[1:]
    return query.upper() if draw < 0.28 else query


_LETTERS = ("capital letters", "capital letters", "capital letters", "small letters")
_AROUND = {"quotation marks": '"{}"', "brackets": "({})", "bold": "**{}**"}


def _lettered(text: str) -> dict[str, str]:
    """A text in capitals, in small letters, and between."""
    return {
        "capital letters": text.upper(),
        "small letters": text.lower(),
        "words with a capital": " ".join(capital(one) for one in text.split()),
    }


def _sign(rng: Rng) -> Task:
    text = rng.choice(rows("signs"))[0]
    asked = rng.choice((*_LETTERS, *_AROUND))
    query, _ = ask(rng, "form_sign", t=text, f=rng.choice(_ASKED[asked]))
    if asked in _AROUND:
        forms = {form: around.format(text) for form, around in _AROUND.items()}
    else:
        forms = _lettered(text)
        if rng.random() < 0.3 and asked == "capital letters":
            forms["words with a capital"] = capital(text)
    wrong = [(form, one) for form, one in forms.items() if form != asked]
    if asked == "capital letters" and rng.random() < 0.7:
        wrong = wrong[1:]
    return _formed(rng, _typed(rng, query), asked, text, forms[asked], wrong)


def _fact(rng: Rng) -> Task:
    """A fact in a form; wrong in the form, or wrong in the fact."""
    question, word, lie, told = rng.choice(rows("facts_in_form"))
    sentence, false = (told.format(one) + "." for one in (word, lie))
    asked = rng.choice((*_LETTERS, *_AROUND, "one word", "one word", "sentence"))
    query, _ = ask(rng, "form_fact", q=question, f=rng.choice(_ASKED[asked]))
    short = rng.random() < 0.4
    if asked in {"one word", "sentence"}:
        forms, other = {"one word": capital(word), "sentence": sentence}, {
            "one word": capital(lie),
            "sentence": false,
        }  # fmt: skip
    elif asked in _AROUND:
        one, two = (capital(word), capital(lie)) if short else (sentence[:-1], false[:-1])
        forms = {form: around.format(one) for form, around in _AROUND.items()}
        other = {asked: _AROUND[asked].format(two)}
    else:
        one, two = (word, lie) if short else (sentence, false)
        forms, other = _lettered(one), _lettered(two)
    wrong = [(form, one) for form, one in forms.items() if form != asked]
    return _formed(
        rng, _typed(rng, query), asked, sentence[:-1], forms[asked], [rng.choice(wrong)],
        far=[(other[asked], f"{lie}, not {word}")],
    )  # fmt: skip


def _record(rng: Rng) -> Task:
    """Keys and values as JSON or as something like it."""
    if rng.random() < 0.3:
        name, *items = rng.choice(rows("given"))
        key = name.split()[0].lower()
        joined = f"{', '.join(items)}, the key is {key}"
        pairs, data = [(key, ", ".join(items))], json.dumps({key: items})
    else:
        words = [one.split() for one in rng.choice(rows("records"))]
        pairs = [(key, " ".join(value)) for key, *value in words]
        joined = rng.choice((", ", " and ", ", ")).join(" ".join(pair) for pair in pairs)
        numbers = {key: int(one) if one.isdecimal() else one for key, one in pairs}
        data = json.dumps(numbers)
    forms = {
        "JSON object": data,
        "lines with colons": "\n".join(f"{key}: {one}" for key, one in pairs),
        "lines with dashes": "\n".join(f"- {key}: {one}" for key, one in pairs),
        "equals signs": "; ".join(f"{key} = {one}" for key, one in pairs),
        "braces without quotes": data.replace('"', ""),
    }
    listed = ("lines with colons", "lines with dashes") if len(pairs) > 1 else ()
    asked = rng.choice(("JSON object", "JSON object", "JSON object", *listed))
    query, _ = ask(rng, "form_record", r=joined, f=rng.choice(_ASKED[asked]))
    wrong = [(form, text) for form, text in forms.items() if form != asked]
    return _formed(rng, _typed(rng, query), asked, joined, forms[asked], rng.sample(wrong, 2))


_WAYS = {
    "at most": (
        *("at most {c}", "no more than {c}", "{c} at most", "{c} max", "max {c}", "maximum {c}"),
        *("up to {c}", "not more than {c}", "{c} or fewer", "no more than {c}", "{c}, no more"),
        *("{c} at the very most", "max. {c}", "at most {c}"),
    ),
    "at least": ("at least {c}", "no fewer than {c}", "{c} or more", "not less than {c}"),
    "exactly": ("exactly {c}", "{c} exactly", "precisely {c}", "{c}, not more, not less"),
}


def limited(rng: Rng, way: str, number: int, unit: str) -> str:
    """How many words or sentences are asked for: "no more than six words"."""
    shown = in_words(number) if rng.random() < 0.65 else str(number)
    if number == 1:
        unit, shown = unit.removesuffix("s"), "one"
    said = rng.choice([one for one in _WAYS[way] if number > 1 or " or " not in one])
    if said.endswith(("max", "most", "exactly")) or "{c}," in said or "{c} or" in said:
        return said.replace("{c}", f"{shown} {unit}", 1)
    return said.format(c=f"{shown} {unit}")


_ROOM = re.compile(
    r"only|just|room|novel|charge|fit|hold|take|allow|tiny|display|won't|keep|lost|box|remember"
    r"|will (do|read)",
    re.IGNORECASE,
)


def limited_query(rng: Rng, key: str, what: str, asked: str, *, least: bool) -> str:
    """A request with a limit; one for at least so much doesn't speak of little room."""
    bare = what.rstrip("?")
    mark = "?" if what.endswith("?") else "."
    while True:
        query, _ = ask(rng, key, q="\0", m="\0" + mark, l=asked, L=asked[:1].upper() + asked[1:])
        if not (least and _ROOM.search(query)):
            break
    if query.startswith("\0") or f". \0{mark}" in query:
        bare = bare[:1].upper() + bare[1:]
    return query.replace("\0", bare)


def held(count: int, limit: int, way: str, unit: str) -> str:
    """Whether a number keeps to a limit: "7 words, 7 is more than 6"."""
    words = f"{count} {unit if count > 1 else unit.removesuffix('s')}, {count} is"
    if way == "exactly":
        return f"{words} {limit}, as asked" if count == limit else f"{words} not {limit}"
    more, beyond = ("more", count > limit) if way == "at most" else ("less", count < limit)
    return (
        f"{words} {more} than {limit}" if beyond else f"{words} not {more} than {limit}, as asked"
    )


def asked_length(way: str, limit: int, unit: str) -> str:
    """The limit as a principle says it."""
    return f"{way} {in_words(limit)} {unit if limit > 1 else unit.removesuffix('s')}, so {limit}"


def sentences_counted(lines: Sequence[str]) -> str:
    """Sentences one by one, each with its first words."""
    return numbered([quoted(one, 5) for one in lines])


def length(rng: Rng) -> Task:
    """The same content in the sentences that were asked for, or in more or fewer."""
    what, *lines = rng.choice(rows("steps"))
    size = rng.choice((2, 3, 3, 4, 4))
    way = rng.choice(("exactly", "exactly", "at most", "at most", "at least"))
    if way == "at least":
        limit = rng.randint(2, size)
        good, bad = rng.randint(limit, size), rng.randint(1, limit - 1)
    else:
        limit = rng.randint(1, size - (way == "at most"))
        good = limit if way == "exactly" else rng.randint(1, limit)
        over = [n for n in range(1, size + 1) if (n > limit if way == "at most" else n != limit)]
        bad = rng.choice(over)
    asked = limited(rng, way, limit, "sentences")
    if way != "at least" and rng.random() < 0.3:
        word = in_words(limit)
        asked = "one sentence only" if limit == 1 else rng.choice(
            (f"{word} sentences", f"only {word} sentences", f"just {word} sentences")
        )  # fmt: skip
        way = "exactly"
        good = limit
    asks = what.split()[0] in {"how", "what", "why"} and not what.startswith("how to")
    query = limited_query(
        rng, "brief_steps", f"{what}?" if asks else what, asked, least=way == "at least"
    )
    right, wrong = _grouped(rng, lines[:size], good), _grouped(rng, lines[:size], bad)
    return Task(
        "length",
        _typed(rng, query),
        (
            Principle("asked length", 60, asked_length(way, limit, "sentences")),
            Principle("right topic", 40, what),
        ),
        Answer(
            " ".join(right),
            f"{sentences_counted(right)}: {held(good, limit, way, 'sentences')}.",
            RIGHT,
        ),
        (
            Answer(
                " ".join(wrong),
                f"{sentences_counted(wrong)}: {held(bad, limit, way, 'sentences')}.",
                NEAR,
            ),
        ),
    )


def _grouped(rng: Rng, lines: Sequence[str], count: int) -> list[str]:
    """Sentences put together until there are so many."""
    ends = [*sorted(rng.sample(range(1, len(lines)), count - 1)), len(lines)]
    starts = [0, *ends[:-1]]
    return [_together(rng, lines[start:end]) for start, end in zip(starts, ends, strict=True)]


def _together(rng: Rng, lines: Sequence[str]) -> str:
    """Several sentences as one."""
    first, *others = (one.removesuffix(".") for one in lines)
    names = ("Shakespeare", "Mice")
    others = [one if one.startswith(names) else one[:1].lower() + one[1:] for one in others]
    if not others:
        return f"{first}."
    return f"{', '.join([first, *others[:-1]])}{rng.choice((' and ', ', and '))}{others[-1]}."
