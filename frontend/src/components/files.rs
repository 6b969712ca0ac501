//! The button that asks for files of this device.

use crate::platform::LocalFile;
use leptos::prelude::*;

/// A file field that looks like a button.
#[component]
pub fn FileButton(
    /// Id of the field, and its test hook.
    id: &'static str,
    /// What stands on it.
    label: &'static str,
    /// The endings that are offered; all if none is said.
    #[prop(optional)]
    accept: &'static str,
    /// Several may be chosen at once.
    #[prop(optional)]
    several: bool,
    /// A folder is chosen, with all that is in it.
    #[prop(optional)]
    folder: bool,
    /// Takes the files, and the name of their folder if one was chosen.
    take: impl Fn(Option<String>, Vec<LocalFile>) + 'static,
) -> impl IntoView {
    view! {
        <label class="button" for=id>
            <input
                class="hidden"
                type="file"
                id=id
                data-testid=id
                accept=accept
                multiple=several
                prop:webkitdirectory=folder
                on:change=move |event| {
                    let (folder, files) = LocalFile::chosen(&event);
                    take(folder, files);
                }
            />
            {label}
        </label>
    }
}
