//! The topic of a sentence. Many mention two: the main clause decides.

use super::{Kind, Sample, Words, Writer, single};
use crate::data::Input;

pub(super) const SAMPLE: Sample = Sample {
    id: "sample_topic",
    about: "cooking, music, science or sport? where a sentence mentions two, its main clause decides",
    labels: &["cooking", "music", "science", "sport"],
    kinds: KINDS,
};

const KINDS: &[Kind] = &[
    plain,
    subordinate,
    contrasted,
    plain,
    subordinate,
    plain,
    relative,
    subordinate,
    plain,
    contrasted,
];

/// Something one does: in the past tense, and with `-ing`.
#[derive(PartialEq)]
struct Action(&'static str, &'static str);

/// Actions by class.
const ACTIONS: [Words<Action>; 4] = [
    Words {
        both: &[
            Action("peeled the potatoes", "peeling the potatoes"),
            Action("baked a loaf of bread", "baking a loaf of bread"),
            Action("stirred the soup", "stirring the soup"),
            Action("chopped two onions", "chopping two onions"),
            Action("roasted a chicken", "roasting a chicken"),
            Action("seasoned the stew", "seasoning the stew"),
        ],
        train: &[
            Action("whisked the eggs", "whisking the eggs"),
            Action("grated some cheese", "grating some cheese"),
            Action("simmered a tomato sauce", "simmering a tomato sauce"),
        ],
        dev: &[
            Action("fried the mushrooms", "frying the mushrooms"),
            Action("kneaded the dough", "kneading the dough"),
            Action("boiled the rice", "boiling the rice"),
        ],
    },
    Words {
        both: &[
            Action("tuned the violin", "tuning the violin"),
            Action("practised the piano", "practising the piano"),
            Action("sang in the choir", "singing in the choir"),
            Action("conducted the orchestra", "conducting the orchestra"),
            Action("rehearsed a duet", "rehearsing a duet"),
            Action("strummed an old guitar", "strumming an old guitar"),
        ],
        train: &[
            Action("composed a waltz", "composing a waltz"),
            Action("played the cello", "playing the cello"),
            Action("listened to a symphony", "listening to a symphony"),
        ],
        dev: &[
            Action("hummed the melody", "humming the melody"),
            Action("played the drums", "playing the drums"),
            Action("recorded a ballad", "recording a ballad"),
        ],
    },
    Words {
        both: &[
            Action("measured the voltage", "measuring the voltage"),
            Action("examined cells under a microscope", "examining cells under a microscope"),
            Action("analysed a soil sample", "analysing a soil sample"),
            Action("calculated a comet's orbit", "calculating a comet's orbit"),
            Action("diluted the acid", "diluting the acid"),
            Action("tested a hypothesis", "testing a hypothesis"),
        ],
        train: &[
            Action("classified the fossils", "classifying the fossils"),
            Action("weighed the crystals", "weighing the crystals"),
            Action("repeated the experiment", "repeating the experiment"),
        ],
        dev: &[
            Action("cultured the bacteria", "culturing the bacteria"),
            Action("observed a distant galaxy", "observing a distant galaxy"),
            Action("heated the test tube", "heating the test tube"),
        ],
    },
    Words {
        both: &[
            Action("scored a goal", "scoring a goal"),
            Action("ran a marathon", "running a marathon"),
            Action("served three aces", "serving three aces"),
            Action("trained with the goalkeeper", "training with the goalkeeper"),
            Action("swam twenty lengths", "swimming twenty lengths"),
            Action("won the sprint", "winning the sprint"),
        ],
        train: &[
            Action("threw the javelin", "throwing the javelin"),
            Action("practised penalty kicks", "practising penalty kicks"),
            Action("rode in a cycling race", "riding in a cycling race"),
        ],
        dev: &[
            Action("cleared the last hurdle", "clearing the last hurdle"),
            Action("coached the football team", "coaching the football team"),
            Action("lifted heavy weights", "lifting heavy weights"),
        ],
    },
];

const PEOPLE: Words<&str> = Words {
    both: &["Mara", "Tobias", "my neighbour", "her cousin", "Leila"],
    train: &["Ken", "my uncle", "the student"],
    dev: &["Ines", "my aunt", "the old man"],
};

const OTHERS: Words<&str> =
    Words { both: &["a friend", "her brother"], train: &["the visitor"], dev: &["his wife"] };

const WHEN: Words<&str> = Words {
    both: &["on Sunday", "in the afternoon", "last week"],
    train: &["on Tuesday", "this morning"],
    dev: &["on Friday", "at noon"],
};

/// The class's action, and one of another topic.
fn actions(w: &mut Writer, class: usize) -> (&'static Action, &'static Action) {
    let step = 1 + w.draw.below(ACTIONS.len() - 1);
    (w.word(&ACTIONS[class]), w.word(&ACTIONS[(class + step) % ACTIONS.len()]))
}

fn plain(w: &mut Writer, class: usize) -> Input {
    let (who, when) = (w.word(&PEOPLE), w.word(&WHEN));
    let (first, second) = w.two(&ACTIONS[class]);
    let text = match w.draw.below(4) {
        0 => format!("{who} {} {when}", first.0),
        1 => format!("{who} spent the morning {}", first.1),
        2 => format!("{who} {} and then {}", first.0, second.0),
        _ => format!("{when}, {who} was busy {}", first.1),
    };
    single(&text)
}

/// The main clause. Its verb has either form, as has that of the clause
/// beside it: the form alone must not tell which is which.
fn main_clause(w: &mut Writer, who: &str, action: &Action) -> String {
    match w.draw.below(4) {
        0 => format!("{who} was {}", action.1),
        1 => format!("{who} started {}", action.1),
        _ => format!("{who} {}", action.0),
    }
}

fn subordinate(w: &mut Writer, class: usize) -> Input {
    let (who, other) = (w.word(&PEOPLE), w.word(&OTHERS));
    let (main, aside) = actions(w, class);
    let main = main_clause(w, who, main);
    let aside = match w.draw.below(6) {
        0 => format!("after {}", aside.1),
        1 => format!("before {}", aside.1),
        2 => format!("while {other} was {}", aside.1),
        3 => format!("soon after {other} {}", aside.0),
        4 => format!("after {other} {}", aside.0),
        _ => format!("before {other} {}", aside.0),
    };
    single(&if w.coin() { format!("{aside}, {main}") } else { format!("{main} {aside}") })
}

fn contrasted(w: &mut Writer, class: usize) -> Input {
    let (who, when, other) = (w.word(&PEOPLE), w.word(&WHEN), w.word(&OTHERS));
    let (main, aside) = actions(w, class);
    let main = main_clause(w, who, main);
    let text = match w.draw.below(6) {
        0 => format!("instead of {}, {main} {when}", aside.1),
        1 => format!("{main} {when} rather than {}", aside.1),
        2 => format!("although {other} was {}, {main}", aside.1),
        3 => format!("even though {other} {}, {main}", aside.0),
        4 => format!("although {other} {} {when}, {main}", aside.0),
        _ => format!("{main} {when}, although {other} {}", aside.0),
    };
    single(&text)
}

fn relative(w: &mut Writer, class: usize) -> Input {
    let (who, when) = (w.word(&PEOPLE), w.word(&WHEN));
    let (main, aside) = actions(w, class);
    let main = match w.coin() {
        true => format!("was {}", main.1),
        false => main.0.to_owned(),
    };
    let text = match w.draw.below(2) {
        0 => format!("{who}, who usually enjoyed {}, {main} {when}", aside.1),
        _ => format!("{who}, who {} {when}, {main} today", aside.0),
    };
    single(&text)
}
