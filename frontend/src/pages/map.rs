//! The page that shows how tasks lie to each other: all similarities at once, and a plane.

mod heatmap;
mod nearest;
mod plane;
mod points;
mod table;

pub use heatmap::file_name;

use crate::answer::{Loaded, choose_method, choose_similarity};
use crate::components::facts::CopyLink;
use crate::components::messages::ErrorBox;
use crate::components::stage::Stage;
use crate::components::switches::{SetSwitch, SimilaritySwitch};
use crate::components::turn::InTurn;
use crate::failure::Failure;
use crate::platform::Breather;
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tupate_tasks::TaskClass;
use tupate_zoo::TaskEntry;
use tupate_zoo::map::{MOST, Map, ORDERED_BEST, Wish, map};

/// Draws the page.
pub fn draw() -> AnyView {
    view! { <MapPage /> }.into_any()
}

/// The page.
#[component]
pub fn MapPage() -> impl IntoView {
    view! {
        <Stage
            heading="How do these tasks lie to each other?"
            tab="Map"
            promise="A zoo is one file that holds embeddings of many tasks. Open one, and see which of its tasks are alike, which stand alone, and what lies nearest to yours."
            content=|| view! { <WithZoo /> }.into_any()
            ghost=|| view! { <Ghost /> }.into_any()
        />
    }
}

#[component]
fn Ghost() -> impl IntoView {
    view! {
        <div class="ghost ghost-switches"></div>
        <div class="pictures">
            <div class="ghost ghost-picture"></div>
            <div class="ghost ghost-picture"></div>
        </div>
    }
}

/// A map with what is known of its tasks.
#[derive(Debug)]
struct Shown {
    map: Map,
    /// `[n]`.
    names: Vec<String>,
    /// `[n]`.
    classes: Vec<TaskClass>,
    /// The least and the greatest similarity of two tasks.
    ends: [f64; 2],
    /// All similarities as one picture's address.
    cells: Arc<str>,
}

impl Shown {
    /// Awaits `pause` between pieces of a few milliseconds.
    async fn of(map: Map, loaded: &Loaded, pause: &impl AsyncFn()) -> Self {
        let known: BTreeMap<&str, &TaskEntry> =
            loaded.zoo.tasks().iter().map(|task| (task.id.as_str(), task)).collect();
        let task = |id: &String| known.get(id.as_str());
        let name = |id: &String| task(id).map_or_else(|| id.clone(), |task| task.name.clone());
        let class =
            |id: &String| task(id).map_or(TaskClass::ClassificationRegression, |task| task.class);
        let names = map.tasks.iter().map(name).collect();
        let classes = map.tasks.iter().map(class).collect();
        pause().await;
        let ends = ends(&map);
        pause().await;
        let cells = heatmap::cells(&map, ends, pause).await.into();
        Self { map, names, classes, ends, cells }
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    /// Two tasks in words.
    fn pair(&self, i: usize, j: usize) -> String {
        match i == j {
            true => format!("{} beside itself", self.names[i]),
            false => format!(
                "{} and {}: {}",
                self.names[i],
                self.names[j],
                words::score(self.map.similarities.at(i, j))
            ),
        }
    }
}

fn ends(map: &Map) -> [f64; 2] {
    let mut ends = [f64::INFINITY, f64::NEG_INFINITY];
    for i in 0..map.tasks.len() {
        let row = map.similarities.row(i).iter().enumerate();
        for (_, &value) in row.filter(|(j, _)| *j != i) {
            ends = [ends[0].min(value), ends[1].max(value)];
        }
    }
    // A task alone has no other.
    if map.tasks.len() < 2 { [0.0, 1.0] } else { ends }
}

/// What is pointed at: a task, and another one with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lit {
    task: usize,
    with: Option<usize>,
}

/// What the parts of the page share. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
struct Scene {
    shown: RwSignal<Option<Result<Arc<Shown>, Failure>>>,
    /// Whether another map is being drawn.
    busy: RwSignal<bool>,
    lit: RwSignal<Option<Lit>>,
    /// Place of the target on the map.
    target: Memo<Option<usize>>,
}

impl Scene {
    fn map(self) -> Option<Arc<Shown>> {
        self.shown.get().and_then(Result::ok)
    }

    fn map_untracked(self) -> Option<Arc<Shown>> {
        self.shown.get_untracked().and_then(Result::ok)
    }

    /// The task that everything is about: the one pointed at, or else the target.
    fn about(self) -> Option<usize> {
        self.lit.get().map(|lit| lit.task).or(self.target.get())
    }

    fn point(self, lit: Option<Lit>) {
        if self.lit.get_untracked() != lit {
            self.lit.set(lit);
        }
    }

    fn choose(self, store: Store, task: usize) {
        if let Some(shown) = self.map_untracked() {
            store.choose_target(shown.map.tasks[task].clone());
        }
    }
}

#[component]
fn WithZoo() -> impl IntoView {
    let store = expect_context::<Store>();
    let shown = RwSignal::new(None::<Result<Arc<Shown>, Failure>>);
    let target = Memo::new(move |_| {
        let id = store.view.with(|view| view.target.clone())?;
        shown.with(|shown| {
            shown.as_ref()?.as_ref().ok()?.map.tasks.iter().position(|task| *task == id)
        })
    });
    let scene = Scene { shown, busy: RwSignal::new(true), lit: RwSignal::new(None), target };
    provide_context(scene);
    follow(store, scene);
    let failure = move || {
        let failure = scene.shown.get()?.err()?;
        Some(view! { <ErrorBox failure /> })
    };
    let some = Memo::new(move |_| scene.shown.with(|s| matches!(s, Some(Ok(_)))));
    let none_yet = move || scene.shown.with(Option::is_none);
    view! {
        <section class="controls" aria-label="What is compared">
            <SimilaritySwitch />
            <SetSwitch />
        </section>
        <div class="map" aria-busy=move || scene.busy.get().to_string() data-testid="map">
            {failure}
            <Show when=none_yet>
                <div class="pictures skeleton" role="status" aria-label="Drawing the map">
                    <div class="ghost ghost-picture"></div>
                    <div class="ghost ghost-picture"></div>
                </div>
            </Show>
            <Show when=move || some.get()>
                <LeftOut />
                // Of a thousand tasks, all at once would hold the page up.
                <div class="pictures">
                    <heatmap::Heatmap />
                    <InTurn place=1 fallback=|| view! { <div class="ghost ghost-picture"></div> }>
                        <plane::PlaneMap />
                    </InTurn>
                </div>
                <InTurn place=2 fallback=|| view! { <div class="in-turn"></div> }>
                    <nearest::Nearest />
                    <table::Table />
                </InTurn>
            </Show>
        </div>
        <CopyLink />
    }
}

/// Draws the map anew whenever it would be another one.
fn follow(store: Store, scene: Scene) {
    let turn = StoredValue::new(0_u64);
    let wish = Memo::new(move |_| {
        let loaded = store.loaded.get()?;
        let (method, similarity, target) = store
            .view
            .with(|view| (view.method.clone(), view.similarity.clone(), view.target.clone()));
        // Of a large file, other sets than the first come later.
        let (method, set) = match choose_method(&loaded.sets, method.as_deref()) {
            Ok((method, set)) => (Some(method), Some(set)),
            Err(_) => (method, None),
        };
        let there = loaded.whole
            || set.is_some_and(|set| {
                method.as_ref() == Some(&set.key) && loaded.zoo.sets().any(|own| own.key == set.key)
            });
        // Where all tasks are shown, another target is no other map.
        let part = loaded.sharded.is_some();
        let target = target.filter(|_| part || set.is_some_and(|set| set.tasks.len() > MOST));
        Some((loaded.sha256.clone(), there, method, similarity, target))
    });
    Effect::new(move |_| {
        let Some((_, there, method, similarity, target)) = wish.get() else { return };
        let Some(loaded) = store.loaded.get_untracked() else { return };
        turn.update_value(|turn| *turn += 1);
        let own = turn.get_value();
        scene.busy.set(true);
        if !there {
            return;
        }
        leptos::task::spawn_local(async move {
            let breather = Breather::new(move || turn.try_get_value() == Some(own));
            let drawn = async {
                let similarity = choose_similarity(similarity.as_deref())?;
                let wish =
                    Wish { method: method.as_deref(), similarity, target: target.as_deref() };
                let pause = async || breather.pause().await;
                let map = map(&loaded.zoo, &wish, &pause).await?;
                Ok(Shown::of(map, &loaded, &pause).await)
            };
            let drawn: Result<_, tupate_zoo::Error> = drawn.await;
            if turn.try_get_value() != Some(own) {
                return;
            }
            scene.lit.set(None);
            scene.shown.set(Some(match drawn {
                Ok(shown) => Ok(Arc::new(shown)),
                Err(error) => Err(Failure::ranking(&error)),
            }));
            scene.busy.set(false);
        });
    });
}

/// Says what the map does not show, and where its order is not the best.
#[component]
fn LeftOut() -> impl IntoView {
    let scene = expect_context::<Scene>();
    let store = expect_context::<Store>();
    move || {
        let shown = scene.map()?;
        let all = store.loaded.with(|loaded| Some(loaded.as_ref()?.sharded.as_ref()?.tasks));
        let left_out = match all {
            Some(all) => (all as usize).saturating_sub(shown.map.tasks.len()),
            None => shown.map.left_out,
        };
        let fewer = (left_out > 0).then(|| {
            format!(
                "This set has {} more: the map shows the target with the {} closest to it. ",
                words::counted(left_out as u64, "task"),
                words::count(shown.map.tasks.len().saturating_sub(1) as u64),
            )
        });
        let order = (shown.len() > ORDERED_BEST).then(|| {
            format!(
                "Rows follow the clustering, groups beside groups; up to {ORDERED_BEST} tasks they would also stand in its best order. Zoom in to read names."
            )
        });
        // A ranking subtracts the mean of all tasks, and here are a few.
        let centred = store.view.with(|view| view.similarity.as_deref() == Some("centred"));
        let mean = (all.is_some() && centred)
            .then_some("The mean that is subtracted is that of the tasks on the map. ");
        (fewer.is_some() || order.is_some()).then(|| {
            view! {
                <p class="hint" data-testid="left-out">
                    {fewer}
                    {mean}
                    {order}
                </p>
            }
        })
    }
}
