//! The theme: the system's, or always light, or always dark.

use crate::platform;
use leptos::prelude::*;

/// Where the choice is kept. `theme.js` reads it before the first paint.
const KEY: &str = "tupate-theme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    fn kept() -> Self {
        match platform::kept(KEY).as_deref() {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::Auto,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Auto => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::Auto,
        }
    }
}

/// The button that goes through the themes.
#[component]
pub fn ThemeToggle() -> impl IntoView {
    let theme = RwSignal::new(Theme::kept());
    Effect::new(move |_| {
        let theme = theme.get();
        platform::mark_document("data-theme", (theme != Theme::Auto).then_some(theme.name()));
    });
    view! {
        <button
            type="button"
            class="quiet theme"
            data-testid="theme-toggle"
            data-value=move || theme.get().name()
            aria-label=move || {
                format!("Theme: {}. Change to {}", theme.get().name(), theme.get().next().name())
            }
            on:click=move |_| {
                theme.update(|theme| *theme = theme.next());
                platform::keep(KEY, theme.get_untracked().name());
            }
        >
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                <circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5" />
                // Half for the system's choice, empty for light, full for dark.
                <path
                    fill="currentColor"
                    d=move || match theme.get() {
                        Theme::Auto => "M8 2a6 6 0 0 1 0 12z",
                        Theme::Light => "",
                        Theme::Dark => "M8 2a6 6 0 0 1 0 12a6 6 0 0 1 0-12z",
                    }
                />
            </svg>
            <span>{move || theme.get().name()}</span>
        </button>
    }
}
