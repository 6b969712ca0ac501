//! A new run: which data, how to tune on it, and what to rank it against.

use super::desk::Desk;
use super::fields::{Choice, Picked, Text};
use super::preview::{self, LOOK, Roles, Table};
use super::rows::Rows;
use crate::components::files::FileButton;
use crate::platform::LocalFile;
use crate::{platform, words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use tupate_api::{Data, NewRun, RankAgainst, Scope, UploadFormat};

/// A file that was chosen, and what its beginning holds.
#[derive(Clone)]
struct Chosen {
    file: LocalFile,
    format: Option<UploadFormat>,
    table: Result<Table, String>,
}

/// What was typed, for as long as the site is open. Empty is as usual.
#[derive(Clone, Copy)]
pub struct Typed {
    /// Whether the data is a file of the visitor's.
    pub own: RwSignal<bool>,
    task: RwSignal<String>,
    file: RwSignal<Option<Chosen>, LocalStorage>,
    roles: RwSignal<Roles>,
    name: RwSignal<String>,
    method: RwSignal<String>,
    encoder: RwSignal<String>,
    epochs: RwSignal<String>,
    rates: RwSignal<String>,
    most: RwSignal<String>,
    zoo: RwSignal<String>,
    similarity: RwSignal<String>,
}

/// A field that cannot be used: its id, and why.
type Wrong = (&'static str, String);

/// A file to send, and what is to be tuned on it.
type Asked = (Option<(LocalFile, UploadFormat)>, Vec<NewRun>);

/// In place of a method's name: a run by each.
const EVERY: &str = "every";
/// Nothing was chosen yet: no server offers this.
const UNSAID: &str = "?";

impl Typed {
    fn new() -> Self {
        let unsaid = || RwSignal::new(UNSAID.to_owned());
        let empty = || RwSignal::new(String::new());
        Self {
            own: RwSignal::new(false),
            task: unsaid(),
            file: RwSignal::new_local(None),
            roles: RwSignal::new(Vec::new()),
            name: empty(),
            method: unsaid(),
            encoder: unsaid(),
            epochs: empty(),
            rates: empty(),
            most: empty(),
            zoo: unsaid(),
            similarity: unsaid(),
        }
    }

    /// What was typed before the visitor turned to another page, or nothing yet.
    pub fn kept() -> Self {
        use_context().unwrap_or_else(|| {
            // It outlives this page with what has no owner of its own: the whole site.
            let mut site = Owner::current().unwrap_or_default();
            while let Some(parent) = site.parent() {
                site = parent;
            }
            site.with(|| {
                let typed = Self::new();
                provide_context(typed);
                typed
            })
        })
    }

    /// Chooses the first of what is offered wherever what was chosen is not.
    fn fit(self, desk: Desk) {
        let offers = desk.offers.get_untracked();
        let tasks: Vec<_> = offers.tasks.into_iter().map(|task| task.id).collect();
        if tasks.is_empty() {
            self.own.set(true);
        }
        let zoos = zoo_options(desk).into_iter().map(|(zoo, _)| zoo).collect();
        let methods = with_every(offers.methods);
        for (value, offered) in [
            (self.task, tasks),
            (self.method, methods),
            (self.encoder, offers.encoders),
            (self.zoo, zoos),
            (self.similarity, offers.similarities),
        ] {
            if value.with_untracked(|value| !offered.contains(value)) {
                value.set(offered.into_iter().next().unwrap_or_default());
            }
        }
    }

    /// Takes a file, and looks what its beginning holds.
    pub fn take(self, desk: Desk, file: LocalFile) {
        // What the server said was about another file.
        desk.failure.set(None);
        spawn_local(async move {
            let format = preview::format_of(&file.name());
            let whole = file.size() <= LOOK;
            let table = match format {
                None => Err("its name must end in .csv, .tsv or .jsonl".to_owned()),
                Some(format) => match file.head(LOOK).await {
                    Ok(bytes) => preview::read(&bytes, format, whole),
                    Err(_) => Err("the browser cannot read it".to_owned()),
                },
            };
            if let Ok(table) = &table {
                self.roles.set(table.guess());
            }
            self.file.set(Some(Chosen { file, format, table }));
        });
    }

    /// A request for each method that is wanted, with the file to send before.
    fn requests(self, desk: Desk) -> Result<Asked, Wrong> {
        let (mut file, mut columns) = (None, None);
        let data = if self.own.get_untracked() {
            let Some(chosen) = self.file.get_untracked() else {
                return Err(("file", "Choose a file first.".into()));
            };
            let most = desk.offers.with_untracked(|offers| offers.upload_bytes);
            if chosen.file.size() > most {
                let most = words::size(most);
                return Err(("file", format!("This server takes files of up to {most}.")));
            }
            let table = chosen.table.map_err(|why| ("file", format!("The file: {why}.")))?;
            let format =
                chosen.format.ok_or(("file", "The file: its form is not known.".into()))?;
            let choice = self.roles.with_untracked(|roles| table.choice(roles));
            columns = Some(choice.map_err(|why| ("columns", format!("Columns: {why}.")))?);
            file = Some((chosen.file, format));
            // Its id is known when it has been sent.
            Data::Upload(String::new())
        } else {
            Data::Task(self.task.get_untracked())
        };
        let some = |text: RwSignal<String>| {
            let text = text.get_untracked().trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        let whole = |id, text, least, most| match some(text) {
            None => Ok(None),
            Some(text) => match text.parse::<u32>() {
                Ok(n) if (least..=most).contains(&n) => Ok(Some(n)),
                _ => Err((id, format!("“{text}” must be a whole number from {least} to {most}."))),
            },
        };
        let rates = match some(self.rates) {
            None => None,
            Some(text) => {
                let rates: Option<Vec<f64>> = text
                    .split([',', ' '])
                    .filter(|part| !part.is_empty())
                    .map(|part| part.parse().ok().filter(|r: &f64| r.is_finite() && *r > 0.0))
                    .collect();
                let wrong = || ("rates", format!("“{text}” must be 1 to 16 positive numbers."));
                Some(rates.filter(|rates| (1..=16).contains(&rates.len())).ok_or_else(wrong)?)
            }
        };
        let zoo = self.zoo.get_untracked();
        let ranking = (!zoo.is_empty()).then(|| RankAgainst {
            zoo,
            similarity: some(self.similarity),
            top: None,
        });
        let spec = NewRun {
            data,
            name: some(self.name),
            method: some(self.method),
            encoder: some(self.encoder),
            columns,
            epochs: whole("epochs", self.epochs, 1, 1000)?,
            batch_size: None,
            learning_rates: rates,
            max_train: whole("most", self.most, 1, u32::MAX)?,
            max_length: None,
            seed: 0,
            init_seed: 0,
            ranking,
        };
        let mut specs = vec![spec];
        if self.method.with_untracked(|method| method == EVERY) {
            let methods = desk.offers.with_untracked(|offers| offers.methods.clone());
            let of = |method| NewRun { method: Some(method), ..specs[0].clone() };
            specs = methods.into_iter().map(of).collect();
        }
        Ok((file, specs))
    }
}

/// Everything that a run is made of.
#[component]
pub fn NewRunForm(desk: Desk) -> impl IntoView {
    let typed = Typed::kept();
    typed.fit(desk);
    let wrong = RwSignal::new(None::<Wrong>);
    let may = Memo::new(move |_| desk.may(Scope::Tune));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        wrong.set(None);
        desk.failure.set(None);
        if !may.get_untracked() {
            platform::focus("token");
            return;
        }
        match typed.requests(desk) {
            Ok((file, specs)) => desk.start(file, specs),
            Err(found) => {
                platform::focus(found.0);
                wrong.set(Some(found));
            }
        }
    };
    let button = move || match (desk.busy.get(), may.get()) {
        (Some(what), _) => format!("{what}…"),
        (None, true) => "Start tuning".to_owned(),
        (None, false) => "Give a token to start".to_owned(),
    };
    let promise = move || match (typed.own.get(), typed.file.get()) {
        (true, Some(chosen)) => format!(
            "Sends {} ({}) to this server, which keeps it for the run.",
            words::clipped(&chosen.file.name(), 60),
            words::size(chosen.file.size())
        ),
        (true, None) => "Nothing is sent before you start.".to_owned(),
        (false, _) => "The data is on the server already.".to_owned(),
    };
    let methods = with_every(desk.offers.get_untracked().methods);
    view! {
        <form class="new-run" novalidate on:submit=submit data-testid="new-run">
            <h2 id="new-run-head" class="hidden" tabindex="-1">
                "A new run"
            </h2>
            <fieldset class="switch">
                <legend>"Data"</legend>
                <div class="segments">
                    <Choice name="data" hook="data-task"
                        label="A task on the server" on=Signal::derive(move || !typed.own.get()) pick=move || typed.own.set(false) />
                    <Choice name="data" hook="data-own"
                        label="A file of mine" on=typed.own pick=move || typed.own.set(true) />
                </div>
            </fieldset>
            {move || if typed.own.get() {
                view! { <OwnFile desk typed /> }.into_any()
            } else {
                view! { <Registered desk typed /> }.into_any()
            }}
            <fieldset class="switch">
                <legend>"Method"</legend>
                <div class="segments">
                    {methods
                        .into_iter()
                        .map(|method| {
                            let (own, picked) = (method.clone(), method.clone());
                            view! {
                                <Choice
                                    name="method"
                                    hook=format!("method-{method}")
                                    label=method_label(&method)
                                    on=Signal::derive(move || typed.method.with(|m| *m == own))
                                    pick=move || typed.method.set(picked.clone())
                                />
                            }
                        })
                        .collect_view()}
                </div>
                <p class="hint" hidden=move || typed.method.with(|method| method != EVERY)>
                    "A run by each method, one after the other; when they are done, sources are ranked by all together."
                </p>
            </fieldset>
            <div class="fields">
                <Picked id="encoder" label="Encoder" value=typed.encoder options=desk.offers.get_untracked().encoders.into_iter().map(|e| (e.clone(), e)).collect() />
                <Text id="epochs" label="Epochs" value=typed.epochs placeholder="20" numeric=true />
                <Text id="rates" label="Learning rates" value=typed.rates placeholder="the method’s own" numeric=false />
                <Text id="most" label="Most examples" value=typed.most placeholder="all" numeric=true />
            </div>
            <div class="fields">
                <Picked id="zoo" label="Ranked after each epoch against" value=typed.zoo options=zoo_options(desk) />
                <Picked
                    id="similarity"
                    label="By the similarity"
                    value=typed.similarity
                    options=desk.offers.get_untracked().similarities.into_iter().map(|s| (s.clone(), words::similarity_label(&s))).collect()
                />
            </div>
            <div class="go">
                <button
                    type="submit"
                    class="solid"
                    disabled=move || desk.busy.with(Option::is_some)
                    data-testid="start"
                >
                    {button}
                </button>
                <p class="hint">{promise}</p>
            </div>
            <p class="weak" role="alert" data-testid="wrong">
                {move || wrong.get().map(|(_, why)| why)}
            </p>
        </form>
    }
}

/// The methods, and all of them where there are several.
fn with_every(mut methods: Vec<String>) -> Vec<String> {
    if methods.len() > 1 {
        methods.push(EVERY.to_owned());
    }
    methods
}

/// What a method is called.
pub fn method_label(name: &str) -> &'static str {
    match name {
        EVERY => "All of them",
        "lora" => "LoRA",
        "bitfit" => "BitFit",
        "ptuning-v2" => "P-Tuning v2",
        _ => "another",
    }
}

fn zoo_options(desk: Desk) -> Vec<(String, String)> {
    let zoos = desk.zoos.get_untracked();
    let named = zoos.iter().filter_map(|zoo| {
        let tasks = words::counted(zoo.tasks, "task");
        let label = format!("{}, {tasks}", words::clipped(&zoo.name, 60));
        Some((zoo.url.rsplit_once('/')?.1.to_owned(), label))
    });
    named.chain([(String::new(), "no zoo".to_owned())]).collect()
}

#[component]
fn Registered(desk: Desk, typed: Typed) -> impl IntoView {
    let tasks = desk.offers.get_untracked().tasks;
    let options = tasks.into_iter().map(|task| (task.id, task.name));
    view! { <Picked id="task" label="Task" value=typed.task options=options.collect() /> }
}

#[component]
fn OwnFile(desk: Desk, typed: Typed) -> impl IntoView {
    let most = words::size(desk.offers.with_untracked(|offers| offers.upload_bytes));
    let take = move |file| typed.take(desk, file);
    let shown = move || {
        let chosen = typed.file.get()?;
        let heading = format!(
            "{}, {}",
            words::clipped(&chosen.file.name(), 60),
            words::size(chosen.file.size())
        );
        Some(match chosen.table {
            Ok(table) => view! {
                <p class="file-name">{heading}</p>
                <div id="columns" tabindex="-1">
                    <Rows table roles=typed.roles />
                </div>
                <div class="fields">
                    <Text id="name" label="Name of the task" value=typed.name placeholder="the file’s name" numeric=false />
                </div>
            }
            .into_any(),
            Err(why) => view! {
                <p class="file-name">{heading}</p>
                <p class="weak" role="alert">
                    "This file cannot be tuned on: " {why} "."
                </p>
            }
            .into_any(),
        })
    };
    view! {
        <div class="own-file">
            <div class="go">
                <FileButton
                    id="file"
                    label="Choose a file"
                    accept=".csv,.tsv,.jsonl"
                    take=move |_, files| files.into_iter().for_each(take)
                />
                <p class="hint">
                    "CSV, TSV or JSON lines, up to " {most}
                    ". Its first rows are shown here before anything is sent."
                </p>
            </div>
            {shown}
        </div>
    }
}
