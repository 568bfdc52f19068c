"""Kinds of tasks about form: length, layout, language, words that must or must not appear."""

from __future__ import annotations

from lab.smol.item import FAR, NEAR, RIGHT, Answer, Kind, Principle, Rng, Task, manner
from lab.smol.tables import texts

_LANGUAGES = {"en": "English", "fr": "French", "es": "Spanish", "de": "German"}
_TOPICS: dict[str, tuple[str, ...]] = {
    "fruits": ("apples", "bananas", "cherries", "grapes", "pears", "plums", "oranges", "kiwis"),
    "animals": ("cats", "dogs", "horses", "rabbits", "lions", "owls", "foxes", "whales"),
    "colours": ("red", "blue", "green", "yellow", "purple", "orange", "pink", "brown"),
    "sports": ("tennis", "football", "rowing", "judo", "golf", "cycling", "chess", "skiing"),
    "vegetables": ("carrots", "peas", "beans", "onions", "leeks", "spinach", "beets", "kale"),
    "hobbies": ("reading", "knitting", "hiking", "painting", "gaming", "baking", "sewing"),
    "European countries": ("France", "Italy", "Spain", "Poland", "Norway", "Greece", "Austria"),
    "drinks": ("tea", "coffee", "milk", "juice", "water", "cocoa", "lemonade", "cider"),
    "jobs": ("nurse", "teacher", "baker", "pilot", "farmer", "painter", "judge", "chef"),
    "tools": ("hammer", "saw", "drill", "wrench", "pliers", "file", "chisel", "level"),
}
_NUMBER = ("zero", "one", "two", "three", "four", "five", "six")
_SENTENCES = (
    *("The sea is calm today.", "Dogs love long walks.", "Reading opens new worlds."),
    *("Winter nights are cold.", "Fresh bread smells wonderful.", "Music makes people happy."),
    *("The garden is full of bees.", "A good friend listens.", "Trains are often late."),
    *("Coffee keeps me awake.", "The moon was bright last night.", "Children learn by playing."),
    *("Rain is good for the plants.", "My phone needs charging.", "Soup is best in winter."),
)
_SUBJECTS = {
    "the sea": "The sea is wide, blue and never quite still.",
    "winter": "Winter covers the fields in snow and silence.",
    "dogs": "Dogs are loyal animals that love company.",
    "coffee": "Coffee is a strong drink that wakes people up.",
    "music": "Music can lift your mood within seconds.",
    "books": "Books let you live many lives in one.",
    "cities": "Cities are loud, busy and full of chances.",
    "friendship": "Friendship means being there when it matters.",
    "the moon": "The moon lights up the night sky.",
    "cheese": "Cheese comes in hundreds of shapes and flavours.",
}
_MORE = (
    *("It has always been like that.", "Many people agree with this.", "There is more to say."),
    *("I could talk about it for hours.", "Others may see it differently.", "Enjoy it!"),
)


def _answer(text: str, finding: str, grade: float) -> Answer:
    return Answer(text, finding, grade)


def _count(rng: Rng) -> Task:
    topic = rng.choice(sorted(_TOPICS))
    number = rng.randint(2, 5)
    other = rng.choice([n for n in (number - 1, number + 1, number + 2) if 1 <= n <= 6])
    word = _NUMBER[number]
    query = rng.choice(
        (
            f"Name {word} {topic}.",
            f"List {number} {topic}",
            f"Give me exactly {word} {topic}.",
            f"can you tell me {number} {topic}?",
            f"I need {word} {topic} for a quiz.",
        )
    )
    pool = rng.sample(_TOPICS[topic], len(_TOPICS[topic]))
    stray_topic = rng.choice([name for name in sorted(_TOPICS) if name != topic])
    stray = rng.sample(_TOPICS[stray_topic], number)
    separator = rng.choice((", ", "\n- ", "\n"))
    return Task(
        "count",
        query,
        (Principle("right number", 60, f"{word} {topic}, no more, no fewer"), manner(rng, 40)),
        _answer(
            _list(pool[:number], separator), f"It names {word}: {', '.join(pool[:number])}.", RIGHT
        ),
        (
            _answer(
                _list(rng.sample(pool, other), separator),
                f"It names {_NUMBER[other]}, not {word}.",
                NEAR,
            ),
            _answer(_list(stray, separator), f"It names {stray_topic}, not {topic}.", FAR),
        ),
    )


def _list(items: list[str], separator: str) -> str:
    return ("- " if separator == "\n- " else "") + separator.join(items)


def _length(rng: Rng) -> Task:
    subject = rng.choice(sorted(_SUBJECTS))
    first, more = _SUBJECTS[subject], rng.sample(_MORE, 3)
    sentences = rng.choice((1, 1, 2, 3))
    bad = rng.choice([n for n in (1, 2, 3, 4) if n != sentences])
    unit = "sentence" if sentences == 1 else "sentences"
    word = _NUMBER[sentences]
    query = rng.choice(
        (
            f"Write {word} {unit} about {subject}.",
            f"In exactly {word} {unit}, tell me about {subject}.",
            f"Tell me something about {subject} in {word} {unit}",
            f"{subject}, {sentences} {unit} please, not more and not less",
        )
    )
    found = _NUMBER[bad] + (" sentence" if bad == 1 else " sentences")
    off = _SUBJECTS[rng.choice([name for name in sorted(_SUBJECTS) if name != subject])]
    return Task(
        "length",
        query,
        (
            Principle("asked length", 60, f"exactly {word} {unit}"),
            Principle("right topic", 40, f"about {subject}"),
        ),
        _answer(
            " ".join([first, *more[: sentences - 1]]),
            f"It is {word} {unit} about {subject}.",
            RIGHT,
        ),
        (
            _answer(
                " ".join([first, *more[: bad - 1]]),
                f"It is {found}, but {word} was asked for.",
                NEAR,
            ),
            _answer(" ".join([off, *more[: sentences - 1]]), f"It is not about {subject}.", FAR),
        ),
    )


def _one_word(rng: Rng) -> Task:
    question, right, wrong = rng.choice(
        (
            ("Is the sun hot?", "Yes", "No"),
            ("Do fish live in water?", "Yes", "No"),
            ("Can pigs fly?", "No", "Yes"),
            ("Is ice warm?", "No", "Yes"),
            ("Do cows give milk?", "Yes", "No"),
            ("Is five more than nine?", "No", "Yes"),
            ("Is Paris in France?", "Yes", "No"),
            ("Are lemons sweet?", "No", "Yes"),
            ("Does a week have seven days?", "Yes", "No"),
            ("Is a rose an animal?", "No", "Yes"),
        )
    )
    asked = rng.choice(
        ("Answer in one word.", "One word only.", "Just yes or no, please.", "Only yes or no:")
    )
    query = f"{question} {asked}" if not asked.endswith(":") else f"{asked} {question}"
    long = f"{right}, {rng.choice(('of course, everyone knows that', 'I am quite sure of that'))}."
    return Task(
        "one word",
        query,
        (
            Principle("right answer", 60, f"it is {right.lower()}"),
            Principle("one word", 40, "nothing but yes or no"),
        ),
        _answer(rng.choice((right, f"{right}.")), f"It says only {right.lower()}: right.", RIGHT),
        (
            _answer(long, "It is right but not one word.", NEAR),
            _answer(f"{wrong}.", f"It says {wrong.lower()}, but it is {right.lower()}.", FAR),
        ),
    )


def _capitals(rng: Rng) -> Task:
    sentence = rng.choice(_SENTENCES)
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
        )
    )
    stray = rng.choice([one for one in _SENTENCES if one != sentence])
    return Task(
        "letters",
        query,
        (Principle("asked form", 70, f"only {how}"), Principle("same text", 30, "no word changed")),
        _answer(right, f"All of it is in {how}.", RIGHT),
        (
            _answer(sentence, f"It is not in {how}; nothing was changed.", NEAR),
            _answer(other, f"It is in {'small' if upper else 'capital'} letters.", NEAR),
            _answer(stray.upper() if upper else stray.lower(), "It is another sentence.", FAR),
        ),
    )


def _layout(rng: Rng) -> Task:
    topic = rng.choice(sorted(_TOPICS))
    items = rng.sample(_TOPICS[topic], 3)
    forms = {
        "a bulleted list": "\n".join(f"- {item}" for item in items),
        "a numbered list": "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1)),
        "one line with commas": ", ".join(items),
        "JSON": "[" + ", ".join(f'"{item}"' for item in items) + "]",
    }
    asked, given = rng.sample(sorted(forms), 2)
    query = rng.choice(
        (
            f"Give me three {topic} as {asked}.",
            f"Three {topic}, please. Format: {asked}.",
            f"list 3 {topic} ({asked})",
            f"As {asked}: three {topic}",
        )
    )
    stray_topic = rng.choice([name for name in sorted(_TOPICS) if name != topic])
    stray = ", ".join(rng.sample(_TOPICS[stray_topic], 3))
    return Task(
        "layout",
        query,
        (
            Principle("asked format", 60, asked),
            Principle("right content", 40, f"three {topic}"),
        ),
        _answer(forms[asked], f"Three {topic} as {asked}.", RIGHT),
        (
            _answer(forms[given], f"It is {given}, not {asked}.", NEAR),
            _answer(stray, f"It names {stray_topic} and is not {asked}.", FAR)
            if asked != "one line with commas"
            else _answer(stray, f"It names {stray_topic}, not {topic}.", FAR),
        ),
    )


def _language(rng: Rng) -> Task:
    entry = rng.choice(texts()["languages"])
    asked, given = rng.sample(sorted(_LANGUAGES), 2)
    if asked == "en":
        asked, given = given, asked
    name, other = _LANGUAGES[asked], _LANGUAGES[given]
    query = rng.choice(
        (
            f"{entry['q']} in {name}.",
            f"Answer in {name}: {entry['q'].lower()}.",
            f"In {name}, please: {entry['q'].lower()}",
            f"{entry['q']}. Reply only in {name}.",
        )
    )
    stray = rng.choice([one for one in texts()["languages"] if one is not entry])
    return Task(
        "language",
        query,
        (
            Principle("asked language", 60, name),
            Principle("right content", 40, f'it means "{entry["en"]}"'),
        ),
        _answer(entry[asked], f"It is {name} and says what was asked.", RIGHT),
        (
            _answer(entry[given], f"It is {other}, not {name}.", NEAR),
            _answer(stray[asked], f'It is {name}, but it means "{stray["en"]}"', NEAR),
        ),
    )


def _word(rng: Rng) -> Task:
    subject = rng.choice(sorted(_SUBJECTS))
    first = _SUBJECTS[subject]
    word = rng.choice(("yellow", "yesterday", "river", "always", "window", "quiet", "music"))
    with_word = f"{first} I thought of that {rng.choice(('when', 'as'))} I saw the word {word}."
    if word in ("yesterday", "always"):
        with_word = f"{first} I {'said so yesterday' if word == 'yesterday' else 'always say so'}."
    without = f"{first} {rng.choice(_MORE)}"
    must = rng.random() < 0.6
    query = (
        rng.choice(
            (
                f'Write about {subject} and use the word "{word}".',
                f"Something short about {subject}. It must contain the word {word}.",
                f'two sentences on {subject}, include "{word}"',
            )
        )
        if must
        else rng.choice(
            (
                f'Write about {subject} without the word "{word}".',
                f"Say something about {subject}, but do not use the word {word}.",
                f'two sentences on {subject}, never write "{word}"',
            )
        )
    )
    yes = _answer(with_word, f'It has the word "{word}".', RIGHT if must else NEAR)
    no = _answer(without, f'The word "{word}" is not in it.', NEAR if must else RIGHT)
    right, wrong = (yes, no) if must else (no, yes)
    rule = f'the word "{word}" must {"" if must else "not "}appear'
    return Task(
        "given word",
        query,
        (Principle("word rule", 70, rule), Principle("right topic", 30, f"about {subject}")),
        right,
        (wrong,),
    )


def _ending(rng: Rng) -> Task:
    sentence = rng.choice(_SENTENCES)[:-1]
    mark, name = rng.choice((("!", "an exclamation mark"), ("?", "a question mark")))
    query = rng.choice(
        (
            f"Repeat this, but end it with {name}: {sentence}.",
            f'Write "{sentence}" with {name} at the end.',
        )
    )
    other = "?" if mark == "!" else "!"
    return Task(
        "ending",
        query,
        (Principle("asked ending", 70, f'the last sign is "{mark}"'), manner(rng, 30)),
        _answer(sentence + mark, f"It ends with {name}.", RIGHT),
        (
            _answer(f"{sentence}.", f"It ends with a full stop, not with {name}.", NEAR),
            _answer(sentence + other, f'It ends with "{other}", not with {name}.', NEAR),
        ),
    )


KINDS: dict[str, Kind] = {
    "count": _count,
    "length": _length,
    "one word": _one_word,
    "letters": _capitals,
    "layout": _layout,
    "language": _language,
    "given word": _word,
    "ending": _ending,
}
