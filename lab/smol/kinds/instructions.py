"""Kinds of tasks about form: length, number, layout, capitals, ending, language."""

from __future__ import annotations

from lab.smol.item import (
    FAR,
    NEAR,
    RIGHT,
    Answer,
    Kind,
    Principle,
    Rng,
    Task,
    capital,
    ending,
    manner,
    numbered,
    quoted,
)
from lab.smol.kinds import forms
from lab.smol.kinds.forms import asked_length, copied, held, seen, sentences_counted
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows, texts

_LANGUAGES = {"en": "English", "fr": "French", "es": "Spanish", "de": "German"}
_NUMBER = ("zero", "one", "two", "three", "four", "five", "six", "seven")


def _count(rng: Rng) -> Task:
    topic, *things = rng.choice(rows("ideas" if rng.random() < 0.35 else "topics"))
    number = rng.randint(2, min(5, len(things)))
    top = min(6, len(things))
    other = rng.choice([n for n in (number - 1, number + 1, number + 2) if 1 <= n <= top])
    word = _NUMBER[number]
    query, _ = ask(
        rng,
        rng.choice(("count", "count_exactly")),
        c=word if rng.random() < 0.7 else str(number),
        s=topic,
        x=_NUMBER[number - 1],
        y=_NUMBER[number + 1],
    )
    pool = rng.sample(things, len(things))
    stray_topic, *strays = rng.choice([row for row in rows("topics") if not {*row} & {*things}])
    separator = rng.choice((", ", ", ", "\n- ", "\n", " and "))
    named, fewer = pool[:number], rng.sample(pool, other)
    stray = rng.sample(strays, min(number, len(strays)))
    return Task(
        "count",
        query,
        (Principle("right number", 60, f"exactly {word} {topic}, so {number}"), manner(rng, 40)),
        Answer(
            _list(named, separator), f"{numbered(named)}: {number} is {number}, as asked.", RIGHT
        ),
        (
            Answer(
                _list(fewer, separator),
                f"{numbered(fewer)}: {other} is not {number}.",
                NEAR,
            ),
            Answer(_list(stray, separator), f"{numbered(stray)}: {stray_topic}, not {topic}.", FAR),
        ),
    )


def _list(items: list[str], separator: str) -> str:
    if separator == " and " and len(items) > 1:
        return f"{', '.join(items[:-1])} and {items[-1]}."
    return ("- " if separator == "\n- " else "") + separator.join(items)


def _sentences(number: int) -> str:
    return "one sentence" if number == 1 else f"{_NUMBER[number]} sentences"


def _length(rng: Rng) -> Task:
    if rng.random() < 0.6:
        return forms.length(rng)
    subject, *lines = rng.choice(rows("subjects"))
    stray_subject, *strays = rng.choice([row for row in rows("subjects") if row[0] != subject])
    lines, strays = rng.sample(lines, 4), rng.sample(strays, 4)
    limit = rng.randint(1, 3)
    draw = rng.random()
    if draw < 0.6:
        asked, good, bad = _sentences(limit), limit, [n for n in range(1, 5) if n != limit]
        way = "exactly"
        if rng.random() < 0.4:
            asked = f"exactly {asked}"
    elif draw < 0.85:
        asked = f"{rng.choice(('at most', 'no more than'))} {_sentences(limit)}"
        good, bad = rng.randint(1, limit), list(range(limit + 1, 5))
        way = "at most"
    else:
        limit = rng.randint(2, 3)
        asked = f"{rng.choice(('at least', 'no fewer than'))} {_sentences(limit)}"
        good, bad = rng.randint(limit, 4), list(range(1, limit))
        way = "at least"
    wrong = rng.choice(bad)
    query, _ = ask(rng, "length", l=asked, s=subject)
    return Task(
        "length",
        query,
        (
            Principle("asked length", 60, asked_length(way, limit, "sentences")),
            Principle("right topic", 40, f"about {subject}"),
        ),
        Answer(
            " ".join(lines[:good]),
            f"{sentences_counted(lines[:good])}: {held(good, limit, way, 'sentences')}.",
            RIGHT,
        ),
        (
            Answer(
                " ".join(lines[:wrong]),
                f"{sentences_counted(lines[:wrong])}: {held(wrong, limit, way, 'sentences')}.",
                NEAR,
            ),
            Answer(
                " ".join(strays[:good]),
                f"{sentences_counted(strays[:good])}: about {stray_subject}, not {subject}.",
                FAR,
            ),
        ),
    )


def _one_word(rng: Rng) -> Task:
    question, right = rng.choice(rows("yes_or_no"))
    wrong = "No" if right == "Yes" else "Yes"
    asked = rng.choice(
        (
            *(
                "Answer in one word.",
                "One word only.",
                "Just yes or no, please.",
                "Only yes or no:",
            ),
            *("Reply with a single word.", "yes or no, nothing else", "Say yes or no only."),
        )
    )
    query = f"{question} {asked}" if not asked.endswith(":") else f"{asked} {question}"
    more = rng.choice(
        ("of course, everyone knows that", "I am quite sure of that", "although people may differ")
    )
    return Task(
        "one word",
        query,
        (
            Principle("right answer", 60, f"it is {right.lower()}"),
            Principle("one word", 40, "nothing but yes or no"),
        ),
        Answer(rng.choice((right, f"{right}.")), f'It says "{right}", one word and right.', RIGHT),
        (
            Answer(
                f"{right}, {more}.",
                f"It says {quoted(f'{right}, {more}')}, more than a word.",
                NEAR,
            ),
            Answer(f"{wrong}.", f'It says "{wrong}", but it is {right.lower()}.', FAR),
        ),
    )


def _sentence(rng: Rng) -> str:
    return rng.choice(rng.choice(rows("subjects"))[1:])


def _capitals(rng: Rng) -> Task:
    sentence, stray = _sentence(rng), _sentence(rng)
    upper = rng.random() < 0.6
    how = "capital letters" if upper else "small letters"
    right = sentence.upper() if upper else sentence.lower()
    other = sentence.lower() if upper else sentence.upper()
    query = rng.choice(
        (
            f"Write this in {how}: {sentence}",
            f'Put "{sentence}" in {how} only.',
            f"{sentence} <- all in {how} please",
            f"Rewrite in {'upper' if upper else 'lower'} case: {sentence}",
            f"I need this line in {how}: {sentence}",
            f"{'All caps' if upper else 'No capitals'}, please: {sentence}",
            f"Change every letter to {how}: {sentence}",
            f"My sign should read this, but all in {how}: {sentence}",
            f"can you type this in {how}? {sentence}",
            f"{sentence} Same sentence, only {how}.",
            f"Give me this text in {how} without changing a word: {sentence}",
        )
    )
    wrong = [
        Answer(text, f"{copied(text)}: {seen(how, text)}, not {how}.", NEAR)
        for text in (sentence, other)
        if text != right
    ]
    if stray != sentence:
        stray = stray.upper() if upper else stray.lower()
        wrong.append(Answer(stray, f"{copied(stray)}: another sentence.", FAR))
    return Task(
        "letters",
        query,
        (Principle("asked format", 60, how), Principle("right content", 40, sentence[:-1])),
        Answer(right, f"{copied(right)}: {seen(how, right)}, {how}, as asked.", RIGHT),
        tuple(wrong),
    )


def _forms(topic: str, items: list[str]) -> dict[str, str]:
    """The same things in several formats, by the words that ask for them."""
    listed = f"{', '.join(items[:-1])} and {items[-1]}"
    number = _NUMBER[len(items)]
    return {
        "a bulleted list": "\n".join(f"- {item}" for item in items),
        "a numbered list": "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1)),
        "one line with commas": ", ".join(items),
        "JSON": "[" + ", ".join(f'"{item}"' for item in items) + "]",
        "a sentence": f"{capital(number)} {topic} are {listed}.",
        "a question": f"How about {listed}?",
        "one line with dashes": " - ".join(items),
        "one line with slashes": " / ".join(items),
        "words in bold": ", ".join(f"**{item}**" for item in items),
        "words in brackets": " ".join(f"({item})" for item in items),
        "a list with letters a, b, c": " ".join(
            f"{letter}) {item}" for letter, item in zip("abcdef", items, strict=False)
        ),
        "an HTML list": "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>",
        "a table in Markdown": f"| {topic} |\n|---|\n" + "\n".join(f"| {i} |" for i in items),
    }


def _layout(rng: Rng) -> Task:
    if rng.random() < 0.65:
        return forms.form(rng)
    topic, *things = rng.choice(rows("topics"))
    count = rng.choice((3, 3, 3, 2, 4))
    items = rng.sample(things, min(count, len(things)))
    written = _forms(topic, items)
    asked, given = rng.sample(sorted(written), 2)
    query, _ = ask(rng, "layout", f=asked, s=topic)
    number = _NUMBER[len(items)]
    query = (
        query.replace("three", number)
        .replace("Three", capital(number))
        .replace(" 3 ", f" {len(items)} ")
    )
    stray_topic, *strays = rng.choice([row for row in rows("topics") if row[0] != topic])
    stray = rng.sample([one for one in strays if one not in things], len(items))
    shown = _forms(stray_topic, stray)[asked]
    return Task(
        "layout",
        query,
        (
            Principle("asked format", 60, asked),
            Principle("right content", 40, f"{number} {topic}"),
        ),
        Answer(written[asked], f"{copied(written[asked])}: {asked}, as asked.", RIGHT),
        (
            Answer(written[given], f"{copied(written[given])}: {given}, not {asked}.", NEAR),
            Answer(shown, f"{copied(shown)}: {stray_topic}, not {topic}.", FAR),
        ),
    )


_SPEAKERS = {
    "French": ("Camille from Lyon", "my aunt in Paris", "a guest from Nice", "Monsieur Petit"),
    "Spanish": ("Carlos from Madrid", "my neighbour from Seville", "the team in Bogotá", "Lucía"),
    "German": ("Jens from Berlin", "my grandmother in Vienna", "the office in Munich", "Frau Koch"),
    "English": ("Emma from London", "a tourist from Texas", "the office in Dublin", "Mr Brown"),
}
_MEANT = (
    *('Write "{e}" in {l}.', "How would you put this in {l}: {e}", "{e} (in {l}, please)"),
    *("{s} speaks only {l}. Write this message so that it is understood: {e}",),
    *('Please tell {s} in {l}: "{e}"', "I have to text {s} in {l}. It should say: {e}"),
    *("say this in {l}: {e}", 'The sign at the door should say "{e}" in {l}.'),
    *("Answer in {l} only. What is this: {e}", "Put it into {l}, no English: {e}"),
)
_WISHED = (
    *("{q} in {l}.", "Answer in {l}: {w}.", "In {l}, please: {w}", "{q}. Reply only in {l}."),
    *("My guest only understands {l}. {q}.", "{w}, but in {l}", "{q}. Use {l}, not {o}."),
    *("I am learning {l}. {q}.", "{q}. It has to be {l}.", "For {s}, in {l}: {w}"),
    *("{s} will read this, so write it in {l}: {w}.", "Please {w}, and do it in {l}."),
    *("{l} only! {q}.", "your reply must be in {l}: {w}"),
)


def _language(rng: Rng) -> Task:
    """Something said in one language rather than another, wished for or given in English."""
    asked, given = rng.sample(sorted(_LANGUAGES), 2)
    if asked == "en":
        asked, given = given, asked
    name, other = _LANGUAGES[asked], _LANGUAGES[given]
    if rng.random() < 0.5:
        entry, stray = rng.sample(texts()["languages"], 2)
        wish = entry["q"][0].lower() + entry["q"][1:]
        query = rng.choice(_WISHED)
    else:
        entry, stray = (
            dict(zip(("en", "fr", "es", "de"), row, strict=True))
            for row in rng.sample(rows("languages"), 2)
        )
        wish, query = "", rng.choice(_MEANT)
    query = query.format(
        q=entry.get("q", ""), w=wish, e=entry["en"], l=name, o=other, s=rng.choice(_SPEAKERS[name])
    )
    return Task(
        "asked language",
        capital(query),
        (
            Principle("asked language", 60, name),
            Principle("right content", 40, f'it means "{entry["en"]}"'),
        ),
        Answer(
            entry[asked], f'{quoted(entry[asked])} is {name} for "{entry["en"]}", as asked.', RIGHT
        ),
        (
            Answer(entry[given], f"{quoted(entry[given])} is {other}, not {name}.", NEAR),
            Answer(
                stray[asked],
                f'{quoted(stray[asked])} is {name} for "{stray["en"]}", not that.',
                FAR,
            ),
        ),
    )


def _translation(rng: Rng) -> Task:
    entry = rng.choice(rows("languages"))
    stray = rng.choice([one for one in rows("languages") if one is not entry])
    place = rng.randint(1, 3)
    name = ("English", "French", "Spanish", "German")[place]
    back = rng.random() < 0.4
    if back:
        query, _ = ask(rng, "translate_back", w=entry[place], l=name)
        right, wrong, fact = entry[0], stray[0], f'it means "{entry[0]}"'
    else:
        query, _ = ask(rng, "translate", w=entry[0], l=name)
        right, wrong, fact = entry[place], stray[place], f'"{entry[0]}" in {name}'
    meant, meaning = (one[0].removesuffix(".") for one in (entry, stray))
    found = f'It says "{wrong}"' if back else f'"{wrong}" means {meaning}'
    other = rng.choice([n for n in (1, 2, 3) if n != place])
    language = ("English", "French", "Spanish", "German")[other]
    return Task(
        "translation",
        query,
        (Principle("right translation", 80, fact), manner(rng)),
        Answer(
            right,
            f'It says "{right}", which is right.' if back else f'"{right}" means {meant}: right.',
            RIGHT,
        ),
        (
            Answer(wrong, f"{found}, not {meant}.", NEAR),
            Answer(
                entry[other],
                f'"{entry[other]}" is {language}, not {"English" if back else name}.',
                NEAR,
            ),
        ),
    )


def _ending(rng: Rng) -> Task:
    sentence = _sentence(rng)[:-1]
    mark, name = rng.choice((("!", "an exclamation mark"), ("?", "a question mark")))
    query = rng.choice(
        (
            f"Repeat this, but end it with {name}: {sentence}.",
            f'Write "{sentence}" with {name} at the end.',
            f"{sentence}. <- put {name} at the end instead",
            f"Copy this line and finish it with {name}: {sentence}",
            f"Same words, but the last sign should be {name}: {sentence}.",
            f"swap the full stop for {name}: {sentence}.",
            f'Please give me "{sentence}." again and close it with {name}.',
            f"I want {name} at the end of this: {sentence}.",
        )
    )
    other = "?" if mark == "!" else "!"
    return Task(
        "ending",
        query,
        (Principle("asked ending", 70, f'the last sign is "{mark}"'), manner(rng, 30)),
        Answer(sentence + mark, f"It ends in {ending(sentence + mark, 1)}, with {name}.", RIGHT),
        (
            Answer(f"{sentence}.", f"It ends in {ending(sentence + '.', 1)}, not in {mark}", NEAR),
            Answer(
                sentence + other, f"It ends in {ending(sentence + other, 1)}, not in {mark}", NEAR
            ),
        ),
    )


KINDS: dict[str, Kind] = {
    "count": _count,
    "length": _length,
    "one word": _one_word,
    "letters": _capitals,
    "layout": _layout,
    "asked language": _language,
    "translation": _translation,
    "ending": _ending,
}
