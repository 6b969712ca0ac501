//! Does the second sentence follow from the first? States and their
//! opposites, kinds of things with and without negation, who did what to
//! whom, and quantifiers.

use super::{Kind, Sample, Words, Writer, a, pair};
use crate::data::Input;

pub(super) const SAMPLE: Sample = Sample {
    id: "sample_entailment",
    about: "does the second sentence follow from the first, contradict it, or neither? states, kinds of things, roles, quantifiers",
    labels: &["entailment", "neutral", "contradiction"],
    kinds: KINDS,
};

const KINDS: &[Kind] =
    &[state, two_states, hypernym, state, role, two_states, state, quantifier, state, hypernym];

const ENTAILMENT: usize = 0;
const NEUTRAL: usize = 1;

/// One of two opposite states: how it shows, and what that amounts to.
struct Pole {
    shown: Words<&'static str>,
    meant: &'static [&'static str],
}

/// Opposites. The dimensions are independent of each other: that somebody is
/// rich says nothing of whether they are outdoors.
const STATES: &[[Pole; 2]] = &[
    [
        Pole {
            shown: Words {
                both: &["is sitting in the library", "is waiting in the hallway"],
                train: &["is standing in the kitchen"],
                dev: &["is working in the basement"],
            },
            meant: &["is indoors", "is inside a building"],
        },
        Pole {
            shown: Words {
                both: &["is sitting in a meadow", "is waiting on the beach"],
                train: &["is standing on a mountain path"],
                dev: &["is working in the vegetable garden"],
            },
            meant: &["is outdoors", "is out in the open air"],
        },
    ],
    [
        Pole {
            shown: Words {
                both: &["is grinning", "is beaming with joy"],
                train: &["is laughing out loud"],
                dev: &["cannot stop smiling"],
            },
            meant: &["is happy", "is in a good mood"],
        },
        Pole {
            shown: Words {
                both: &["is sobbing", "is in tears"],
                train: &["looks miserable"],
                dev: &["cannot stop crying"],
            },
            meant: &["is sad", "is unhappy"],
        },
    ],
    [
        Pole {
            shown: Words {
                both: &["owns three houses and a yacht", "has millions in the bank"],
                train: &["earns a fortune"],
                dev: &["has inherited vast estates"],
            },
            meant: &["is rich", "has plenty of money"],
        },
        Pole {
            shown: Words {
                both: &["can hardly pay the rent", "is deep in debt"],
                train: &["has lost every penny"],
                dev: &["cannot afford a pair of shoes"],
            },
            meant: &["is poor", "is short of money"],
        },
    ],
    [
        Pole {
            shown: Words {
                both: &["has a fever and a cough", "has come down with the flu"],
                train: &["has caught a bad infection"],
                dev: &["has been sick since Monday"],
            },
            meant: &["is ill", "is unwell"],
        },
        Pole {
            shown: Words {
                both: &["is in perfect health", "has never felt better"],
                train: &["is as fit as ever"],
                dev: &["has recovered completely"],
            },
            meant: &["is healthy", "is well"],
        },
    ],
    [
        Pole {
            shown: Words {
                both: &["was born ninety years ago", "has eight great-grandchildren"],
                train: &["retired long ago"],
                dev: &["has lived through most of a century"],
            },
            meant: &["is old", "is elderly"],
        },
        Pole {
            shown: Words {
                both: &["is still in primary school", "has just turned seven"],
                train: &["goes to kindergarten"],
                dev: &["was born five years ago"],
            },
            meant: &["is young", "is a child"],
        },
    ],
    [
        Pole {
            shown: Words {
                both: &["is soaked to the skin", "is dripping from head to toe"],
                train: &["is drenched"],
                dev: &["is wringing water out of both sleeves"],
            },
            meant: &["is wet", "is not dry"],
        },
        Pole {
            shown: Words {
                both: &["has escaped every drop of rain", "has not touched any water"],
                train: &["has dried off completely"],
                dev: &["has kept clothes and hair free of water"],
            },
            meant: &["is dry", "is not wet"],
        },
    ],
];

const NAMES: Words<&str> = Words {
    both: &["Mara", "Tobias", "Leila", "Ken"],
    train: &["Priya", "Anton"],
    dev: &["Ines", "Oskar", "Nadia", "Bruno"],
};

/// One pole's word for a class: the pole itself follows, its opposite
/// contradicts, and another dimension is open.
fn judged(w: &mut Writer, class: usize, given: (usize, usize), others: &[usize]) -> &'static str {
    let (dimension, pole) = given;
    let (dimension, pole) = match class {
        ENTAILMENT => (dimension, pole),
        NEUTRAL => (w.pick(others), w.draw.below(2)),
        _ => (dimension, 1 - pole),
    };
    w.pick(STATES[dimension][pole].meant)
}

fn state(w: &mut Writer, class: usize) -> Input {
    let name = w.word(&NAMES);
    let given = (w.draw.below(STATES.len()), w.draw.below(2));
    let others: Vec<_> = (0..STATES.len()).filter(|&d| d != given.0).collect();
    let shown = w.word(&STATES[given.0][given.1].shown);
    let meant = judged(w, class, given, &others);
    pair(&format!("{name} {shown}"), &format!("{name} {meant}"))
}

fn two_states(w: &mut Writer, class: usize) -> Input {
    let name = w.word(&NAMES);
    let dimensions: Vec<_> = (0..STATES.len()).collect();
    let (first, second) = w.pick_two(&dimensions);
    let (first, second) = ((first, w.draw.below(2)), (second, w.draw.below(2)));
    let others: Vec<_> =
        dimensions.into_iter().filter(|&d| d != first.0 && d != second.0).collect();
    let given = w.either(first, second);
    let meant = judged(w, class, given, &others);
    let one = w.word(&STATES[first.0][first.1].shown);
    let two = w.word(&STATES[second.0][second.1].shown);
    pair(&format!("{name} {one} and {two}"), &format!("{name} {meant}"))
}

/// A kind of thing and what it is a kind of.
#[derive(PartialEq)]
struct IsA(&'static str, &'static str);

const KINDS_OF: Words<IsA> = Words {
    both: &[
        IsA("poodle", "dog"),
        IsA("rose", "flower"),
        IsA("violin", "musical instrument"),
        IsA("sparrow", "bird"),
        IsA("bus", "vehicle"),
        IsA("hammer", "tool"),
        IsA("trout", "fish"),
        IsA("novel", "book"),
    ],
    train: &[IsA("oak", "tree"), IsA("wasp", "insect"), IsA("wardrobe", "piece of furniture")],
    dev: &[IsA("birch", "tree"), IsA("beetle", "insect"), IsA("trumpet", "musical instrument")],
};

const PLACES: Words<&str> = Words {
    both: &["behind the house", "in the picture", "near the station"],
    train: &["in front of the school", "at the far end of the yard"],
    dev: &["next to the bridge", "in the old photograph"],
};

/// What holds of the kind holds of what it is a kind of; under negation the
/// other way round.
fn hypernym(w: &mut Writer, class: usize) -> Input {
    let IsA(narrow, wide) = w.word(&KINDS_OF);
    let place = w.word(&PLACES);
    let denied = w.coin();
    let there = |word: &str, denied: bool| match denied {
        true => format!("there is no {word} {place}"),
        false => format!("there is {} {place}", a(word)),
    };
    // (narrow, wide) affirmed or (wide, narrow) denied follows.
    let (from, to) = if denied == (class == NEUTRAL) { (narrow, wide) } else { (wide, narrow) };
    let contradicts = class != ENTAILMENT && class != NEUTRAL;
    pair(&there(from, denied), &there(to, denied != contradicts))
}

const ROLES: Words<&str> = Words {
    both: &["nurse", "driver", "painter", "lawyer"],
    train: &["baker", "singer"],
    dev: &["plumber", "dancer"],
};

const DEEDS: Words<&str> = Words {
    both: &["invited", "praised", "warned", "helped"],
    train: &["photographed", "followed"],
    dev: &["visited", "thanked"],
};

fn role(w: &mut Writer, class: usize) -> Input {
    let (one, other) = w.two(&ROLES);
    let deed = w.word(&DEEDS);
    let denied = w.coin();
    let denied_then = match class {
        ENTAILMENT => denied,
        NEUTRAL => w.coin(),
        _ => !denied,
    };
    let (done_to, by) = if class == NEUTRAL { (one, other) } else { (other, one) };
    let first = match (denied, w.coin()) {
        (true, _) => format!("the {one} never {deed} the {other}"),
        (false, true) => format!("the {one} {deed} the {other}"),
        (false, false) => format!("it was the {one} who {deed} the {other}"),
    };
    let was = if denied_then { "was not" } else { "was" };
    pair(&first, &format!("the {done_to} {was} {deed} by the {by}"))
}

const GROUPS: Words<&str> = Words {
    both: &["guests", "students", "workers", "tourists"],
    train: &["neighbours", "players"],
    dev: &["patients", "villagers"],
};

/// What a group did, and a narrower way of doing it.
#[derive(PartialEq)]
struct Did(&'static str, &'static str);

const DID: Words<Did> = Words {
    both: &[
        Did("left", "before midnight"),
        Did("sang", "in the garden"),
        Did("passed the test", "without any help"),
        Did("arrived", "by train"),
    ],
    train: &[Did("ate", "at the long table")],
    dev: &[Did("slept", "on the floor")],
};

fn quantifier(w: &mut Writer, class: usize) -> Input {
    let group = w.word(&GROUPS);
    let Did(did, how) = w.word(&DID);
    let plain = |quantifier: &str| format!("{quantifier} of the {group} {did}");
    let narrow = |quantifier: &str| format!("{quantifier} of the {group} {did} {how}");
    let (first, second) = match class {
        ENTAILMENT => match w.draw.below(6) {
            0 => (plain("all"), plain("some")),
            1 => (narrow("most"), narrow("some")),
            2 => (narrow("all"), plain("all")),
            3 => (narrow("some"), plain("some")),
            _ => (plain("none"), narrow("none")),
        },
        NEUTRAL => match w.draw.below(6) {
            0 => (plain("some"), plain("all")),
            1 => (narrow("some"), narrow("most")),
            2 => (plain("all"), narrow("all")),
            3 => (plain("some"), narrow("some")),
            _ => (narrow("none"), plain("none")),
        },
        _ => match w.draw.below(6) {
            0 => (plain("all"), plain("none")),
            1 => (narrow("most"), plain("none")),
            2 => (plain("none"), plain("some")),
            3 => (narrow("some"), plain("none")),
            4 => (plain("none"), narrow("all")),
            _ => (plain("some"), plain("none")),
        },
    };
    pair(&first, &second)
}
