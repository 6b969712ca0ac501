//! How close are two descriptions: the same activity, two activities of one
//! theme, or nothing to do with each other? Who does it, and when, is shared or not
//! in every class alike, so that common words decide nothing.

use super::{Kind, Sample, Words, Writer, pair};
use crate::data::Input;

pub(super) const SAMPLE: Sample = Sample {
    id: "sample_similarity",
    about: "do two descriptions show the same activity, two of one theme, or unrelated ones?",
    labels: &["unrelated", "related", "same"],
    kinds: KINDS,
};

const KINDS: &[Kind] = &[described];

const RELATED: usize = 1;
const SAME: usize = 2;

/// One event in two wordings.
type Event = [&'static str; 2];

/// Events of one theme.
#[derive(PartialEq)]
struct Theme([Event; 3]);

const THEMES: Words<Theme> = Words {
    both: &[
        Theme([
            ["is slicing bread", "is cutting a loaf into pieces"],
            ["is frying eggs", "is cooking eggs in a pan"],
            ["is washing the dishes", "is cleaning plates in the sink"],
        ]),
        Theme([
            ["is playing the piano", "is sitting at the keyboard, making music"],
            ["is tuning a guitar", "is adjusting the strings of a guitar"],
            ["is singing on stage", "is performing a song for an audience"],
        ]),
        Theme([
            ["is watering the flowers", "is giving the plants something to drink"],
            ["is planting a tree", "is putting a sapling into the soil"],
            ["is mowing the lawn", "is cutting the grass"],
        ]),
        Theme([
            ["is reading a novel", "is absorbed in a book"],
            ["is writing an essay", "is working on a composition"],
            ["is solving a sum", "is working out an arithmetic problem"],
        ]),
        Theme([
            ["is packing a suitcase", "is putting clothes into a travel bag"],
            ["is boarding a train", "is getting into a railway carriage"],
            ["is waiting for a flight", "is sitting at the airport gate"],
        ]),
        Theme([
            ["is walking the dog", "is out with a puppy on a lead"],
            ["is feeding the cat", "is filling the kitten's bowl"],
            ["is brushing a horse", "is grooming a pony"],
        ]),
    ],
    train: &[
        Theme([
            ["is riding a bicycle", "is pedalling along on a bike"],
            ["is repairing a bicycle", "is mending a broken bike"],
            ["is pumping up a tyre", "is putting air into a flat wheel"],
        ]),
        Theme([
            ["is painting a wall", "is covering the bare plaster with colour"],
            ["is laying a carpet", "is fitting a rug from wall to wall"],
            ["is fixing a leaking tap", "is stopping a faucet from dripping"],
        ]),
        Theme([
            ["is kicking a ball", "is striking a football with one foot"],
            ["is refereeing a match", "is blowing the whistle in a game"],
            ["is blocking a shot", "is keeping the ball out of the goal"],
        ]),
    ],
    dev: &[
        Theme([
            ["is swimming in the lake", "is bathing in the deep water"],
            ["is rowing a boat", "is moving a dinghy along with oars"],
            ["is fishing from the pier", "is trying to catch a trout"],
        ]),
        Theme([
            ["is knitting a scarf", "is making something warm out of wool"],
            ["is sewing on a button", "is mending a shirt with needle and thread"],
            ["is ironing a shirt", "is pressing clothes with a hot iron"],
        ]),
        Theme([
            ["is taking a photograph", "is snapping a picture with a camera"],
            ["is framing a portrait", "is putting a border around a painting"],
            ["is drawing a landscape", "is sketching hills and fields"],
        ]),
    ],
};

/// Who, in two wordings.
#[derive(PartialEq)]
struct Person(&'static str, &'static str);

const PEOPLE: Words<Person> = Words {
    both: &[
        Person("a man", "a guy"),
        Person("a woman", "a lady"),
        Person("a boy", "a lad"),
        Person("a child", "a kid"),
    ],
    train: &[Person("a teenager", "an adolescent"), Person("the neighbour", "the man next door")],
    dev: &[Person("a student", "a young scholar"), Person("the old man", "an elderly gentleman")],
};

const WHEN: Words<&str> = Words {
    both: &["in the morning", "at the weekend", "after work"],
    train: &["on a warm day", "late in the afternoon"],
    dev: &["early in the evening", "on a cold day"],
};

fn described(w: &mut Writer, class: usize) -> Input {
    let (theme, foreign) = w.two(&THEMES);
    let (event, sibling) = w.pick_two(&theme.0);
    let turn = w.draw.below(2);
    let second = match class {
        SAME => event[1 - turn],
        RELATED => w.pick(&sibling),
        _ => {
            let event = w.pick(&foreign.0);
            w.pick(&event)
        }
    };
    let (person, when) = (w.word(&PEOPLE), w.word(&WHEN));
    // The same person in the same words, in other words, or somebody else.
    let again = match w.draw.below(3) {
        0 => person.0,
        1 => person.1,
        _ => w.word(&PEOPLE).0,
    };
    let first = match w.draw.below(3) {
        0 => format!("{} {}", person.0, event[turn]),
        1 => format!("{when}, {} {}", person.0, event[turn]),
        _ => format!("{} {} {when}", person.0, event[turn]),
    };
    let second = match w.draw.below(3) {
        0 => format!("{again} {second}"),
        1 => format!("{again} {second} {when}"),
        _ => format!("{again} {second} {}", w.word(&WHEN)),
    };
    pair(&first, &second)
}
