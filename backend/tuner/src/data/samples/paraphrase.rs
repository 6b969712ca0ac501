//! Do two sentences say the same? Events in other words, synonyms against
//! opposites, and the same words with their roles, clauses or terms of
//! comparison exchanged.

use super::{Kind, Sample, Words, Writer, pair};
use crate::data::Input;

pub(super) const SAMPLE: Sample = Sample {
    id: "sample_paraphrase",
    about: "do two sentences say the same? other wordings, synonyms against opposites, exchanged roles, clauses and terms of comparison",
    labels: &["different", "paraphrase"],
    kinds: KINDS,
};

const KINDS: &[Kind] =
    &[event, role, event, synonym, event, order, event, comparison, event, transfer];

const PARAPHRASE: usize = 1;

/// Two ways to say one thing, two to say another, and what it is done to.
struct Verb {
    one: [&'static str; 2],
    other: [&'static str; 2],
    objects: &'static [&'static str],
}

const fn verb(
    one: [&'static str; 2],
    other: [&'static str; 2],
    objects: &'static [&'static str],
) -> Verb {
    Verb { one, other, objects }
}

const VERBS: Words<Verb> = Words {
    both: &[
        verb(["approved", "accepted"], ["rejected", "turned down"], &["the plan", "the offer"]),
        verb(
            ["postponed", "delayed"],
            ["brought forward", "moved up"],
            &["the trip", "the meeting"],
        ),
        verb(["bought", "purchased"], ["sold", "parted with"], &["the old farm", "a small van"]),
        verb(["repaired", "fixed"], ["broke", "damaged"], &["the clock", "the garden fence"]),
        verb(["lost", "mislaid"], ["found", "discovered"], &["the keys", "a gold ring"]),
        verb(
            ["praised", "complimented"],
            ["criticised", "found fault with"],
            &["the waiter", "the new team"],
        ),
    ],
    train: &[
        verb(["began", "started"], ["finished", "completed"], &["the report", "the course"]),
        verb(["hired", "employed"], ["dismissed", "fired"], &["a young engineer", "the driver"]),
        verb(["hid", "concealed"], ["showed", "displayed"], &["the letter", "the scar"]),
    ],
    dev: &[
        verb(["raised", "increased"], ["lowered", "reduced"], &["the rent", "the entrance fee"]),
        verb(
            ["remembered", "recalled"],
            ["forgot", "did not remember"],
            &["the address", "the rule"],
        ),
        verb(["freed", "released"], ["captured", "caught"], &["the fox", "the prisoner"]),
    ],
};

/// A person under two names.
#[derive(PartialEq)]
struct Person(&'static str, &'static str);

const PEOPLE: Words<Person> = Words {
    both: &[
        Person("the doctor", "the physician"),
        Person("the lawyer", "the attorney"),
        Person("the boss", "the manager"),
        Person("the writer", "the author"),
    ],
    train: &[Person("the teacher", "the instructor"), Person("the sailor", "the seaman")],
    dev: &[
        Person("the shopkeeper", "the owner of the shop"),
        Person("the actress", "the film star"),
    ],
};

const WHEN: Words<&str> = Words {
    both: &["on Monday", "last week", "this morning"],
    train: &["in March", "two days ago"],
    dev: &["in October", "before the holidays"],
};

fn synonym(w: &mut Writer, class: usize) -> Input {
    let verb = w.word(&VERBS);
    let Person(who, alias) = w.word(&PEOPLE);
    let (when, object) = (w.word(&WHEN), w.pick(verb.objects));
    let (same, opposite) = w.either((&verb.one, &verb.other), (&verb.other, &verb.one));
    let turn = w.draw.below(2);
    let first = same[turn];
    let second = if class == PARAPHRASE { same[1 - turn] } else { w.pick(opposite) };
    let again = w.either(who, alias);
    let (one, two) = (
        format!("{who} {first} {object} {when}"),
        match w.coin() {
            true => format!("{when}, {again} {second} {object}"),
            false => format!("{again} {second} {object} {when}"),
        },
    );
    if w.coin() { pair(&one, &two) } else { pair(&two, &one) }
}

/// An event in two wordings that share next to no words, so that how many
/// words two sentences share says nothing here.
const HAPPENED: Words<[&str; 2]> = Words {
    both: &[
        ["cooked a large meal", "prepared a big dinner"],
        ["travelled abroad by plane", "flew to a foreign country"],
        ["wrote a long letter", "penned many pages to a friend"],
        ["cleaned the whole house", "tidied up every room"],
        ["quit the job", "resigned from the post"],
        ["won the lottery", "got rich by a lucky ticket"],
        ["got married", "had a wedding"],
        ["overslept", "did not wake up in time"],
    ],
    train: &[
        ["bought a new car", "purchased another vehicle"],
        ["missed an early train", "got to the railway station too late"],
        ["fell asleep at the desk", "dozed off at work"],
        ["dyed the curtains blue", "gave the drapes another colour"],
    ],
    dev: &[
        ["broke a leg", "fractured a bone above the foot"],
        ["moved to a bigger flat", "found a roomier apartment"],
        ["took driving lessons", "learned how to handle a car"],
        ["burned the toast", "left the bread in the toaster too long"],
    ],
};

fn event(w: &mut Writer, class: usize) -> Input {
    let (happened, other) = w.two(&HAPPENED);
    let Person(who, alias) = w.word(&PEOPLE);
    let (when, turn) = (w.word(&WHEN), w.draw.below(2));
    let second = if class == PARAPHRASE { happened[1 - turn] } else { w.pick(other) };
    let first = happened[turn];
    let again = w.either(who, alias);
    let one = w.either(format!("{when}, {who} {first}"), format!("{who} {first} {when}"));
    let two = w.either(format!("{when}, {again} {second}"), format!("{again} {second} {when}"));
    pair(&one, &two)
}

const ROLES: Words<&str> = Words {
    both: &["the nurse", "the painter", "the judge", "the driver", "the cook"],
    train: &["the pilot", "the gardener"],
    dev: &["the baker", "the violinist"],
};

const DEEDS: Words<&str> = Words {
    both: &["thanked", "interviewed", "followed", "recognised"],
    train: &["insulted", "rescued"],
    dev: &["greeted", "protected"],
};

fn role(w: &mut Writer, class: usize) -> Input {
    let (one, other) = w.two(&ROLES);
    let (deed, when) = (w.word(&DEEDS), w.word(&WHEN));
    let (doer, done_to) = if class == PARAPHRASE { (one, other) } else { (other, one) };
    let second = match w.draw.below(3) {
        0 => format!("{when}, {done_to} was {deed} by {doer}"),
        1 => format!("it was {doer} who {deed} {done_to} {when}"),
        _ => format!("{done_to} was the one whom {doer} {deed} {when}"),
    };
    pair(&format!("{one} {deed} {other} {when}"), &second)
}

const EVENTS: Words<&str> = Words {
    both: &[
        "the rain stopped",
        "the phone rang",
        "the lights went out",
        "the dog began to bark",
        "the baby woke up",
        "the guests arrived",
        "the music stopped",
    ],
    train: &["the teacher left the room", "the soup boiled over", "the bus came"],
    dev: &["the door slammed", "the cat ran away", "the crowd fell silent"],
};

fn order(w: &mut Writer, class: usize) -> Input {
    let (&one, &two) = w.two(&EVENTS);
    let before = w.either((one, two), (two, one));
    let after = (before.1, before.0);
    // "x before y" is "y after x": which clause comes first says nothing.
    let phrase = |(x, y): (&str, &str), word: &str, front: bool| match front {
        true => format!("{word} {y}, {x}"),
        false => format!("{x} {word} {y}"),
    };
    let front = w.coin();
    let first = phrase(before, "before", front);
    let (clauses, word) = match (class == PARAPHRASE, w.coin()) {
        (true, true) => (after, "after"),
        (true, false) => (before, "before"),
        (false, true) => (before, "after"),
        (false, false) => (after, "before"),
    };
    // The same conjunction needs the other order, or nothing would change.
    let back = if word == "before" { !front } else { w.coin() };
    pair(&first, &phrase(clauses, word, back))
}

const SCALES: Words<(&str, &str)> = Words {
    both: &[("taller", "shorter"), ("older", "younger"), ("stronger", "weaker")],
    train: &[("richer", "poorer")],
    dev: &[("faster", "slower")],
};

const COMPARED: Words<&str> = Words {
    both: &["the nurse", "the painter", "Mara", "Tobias", "my cousin"],
    train: &["Ken", "the pilot"],
    dev: &["Ines", "the baker"],
};

fn comparison(w: &mut Writer, class: usize) -> Input {
    let (one, other) = w.two(&COMPARED);
    let (more, less) = *w.word(&SCALES);
    let (more, less) = w.either((more, less), (less, more));
    let degree = w.pick(&["much ", "a little ", "clearly ", ""]);
    let first = format!("{one} is {degree}{more} than {other}");
    let second = match (class == PARAPHRASE, w.coin()) {
        (true, true) => format!("{other} is {degree}{less} than {one}"),
        (true, false) => format!("compared with {other}, {one} is {degree}{more}"),
        (false, true) => format!("{one} is {degree}{less} than {other}"),
        (false, false) => format!("compared with {one}, {other} is {degree}{more}"),
    };
    pair(&first, &second)
}

/// A verb of giving, the verb of getting, and what changes hands.
struct Transfer {
    give: &'static str,
    get: &'static str,
    objects: [&'static str; 3],
}

const TRANSFERS: Words<Transfer> = Words {
    both: &[
        Transfer { give: "lent", get: "borrowed", objects: ["a ladder", "a book", "an umbrella"] },
        Transfer { give: "sold", get: "bought", objects: ["a car", "a painting", "an old lamp"] },
        Transfer { give: "taught", get: "learned", objects: ["chess", "Greek", "a card trick"] },
    ],
    train: &[Transfer {
        give: "gave",
        get: "received",
        objects: ["a watch", "a key", "some money"],
    }],
    dev: &[Transfer { give: "handed", get: "got", objects: ["a parcel", "a note", "the map"] }],
};

fn transfer(w: &mut Writer, class: usize) -> Input {
    let (one, other) = w.two(&ROLES);
    let Transfer { give, get, objects } = w.word(&TRANSFERS);
    let object = w.pick(objects);
    let given = format!("{one} {give} {other} {object}");
    let got = match class {
        PARAPHRASE => format!("{other} {get} {object} from {one}"),
        _ => format!("{one} {get} {object} from {other}"),
    };
    if w.coin() { pair(&given, &got) } else { pair(&got, &given) }
}
