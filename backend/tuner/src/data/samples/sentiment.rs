//! Sentiment of a remark: plain praise and blame, negated, set against its
//! opposite, or expected and then confirmed or not.

use super::{Kind, Sample, Words, Writer, a, single};
use crate::data::Input;

pub(super) const SAMPLE: Sample = Sample {
    id: "sample_sentiment",
    about: "is a remark praise or blame? plain, negated, set against its opposite, expected and not met",
    labels: &["negative", "positive"],
    kinds: KINDS,
};

const KINDS: &[Kind] =
    &[plain, negated, contrasted, plain, expected, plain, negated, contrasted, plain, plain];

/// Something to have an opinion of, and what it consists of.
#[derive(PartialEq)]
struct Thing {
    name: &'static str,
    parts: [&'static str; 4],
}

const fn thing(name: &'static str, parts: [&'static str; 4]) -> Thing {
    Thing { name, parts }
}

const THINGS: Words<Thing> = Words {
    both: &[
        thing("film", ["opening", "acting", "soundtrack", "ending"]),
        thing("concert", ["first half", "lighting", "sound", "encore"]),
        thing("novel", ["plot", "dialogue", "opening chapter", "ending"]),
        thing("dinner", ["soup", "service", "main course", "dessert"]),
        thing("guided tour", ["route", "commentary", "first stop", "pace"]),
    ],
    train: &[
        thing("play", ["staging", "dialogue", "second act", "costume design"]),
        thing("hotel", ["room", "breakfast", "view", "service"]),
        thing("lecture", ["introduction", "delivery", "final part", "handout"]),
    ],
    dev: &[
        thing("podcast", ["opening", "interview", "editing", "theme music"]),
        thing("exhibition", ["layout", "lighting", "first room", "catalogue"]),
        thing("cruise", ["cabin", "food", "entertainment", "first day"]),
    ],
};

/// Adjectives by class.
const ADJECTIVES: [Words<&str>; 2] = [
    Words {
        both: &[
            "awful",
            "dreadful",
            "tedious",
            "terrible",
            "disappointing",
            "dull",
            "dismal",
            "poor",
        ],
        train: &["mediocre", "clumsy", "tiresome", "shoddy", "bland"],
        dev: &["horrible", "boring", "atrocious", "lousy", "miserable"],
    },
    Words {
        both: &[
            "wonderful",
            "superb",
            "delightful",
            "excellent",
            "enjoyable",
            "impressive",
            "lovely",
            "memorable",
        ],
        train: &["brilliant", "splendid", "charming", "marvellous", "great"],
        dev: &["fantastic", "terrific", "outstanding", "magnificent", "amazing"],
    },
];

const SPEAKERS: Words<&str> = Words {
    both: &["my sister", "our guidebook", "a colleague", "the newspaper"],
    train: &["my uncle", "the man next door"],
    dev: &["a friend of mine", "my grandmother"],
};

const WHEN: Words<&str> = Words {
    both: &["last night", "on Saturday", "yesterday"],
    train: &["last month", "after the holidays"],
    dev: &["last weekend", "on the way home"],
};

fn plain(w: &mut Writer, class: usize) -> Input {
    let thing = w.word(&THINGS);
    let (adjective, second) = w.two(&ADJECTIVES[class]);
    let (part, other) = w.pick_two(&thing.parts);
    let (name, when) = (thing.name, w.word(&WHEN));
    let degree = w.pick(&["truly", "really", "simply", "quite"]);
    let text = match w.draw.below(6) {
        0 => format!("the {name} was {degree} {adjective}"),
        1 => format!("the {part} was {adjective} and the {other} was {second}"),
        2 => format!("we found the {name} {degree} {adjective}"),
        3 => format!("it was {} {name}, and the {part} was {second}", a(adjective)),
        4 => format!("{when}, everyone agreed that the {name} was {adjective}"),
        _ => format!("what {} {name} that was, and how {second} the {part} was", a(adjective)),
    };
    single(&text)
}

fn negated(w: &mut Writer, class: usize) -> Input {
    let thing = w.word(&THINGS);
    let denied = w.word(&ADJECTIVES[1 - class]);
    let name = thing.name;
    let part = w.pick(&thing.parts);
    let text = match w.draw.below(6) {
        0 => format!("the {name} was not {denied} at all"),
        1 => format!("nobody could call the {part} of the {name} {denied}"),
        2 => format!("there was nothing {denied} about the {name}"),
        3 => format!("the {part} of the {name} was anything but {denied}"),
        4 => format!("at no point did I find the {name} {denied}"),
        _ => format!("the {part} was by no means {denied}"),
    };
    single(&text)
}

fn contrasted(w: &mut Writer, class: usize) -> Input {
    let thing = w.word(&THINGS);
    let (verdict, conceded) = (w.word(&ADJECTIVES[class]), w.word(&ADJECTIVES[1 - class]));
    let name = thing.name;
    let part = w.pick(&thing.parts);
    let text = match w.draw.below(6) {
        0 => format!("although the {part} was {conceded}, the {name} as a whole was {verdict}"),
        1 => format!("the {part} was {conceded}, but overall the {name} was {verdict}"),
        2 => format!("the {name} was {verdict}, even though the {part} was {conceded}"),
        3 => format!("despite the {conceded} {part}, it was {} {name}", a(verdict)),
        4 => format!("it was {} {name} in spite of its {conceded} {part}", a(verdict)),
        _ => format!("for all its {conceded} {part}, the {name} was {verdict}"),
    };
    single(&text)
}

fn expected(w: &mut Writer, class: usize) -> Input {
    let (thing, speaker) = (w.word(&THINGS), w.word(&SPEAKERS));
    let confirmed = w.coin();
    let announced = w.word(&ADJECTIVES[if confirmed { class } else { 1 - class }]);
    let name = thing.name;
    let outcome = if confirmed { "right" } else { "wrong" };
    let text = match w.draw.below(3) {
        0 => format!("I expected {} {name}, and I was {outcome}", a(announced)),
        1 => format!("{speaker} predicted {} {name} and turned out to be {outcome}", a(announced)),
        _ => format!("{speaker} called the {name} {announced} and was {outcome}"),
    };
    single(&text)
}
