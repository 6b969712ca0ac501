//! Is it a well-formed English sentence? Word order, agreement, reflexives,
//! the prepositions verbs take, and the order of questions.

use super::{Kind, Sample, Words, Writer, single};
use crate::data::Input;

pub(super) const SAMPLE: Sample = Sample {
    id: "sample_acceptability",
    about: "is it a well-formed English sentence? word order, agreement, reflexives, prepositions, questions",
    labels: &["unacceptable", "acceptable"],
    kinds: KINDS,
};

const KINDS: &[Kind] = &[
    word_order,
    agreement,
    word_order,
    preposition,
    word_order,
    reflexive,
    word_order,
    agreement,
    question,
    preposition,
];

const ACCEPTABLE: usize = 1;

const ADJECTIVES: Words<&str> = Words {
    both: &["old", "young", "tired", "cheerful", "tall"],
    train: &["clever", "busy"],
    dev: &["friendly", "shy"],
};

const PEOPLE: Words<&str> = Words {
    both: &["baker", "teacher", "soldier", "farmer", "girl"],
    train: &["singer", "postman"],
    dev: &["dentist", "waiter"],
};

const CARRIED: Words<&str> =
    Words { both: &["carried", "brought", "took", "moved"], train: &["dragged"], dev: &["pushed"] };

const OBJECTS: Words<&str> = Words {
    both: &["basket", "chair", "ladder", "suitcase", "box"],
    train: &["barrel", "bucket"],
    dev: &["cupboard", "wheelbarrow"],
};

const PLACES: Words<&str> = Words {
    both: &["to the market", "into the garden", "across the bridge", "up the stairs"],
    train: &["into the barn", "to the harbour"],
    dev: &["into the cellar", "through the gate"],
};

/// The same words in an order that no speaker uses.
fn word_order(w: &mut Writer, class: usize) -> Input {
    let (adjective, person, verb) = (w.word(&ADJECTIVES), w.word(&PEOPLE), w.word(&CARRIED));
    let (object, place) = (w.word(&OBJECTS), w.word(&PLACES));
    let (to, ground) = place.split_once(" the ").unwrap_or((place, "house"));
    let text = match (class == ACCEPTABLE, w.draw.below(5)) {
        (true, 0) => format!("{place}, the {adjective} {person} {verb} the {object}"),
        (true, _) => format!("the {adjective} {person} {verb} the {object} {place}"),
        (false, 0) => format!("{adjective} the {person} {verb} the {object} {place}"),
        (false, 1) => format!("the {adjective} {person} {verb} {object} the {place}"),
        (false, 2) => format!("the {adjective} {person} {verb} the {object} the {ground} {to}"),
        (false, 3) => format!("the {person} {adjective} the {object} {verb} {place}"),
        (false, _) => format!("the {adjective} {verb} {person} the {object} {place}"),
    };
    single(&text)
}

/// A noun in both numbers.
#[derive(PartialEq)]
struct Noun(&'static str, &'static str);

const THINGS: Words<Noun> = Words {
    both: &[
        Noun("key", "keys"),
        Noun("letter", "letters"),
        Noun("bottle", "bottles"),
        Noun("picture", "pictures"),
        Noun("lamp", "lamps"),
    ],
    train: &[Noun("ticket", "tickets"), Noun("coin", "coins")],
    dev: &[Noun("cushion", "cushions"), Noun("magazine", "magazines")],
};

const NEAR: Words<Noun> = Words {
    both: &[
        Noun("on the table", "on the tables"),
        Noun("near the window", "near the windows"),
        Noun("behind the door", "behind the doors"),
    ],
    train: &[Noun("in the drawer", "in the drawers")],
    dev: &[Noun("on the shelf", "on the shelves")],
};

const PREDICATES: Words<Noun> = Words {
    both: &[Noun("is very old", "are very old"), Noun("was missing", "were missing")],
    train: &[Noun("has disappeared", "have disappeared")],
    dev: &[Noun("belongs to my aunt", "belong to my aunt")],
};

/// The verb agrees with its subject, not with the noun beside it.
fn agreement(w: &mut Writer, class: usize) -> Input {
    let (thing, near, predicate) = (w.word(&THINGS), w.word(&NEAR), w.word(&PREDICATES));
    let plural = w.coin();
    let number = |noun: &Noun, plural: bool| if plural { noun.1 } else { noun.0 };
    let beside = w.coin();
    let agrees = plural == (class == ACCEPTABLE);
    let text = format!(
        "the {} {} {}",
        number(thing, plural),
        number(near, beside),
        number(predicate, agrees)
    );
    single(&text)
}

/// Who, by the reflexive that goes with them.
const SUBJECTS: [Words<&str>; 3] = [
    Words {
        both: &["the boy", "my uncle", "the king"],
        train: &["the monk"],
        dev: &["the waiter"],
    },
    Words {
        both: &["the girl", "my aunt", "the queen"],
        train: &["the nun"],
        dev: &["the waitress"],
    },
    Words {
        both: &["the players", "our neighbours", "the twins"],
        train: &["the soldiers"],
        dev: &["the students"],
    },
];

const REFLEXIVES: [&str; 3] = ["himself", "herself", "themselves"];

const SELF_DEEDS: Words<(&str, &str)> = Words {
    both: &[
        ("blamed", "for the mistake"),
        ("introduced", "to the audience"),
        ("hurt", "with the axe"),
        ("recognised", "in the old photograph"),
    ],
    train: &[("prepared", "for the journey")],
    dev: &[("saw", "in the mirror")],
};

fn reflexive(w: &mut Writer, class: usize) -> Input {
    let kind = w.draw.below(3);
    let said = match class {
        ACCEPTABLE => kind,
        _ => (kind + 1 + w.draw.below(2)) % 3,
    };
    let who = w.word(&SUBJECTS[kind]);
    let (deed, how) = w.word(&SELF_DEEDS);
    single(&format!("{who} {deed} {} {how}", REFLEXIVES[said]))
}

/// Verbs with an object of their own, and verbs that need a preposition.
struct Frame {
    bare: Words<&'static str>,
    to: Words<&'static str>,
    objects: Words<&'static str>,
}

const FRAMES: [Frame; 2] = [
    Frame {
        bare: Words {
            both: &["reached", "entered", "visited"],
            train: &["toured"],
            dev: &["explored"],
        },
        to: Words { both: &["walked", "strolled", "drove"], train: &["hurried"], dev: &["went"] },
        objects: Words {
            both: &["the castle", "the museum", "the village"],
            train: &["the harbour"],
            dev: &["the cathedral"],
        },
    },
    Frame {
        bare: Words {
            both: &["phoned", "greeted", "thanked"],
            train: &["helped"],
            dev: &["warned"],
        },
        to: Words {
            both: &["listened", "talked", "apologised"],
            train: &["waved"],
            dev: &["spoke"],
        },
        objects: Words {
            both: &["the doctor", "the new guest", "her parents"],
            train: &["the clerk"],
            dev: &["the old couple"],
        },
    },
];

const TRAVELLERS: Words<&str> = Words {
    both: &["the tourists", "Leila", "the young man", "my sister"],
    train: &["the pupils"],
    dev: &["the actors"],
};

const WHEN: Words<&str> = Words {
    both: &["in the evening", "after lunch", "on Sunday"],
    train: &["at noon"],
    dev: &["before dark"],
};

fn preposition(w: &mut Writer, class: usize) -> Input {
    let frame = &FRAMES[w.draw.below(FRAMES.len())];
    let (who, object, when) = (w.word(&TRAVELLERS), w.word(&frame.objects), w.word(&WHEN));
    let needs = w.coin();
    let verb = w.word(if needs { &frame.to } else { &frame.bare });
    let to = if needs == (class == ACCEPTABLE) { "to " } else { "" };
    single(&format!("{who} {verb} {to}{object} {when}"))
}

const WH: [&str; 3] = ["where", "when", "why"];

/// An auxiliary, a subject and the rest, good with every word of [`WH`].
const ASKED: Words<(&str, &str, &str)> = Words {
    both: &[
        ("is", "the boy", "running"),
        ("can", "we", "meet the manager"),
        ("will", "the guests", "eat dinner"),
        ("should", "my brother", "change trains"),
    ],
    train: &[("should", "the driver", "turn around"), ("are", "they", "building a house")],
    dev: &[("must", "the visitors", "wait"), ("is", "the band", "playing tonight")],
};

const ASKING: Words<&str> =
    Words { both: &["I wonder", "nobody knows"], train: &["I know"], dev: &["tell me"] };

/// The verb comes before the subject in a question, after it in a clause.
fn question(w: &mut Writer, class: usize) -> Input {
    let (auxiliary, subject, rest) = *w.word(&ASKED);
    let wh = w.pick(&WH);
    let clause = w.coin();
    let inverted = clause != (class == ACCEPTABLE);
    let asked = match inverted {
        true => format!("{wh} {auxiliary} {subject} {rest}"),
        false => format!("{wh} {subject} {auxiliary} {rest}"),
    };
    single(&if clause { format!("{} {asked}", w.word(&ASKING)) } else { format!("{asked}?") })
}
