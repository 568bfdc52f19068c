"""Kinds of tasks about words and letters: a given word, counting, rhymes, the alphabet."""

from __future__ import annotations

from lab.smol.amounts import in_words, written
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
    manner,
    numbered,
    quoted,
    short_task,
    spoken,
)
from lab.smol.kinds.forms import asked_length, held, limited, limited_query
from lab.smol.kinds.numbers import ask
from lab.smol.tables import rows

_SPELT = (
    *("apple", "banana", "bridge", "summer", "letter", "mississippi", "garden", "elephant"),
    *("window", "coffee", "butter", "strawberry", "tomato", "pepper", "kitten", "balloon"),
    *("school", "cheese", "mirror", "happy", "yellow", "dinner", "potato", "umbrella", "lemon"),
    *("house", "river", "music", "doctor", "winter", "rabbit", "pillow", "bottle", "committee"),
    *("chair", "planet", "orange", "ticket", "spoon", "cloud", "guitar", "parrot", "address"),
)
_ORDERED = (
    *("apple", "bridge", "candle", "dragon", "engine", "flower", "guitar", "hammer", "island"),
    *("jacket", "kitchen", "ladder", "mirror", "needle", "office", "pepper", "queen", "rabbit"),
    *("silver", "tiger", "umbrella", "valley", "window", "yellow", "zebra", "bread", "brown"),
    *("chair", "chain", "clock", "cloud", "dance", "daisy", "green", "grape", "house", "horse"),
    *("maple", "market", "paper", "panda", "stone", "storm", "table", "taxi", "train", "tree"),
)


def _words(sentence: str) -> list[str]:
    return [word.strip(".,'").lower() for word in sentence.split()]


def _edge_word(rng: Rng) -> Task:
    """The first or the last word is given."""
    subject, *lines = rng.choice(rows("subjects"))
    first = rng.random() < 0.5
    place = 0 if first else -1
    right, wrong = rng.sample(lines, 2)
    word = _words(right)[place]
    if _words(wrong)[place] == word:
        return _edge_word(rng)
    which = "first" if first else "last"
    query, _ = ask(rng, f"{which}_word", s=subject, w=word.capitalize() if first else word)
    return Task(
        "given word",
        query,
        (
            Principle("word rule", 70, f'the {which} word must be "{word}"'),
            Principle("right topic", 30, f"about {subject}"),
        ),
        Answer(right, f'Its {which} word is "{word}".', RIGHT),
        (Answer(wrong, f'Its {which} word is "{_words(wrong)[place]}", not "{word}".', NEAR),),
    )


def _given_word(rng: Rng) -> Task:
    if rng.random() < 0.2:
        return _edge_word(rng)
    subject, *lines = rng.choice(rows("subjects"))
    _, *strays = rng.choice([row for row in rows("subjects") if row[0] != subject])
    with_word, without = rng.sample(lines, 2)
    own = [w for w in _words(with_word) if len(w) > 3 and w not in _words(without)]
    word = rng.choice([one for one in own if one not in subject.split()] or own)
    third = [one for one in lines if one not in {with_word, without} and word not in _words(one)]
    if rng.random() < 0.4 and third:  # of two sentences each
        with_word, without = _joined(rng, with_word, third[0]), _joined(rng, without, third[-1])
        if third[0] == third[-1] and rng.random() < 0.5:
            without = without.replace(third[0], "").strip()
    must = rng.random() < 0.65
    query, _ = ask(rng, "given_word" if must else "banned_word", s=subject, w=word)
    yes = Answer(with_word, f"{_marked(with_word, word)} has it.", RIGHT if must else NEAR)
    no = Answer(without, f"{_marked(without, word)} does not have it.", NEAR if must else RIGHT)
    right, wrong = (yes, no) if must else (no, yes)
    others = [wrong]
    if not must and word not in _words(strays[0]):
        others.append(Answer(strays[0], f"{quoted(strays[0])} is not about {subject}.", FAR))
    return Task(
        "given word",
        query,
        (
            Principle("word rule", 70, f'the word "{word}" must {"" if must else "not "}appear'),
            Principle("right topic", 30, f"about {subject}"),
        ),
        right,
        tuple(others),
    )


def _marked(text: str, word: str) -> str:
    """The text with brackets around a word, which is then easily seen."""
    shown = []
    for one in text.rstrip(".").split():
        bare = one.strip(".,'")
        shown.append(one.replace(bare, f"[{bare}]") if bare.lower() == word else one)
    return f'"{" ".join(shown)}"'


def _joined(rng: Rng, one: str, other: str) -> str:
    return " ".join(rng.sample((one, other), 2))


def _word_limit(rng: Rng) -> Task:
    """At most, at least or exactly so many words, counted one by one."""
    way = rng.choice(("at most", "at most", "at most", "at most", "exactly", "at least"))
    if rng.random() < 0.4:
        what, *lines = rng.choice(rows("subjects"))
        short, long = sorted(rng.sample(lines, 2), key=_size)
        what = f"{rng.choice(_ABOUT)} {what}"
    else:
        what, short, long = rng.choice(rows("brief"))
    low, high = _size(short), _size(long)
    if low == high or high > _MOST:
        return _word_limit(rng)
    if way == "exactly":
        limit = rng.choice((low, high))
    elif way == "at most":
        limit = rng.choice((low, low, high - 1, rng.randint(low, high - 1)))
    else:
        limit = rng.choice((high, low + 1, rng.randint(low + 1, high)))
    right, wrong = (short, long) if way == "at most" or limit == low else (long, short)
    if what.startswith("About ") and way == "at most":
        query, _ = ask(rng, "word_limit", c=str(limit), s=what.removeprefix("About "))
    else:
        asked = limited(rng, way, limit, "words")
        query = limited_query(rng, "brief", what, asked, least=way == "at least")
    return Task(
        "word count",
        query[:1].lower() + query[1:] if rng.random() < 0.25 else query,
        (
            Principle("asked length", 70, asked_length(way, limit, "words")),
            Principle("right topic", 30, what.rstrip("?")),
        ),
        _word_by_word(right, limit, way, RIGHT),
        (_word_by_word(wrong, limit, way, NEAR),),
    )


_MOST = 13
"""Words that a response has at most, for a judgment that isn't too long."""
_ABOUT = ("About", "About", "Something about", "A line about", "Tell me about", "Text about")


def _size(text: str) -> int:
    return len(text.split())


def _word_by_word(text: str, limit: int, way: str, grade: float) -> Answer:
    """A text whose words are counted one by one."""
    words = [word.strip(".,!?:") for word in text.split()]
    return Answer(text, f"{numbered(words, ' ')}: {held(len(words), limit, way, 'words')}.", grade)


def _described(rng: Rng) -> Task:
    if rng.random() < 0.7:
        return _word_limit(rng)
    thing, *words = rng.choice(rows("described"))
    number = rng.randint(2, 4)
    other = rng.choice([n for n in (number - 1, number - 1, number + 1, number + 2) if n <= 6])
    query, _ = ask(
        rng, "described", c=in_words(number) if rng.random() < 0.7 else str(number), s=thing
    )
    pool = rng.sample(words, len(words))
    form = rng.choice((", ", " ", " / "))
    named, wrong = pool[:number], rng.sample(pool, other)
    long = f"{thing} is really quite {pool[0]} and also very {pool[1]}".capitalize() + "."
    return Task(
        "word count",
        query,
        (
            Principle("asked length", 70, asked_length("exactly", number, "words")),
            Principle("fits the thing", 30, f"they describe {thing}"),
        ),
        Answer(
            form.join(named),
            f"{numbered(named, ' ')}: {held(number, number, 'exactly', 'words')}.",
            RIGHT,
        ),
        (
            Answer(
                form.join(wrong),
                f"{numbered(wrong, ' ')}: {held(other, number, 'exactly', 'words')}.",
                NEAR,
            ),
            Answer(
                pool[0], f"{numbered(pool[:1], ' ')}: {held(1, number, 'exactly', 'words')}.", NEAR
            ),
            Answer(
                long,
                f"{quoted(long)} is a whole sentence, not {in_words(number)} words.",
                NEAR,
            ),
        ),
    )


def _first_letter(rng: Rng) -> Task:
    topic, *things = rng.choice(rows("topics"))
    right = rng.choice(things)
    letter = right[0].upper()
    others = [one for one in things if one[0].upper() != letter]
    strays = [
        one
        for other, *items in rows("topics")
        if other != topic
        for one in items
        if one[0].upper() == letter and one not in things
    ]
    query, _ = ask(rng, "first_letter", s=topic, l=letter)
    wrong = rng.choice(others)
    answers = [Answer(wrong, f'"{wrong}" begins with {wrong[0].upper()}, not {letter}.', NEAR)]
    if strays:
        stray = rng.choice(strays)
        answers.append(Answer(stray, f'"{stray}" is not one of the {topic}.', FAR))
    return Task(
        "first letter",
        query,
        (
            Principle("right letter", 70, f"{topic} with {letter} first"),
            manner(rng, 30),
        ),
        Answer(right, f'"{right}" begins with {letter}, as asked.', RIGHT),
        tuple(answers),
    )


def _counting(rng: Rng) -> Task:
    draw = rng.random()
    if draw < 0.4:
        word = rng.choice([one for one in _SPELT if len(one) < 9])
        value, fact = len(word), " ".join(f"{one} {i}" for i, one in enumerate(word, 1))
        query, sentence = ask(rng, "letters_in", w=word)
        name = "right number of letters"
    elif draw < 0.75:
        word = rng.choice(_SPELT)
        letter = rng.choice(word)
        value = word.count(letter)
        counts = [word[: i + 1].count(letter) for i in range(len(word))]
        shown = " ".join(
            f"{one} {count}" if one == letter else one
            for one, count in zip(word, counts, strict=True)
        )
        query, sentence = ask(rng, "letter_times", w=word, l=letter)
        if value == 1:
            sentence = sentence.replace("times", "time")
        fact, name = shown, "right number of letters"
    else:
        sentence = rng.choice(rng.choice(rows("subjects"))[1:])
        words = sentence.rstrip(".").split()
        value = len(words)
        fact = ", ".join(f"{word} {i}" for i, word in enumerate(words, 1))
        query, sentence = ask(rng, "words_in", w=sentence)
        name = "right number of words"
    wrong = [str(n) for n in (value + 1, value - 1, value + 2) if n > 0]
    return short_task(
        rng, "counting", query, name, fact, str(value), wrong[:2], say=sentence, write=_small
    )


def _small(rng: Rng, text: str) -> str:
    return in_words(int(text)) if rng.random() < 0.25 else written(rng, text)


def _rhyme(rng: Rng) -> Task:
    group = rng.choice(rows("rhymes"))
    word, right = rng.sample(group, 2)
    others = [one for row in rows("rhymes") if row is not group for one in row]
    wrong = rng.sample(others, 2)
    alike = [one for one in others if one[0] == word[0] and one != word]
    if alike and rng.random() < 0.5:  # begins alike, does not rhyme
        wrong[0] = rng.choice(alike)
    key = "rhyme" if rng.random() < 0.65 else "rhyme_choice"
    x, y = rng.sample((right, wrong[0]), 2)
    query, sentence = ask(rng, key, w=word, x=x, y=y)
    return short_task(
        rng, "rhyme", query, "a real rhyme", f"{word} rhymes with {right}", right,
        wrong if key == "rhyme" else wrong[:1], say=sentence,
    )  # fmt: skip


def _backwards(rng: Rng) -> Task:
    word = rng.choice([one for one in _SPELT if len(one) < 8 and one != one[::-1]])
    right = word[::-1]
    place = rng.randrange(len(right) - 1)
    swapped = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    query, sentence = ask(rng, "backwards", w=word)
    wrong = sorted({swapped, word, right[:place] + right[place + 1 :]} - {right})
    return short_task(
        rng, "backwards", query, "right letters", f"from the end: {'-'.join(right)}", right,
        rng.sample(wrong, 2), say=sentence,
    )  # fmt: skip


def _alphabet(rng: Rng) -> Task:
    a, b = sorted(rng.sample(_ORDERED, 2))
    first = rng.random() < 0.6
    right, wrong = (a, b) if first else (b, a)
    place = next(i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q)
    x, y = rng.sample((a, b), 2)
    query, sentence = ask(rng, "first_in_order", x=x, y=y, w="first" if first else "last")
    return short_task(
        rng, "alphabet", query, "right order",
        f"{a[: place + 1]} comes before {b[: place + 1]}, {a} is first, {b} is last", right,
        [wrong], say=sentence,
    )  # fmt: skip


def pieces(right: str, wrong: str) -> tuple[str, str]:
    """Where two spellings differ, with a letter before and after: "para" and "pere"."""
    start = 0
    while start < min(len(right), len(wrong)) and right[start] == wrong[start]:
        start += 1
    end = 0
    while end < min(len(right), len(wrong)) - start and right[-1 - end] == wrong[-1 - end]:
        end += 1
    good, false = right, wrong
    while (start or end) and (good in wrong or false in right or good is right):
        start, end = max(start - 1, 0), max(end - 1, 0)
        good = right[start : len(right) - end]
        false = wrong[start : len(wrong) - end]
    return good, false


_SPELT_WELL = (
    *("All words are spelt right.", "The spelling is fine.", "No word is misspelt."),
    *("Everything is spelt correctly.", "I see no typo.", "The spelling is correct."),
)
_MISSPELT = (
    *('It should be "{}".', 'Write "{}".', 'One word is wrong: it is spelt "{}".'),
    *('Change it to "{}".', 'The right spelling is "{}".', 'There is a typo, it should be "{}".'),
)


def _spelt(rng: Rng) -> Task:
    right, *wrongs, frame = rng.choice(rows("spelling"))
    bad, worse = rng.sample(wrongs, 2)
    if rng.random() < 0.3:
        return _spelt_text(rng, right, bad, frame)
    if rng.random() < 0.6:
        x, y = rng.sample((right, bad), 2)
        query, _ = ask(rng, "spelt_choice", x=x, y=y)
        wrong = bad
    else:
        query, _ = ask(rng, "spelt_mend", w=bad)
        wrong = worse if rng.random() < 0.7 else bad
    good, false = pieces(right, wrong)
    says = "{}" if rng.random() < 0.4 else None
    texts = [
        spoken(rng, one, None, noun=True) if says is None else (one, False)
        for one in (right, wrong)
    ]
    return Task(
        "spelt word",
        query,
        (Principle("right spelling", 80, f'"{right}", with "{good}", not "{false}"'), manner(rng)),
        Answer(texts[0][0], f'It says "{right}", with "{good}": right.', RIGHT, texts[0][1]),
        (
            Answer(
                texts[1][0], f'It says "{wrong}", with "{false}", not "{good}".', NEAR, texts[1][1]
            ),
        ),
    )


def _spelt_text(rng: Rng, right: str, bad: str, frame: str) -> Task:
    """A sentence with a word that is spelt right or not."""
    good, false = pieces(right, bad)
    is_right = rng.random() < 0.5
    given = right if is_right else bad
    query, _ = ask(rng, "spelt_text", w=capital(frame.replace("{}", given)))
    fine = rng.choice(_SPELT_WELL)
    change = rng.choice(_MISSPELT).format(bad if is_right else right)
    if is_right:
        fact = f'"{right}", with "{good}", is right'
        yes = Answer(fine, f'{quoted(fine)}: "{right}" is right, so it is.', RIGHT)
        no = Answer(change, f'It says "{bad}", with "{false}", not "{good}".', NEAR)
    else:
        fact = f'"{bad}" has "{false}", but it is "{right}", with "{good}"'
        yes = Answer(change, f'It says "{right}", with "{good}": right.', RIGHT)
        no = Answer(fine, f'{quoted(fine)}: "{bad}" is wrong, so it is not.', NEAR)
    return Task(
        "spelt word", query, (Principle("right spelling", 80, fact), manner(rng)), yes, (no,)
    )


KINDS: dict[str, Kind] = {
    "given word": _given_word,
    "word count": _described,
    "first letter": _first_letter,
    "counting": _counting,
    "rhyme": _rhyme,
    "backwards": _backwards,
    "alphabet": _alphabet,
    "spelt word": _spelt,
}
