//! What there is to know of the zoo that is shown, and the link to share it.

use crate::answer::{Loaded, Origin, members};
use crate::platform;
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use std::sync::Arc;
use tupate_tasks::MethodSpec;
use tupate_zoo::EmbeddingSet;
use tupate_zoo::link::{self, View};

/// The zoo's facts.
#[component]
pub fn Facts() -> impl IntoView {
    let store = expect_context::<Store>();
    move || store.loaded.get().map(|loaded| facts(store, &loaded))
}

fn facts(store: Store, loaded: &Arc<Loaded>) -> impl IntoView + use<> {
    let zoo = &loaded.zoo;
    let description = Some(zoo.description().trim().to_owned()).filter(|text| !text.is_empty());
    let tasks = loaded.sharded.as_ref().map_or(zoo.tasks().len() as u64, |all| all.tasks);
    let tasks = words::count(tasks);
    let files = loaded.sharded.as_ref().filter(|_| !loaded.whole).map(|all| {
        format!(
            "{} in {}, beside their index",
            words::size(loaded.bytes),
            words::counted(all.files as u64, "file")
        )
    });
    let sharded = files.is_some();
    let hash = loaded.sha256.clone();
    let from = match &loaded.origin {
        Origin::File(name) => format!("{name}, from this device"),
        Origin::Link(_) => "inside the link".into(),
        Origin::Server { url, .. } | Origin::Url(url) => url.clone(),
    };
    let address = loaded.origin.address().and_then(platform::address);
    let recipe = {
        let loaded = loaded.clone();
        move || {
            let key = store.view.with(|view| view.method.clone());
            recipe(&members(&loaded.sets, key.as_deref()).ok()?)
        }
    };
    view! {
        <h2 class="zoo-name" data-testid="zoo-name">
            {zoo.name().to_owned()}
        </h2>
        {description.map(|text| view! { <p class="zoo-description">{text}</p> })}
        <dl>
            <dt>"Tasks"</dt>
            <dd>{tasks}</dd>
            {recipe}
            <dt>{if sharded { "Files" } else { "File" }}</dt>
            <dd class="from">
                {files.unwrap_or_else(|| words::size(loaded.bytes))} ", "
                {match address {
                    Some(address) => {
                        view! {
                            <a href=address.href download data-testid="download">
                                "download"
                            </a>
                        }
                            .into_any()
                    }
                    None => from.clone().into_any(),
                }}
            </dd>
            <dt>"sha256"</dt>
            <dd>
                <code data-testid="zoo-sha256" data-full=hash.clone() title=hash.clone()>
                    {words::short_hash(&hash)}
                </code>
                <Copier label="Copy" what="The hash" text=Callback::new(move |()| hash.clone()) />
            </dd>
        </dl>
    }
}

/// The recipe of an embedding set, or of those of an ensemble, as rows of the list of facts.
fn recipe(sets: &[&EmbeddingSet]) -> Option<AnyView> {
    let set = sets.first()?;
    let recipe = &set.recipe;
    let encoder = &recipe.encoder;
    if let MethodSpec::Imported { source } = &recipe.method {
        // Nothing else is known of what another program made.
        let vectors = format!("{} values, from {source}", words::count(set.dim as u64));
        let view = view! {
            <dt>"Encoder"</dt>
            <dd>{encoder.name.clone()}</dd>
            <dt>"Vectors"</dt>
            <dd>{vectors}</dd>
        };
        return Some(view.into_any());
    }
    let methods: Vec<_> = sets.iter().map(|set| set.recipe.method.to_string()).collect();
    let dims: Vec<_> = sets.iter().map(|set| set.dim).collect();
    let view = view! {
        <dt>"Encoder"</dt>
        <dd>
            {encoder.name.clone()}
            {format!(", {} layers of {}, frozen; weights ", encoder.layers, encoder.hidden_size)}
            <code title=encoder.weights_sha256.clone()>
                {words::short_hash(&encoder.weights_sha256)}
            </code>
        </dd>
        <dt>"Method"</dt>
        <dd>{methods.join("; ")}</dd>
        <dt>"Taken"</dt>
        <dd>{words::checkpoint(recipe.checkpoint)}</dd>
        <dt>"Vector"</dt>
        <dd>{words::vector(recipe, &dims)}</dd>
        <dt>"Start"</dt>
        <dd>
            {format!("seed {}", recipe.init_seed)}
            {if set.has_initial { ", initial values included" } else { ", initial values not included" }}
        </dd>
    };
    Some(view.into_any())
}

/// The button that copies a link to what is shown.
#[component]
pub fn CopyLink() -> impl IntoView {
    let store = expect_context::<Store>();
    let plain =
        Callback::new(move |()| platform::link(&store.view.with_untracked(View::to_fragment)));
    // The link with the file in it; nothing where the file is too large for that.
    let inline = Memo::new(move |_| store.loaded.with(|l| l.as_ref().map(|l| l.sha256.clone())));
    let data = RwSignal::new(None::<String>);
    Effect::new(move |_| {
        let now = inline.get();
        data.set(None);
        leptos::task::spawn_local(async move {
            let loaded = store.loaded.get_untracked().filter(|l| l.origin.address().is_none());
            let Some(file) = loaded.as_ref().and_then(|loaded| loaded.small.as_deref()) else {
                return;
            };
            let packed = platform::deflate(file).await;
            let text = packed.and_then(|packed| link::text_of(&packed).ok());
            if inline.try_get_untracked() == Some(now) {
                let _ = data.try_set(text);
            }
        });
    });
    let with_zoo = move || {
        let view = store.view.get_untracked();
        let view = View { zoo: None, data: data.get_untracked(), ..view };
        platform::link(&view.to_fragment())
    };
    let local = Memo::new(move |_| {
        store.loaded.with(|l| l.as_ref().is_some_and(|l| l.origin.address().is_none()))
    });
    let inside = Memo::new(move |_| {
        store.loaded.with(|l| l.as_ref().is_some_and(|l| matches!(l.origin, Origin::Link(_))))
    });
    let whole = Callback::new(move |()| with_zoo());
    view! {
        <div class="share">
            <Copier label="Copy link" what="The link" text=plain hook="copy-link" solid=true />
            <Show when=move || local.get() && !inside.get()>
                <p class="hint">
                    "This link names the file and does not carry it: whoever opens it needs the same one."
                </p>
                <Show when=move || data.with(Option::is_some)>
                    <Copier
                        label="Copy link with the zoo inside"
                        what="The link"
                        text=whole
                        hook="copy-inline"
                    />
                </Show>
            </Show>
        </div>
    }
}

/// A button that copies a text, or shows it where copying is not allowed.
#[component]
fn Copier(
    label: &'static str,
    /// What is copied, as the subject of a sentence.
    what: &'static str,
    /// The text at the moment of the click.
    text: Callback<(), String>,
    /// The button's test hook.
    #[prop(default = "copy")]
    hook: &'static str,
    /// Drawn as a main action.
    #[prop(default = false)]
    solid: bool,
) -> impl IntoView {
    let said = RwSignal::new("");
    let by_hand = RwSignal::new(None::<String>);
    let store = expect_context::<Store>();
    Effect::new(move |_| {
        // What was shown to be copied is of another view by now.
        store.view.track();
        by_hand.set(None);
    });
    let copy = move |_| {
        leptos::task::spawn_local(async move {
            let text = text.run(());
            if platform::copy(&text).await {
                by_hand.set(None);
                said.set("Copied");
                platform::sleep(2000).await;
                // The page may have gone elsewhere meanwhile.
                let _ = said.try_set("");
            } else {
                by_hand.set(Some(text));
            }
        });
    };
    view! {
        <button
            type="button"
            class=if solid { "solid" } else { "quiet" }
            data-testid=hook
            aria-label=format!("{label}: {}", what.to_lowercase())
            on:click=copy
        >
            {move || if said.get().is_empty() { label } else { said.get() }}
        </button>
        <span class="hidden" role="status">
            {move || if said.get().is_empty() { String::new() } else { format!("{what} is copied") }}
        </span>
        {move || {
            by_hand
                .get()
                .map(|text| {
                    view! {
                        <label class="by-hand">
                            "The browser does not let this page copy. Copy it from here:"
                            <input
                                type="text"
                                readonly
                                prop:value=text
                                on:focus=move |event| platform::select_text(&event)
                            />
                        </label>
                    }
                })
        }}
    }
}
