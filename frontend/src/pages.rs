//! The pages. A new one is a file beside [`rank`] and a row in [`PAGES`].
//!
//! The page is chosen by the address's query (`?page=SLUG`): its fragment
//! belongs to the view of the zoo, and paths would ask every file host to answer
//! addresses that are no files.

pub mod lab;
pub mod library;
pub mod map;
pub mod rank;
pub mod tune;

use crate::later::{Coming, Draw, Later};
use crate::platform;
use crate::state::Store;
use leptos::prelude::*;

/// One page.
#[derive(Debug)]
pub struct Page {
    /// Its name in addresses; empty for the first.
    pub slug: &'static str,
    /// Its name in the navigation.
    pub nav: &'static str,
    /// What draws it.
    pub program: Program,
}

/// Where the program of a page is.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Among what every visitor gets first.
    First(Draw),
    /// In a part of its own.
    Later(fn(&Later) -> fn() -> Coming<Draw>),
}

/// Every page, in the order of the navigation. The first is shown unasked.
pub const PAGES: &[Page] = &[
    Page { slug: "", nav: "Rank sources", program: Program::First(rank::draw) },
    Page { slug: "map", nav: "Map", program: Program::Later(|later| later.map) },
    Page { slug: "lab", nav: "Lab", program: Program::Later(|later| later.lab) },
    Page { slug: "library", nav: "Library", program: Program::Later(|later| later.library) },
    Page { slug: "tune", nav: "Tune", program: Program::Later(|later| later.tune) },
];

/// The page that is shown, for what is deep inside of it and leads to another.
#[derive(Clone, Copy)]
pub struct Turn(pub RwSignal<&'static Page>);

impl Turn {
    /// Turns to another page of the same zoo; to the first, if there is none of this name.
    pub fn to(self, slug: &str) {
        turn(self.0, Page::in_query(&format!("page={slug}")));
    }
}

/// Turns to a page, so that the browser's back button leads to the one before.
pub fn turn(shown: RwSignal<&'static Page>, page: &'static Page) {
    if shown.with_untracked(|shown| shown.slug != page.slug) {
        platform::set_address(&(page.address() + &platform::fragment()), true);
        shown.set(page);
        platform::to_top();
    }
}

impl Page {
    /// The page that an address's query asks for, or else the first.
    pub fn in_query(query: &str) -> &'static Self {
        let query = query.strip_prefix('?').unwrap_or(query);
        let slug = query.split('&').find_map(|pair| pair.strip_prefix("page="));
        PAGES.iter().find(|page| Some(page.slug) == slug).unwrap_or(&PAGES[0])
    }

    /// The page's address, relative to the site.
    pub fn address(&self) -> String {
        if self.slug.is_empty() { "./".into() } else { format!("./?page={}", self.slug) }
    }
}

/// A link to a page, with the view of the zoo as it is.
#[component]
pub fn PageLink(
    /// The page's name in addresses.
    slug: &'static str,
    /// Style.
    #[prop(optional)]
    class: &'static str,
    /// The link's text.
    children: Children,
) -> impl IntoView {
    let Turn(current) = expect_context::<Turn>();
    let store = expect_context::<Store>();
    let entry = PAGES.iter().find(|page| page.slug == slug).unwrap_or(&PAGES[0]);
    view! {
        <a
            class=class
            // In another tab, too, it leads to the view that is shown.
            href=move || {
                store.view.track();
                entry.address() + &platform::fragment()
            }
            aria-current=move || (current.get().slug == entry.slug).then_some("page")
            on:click=move |event| {
                // A new tab or window is the browser's affair.
                if event.ctrl_key() || event.meta_key() || event.shift_key() {
                    return;
                }
                event.prevent_default();
                turn(current, entry);
            }
        >
            {children()}
        </a>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_by_its_address_and_anything_else_is_the_first() {
        for page in PAGES {
            let address = page.address();
            let query = address.strip_prefix("./").unwrap();
            assert_eq!(Page::in_query(query).slug, page.slug);
        }
        for query in ["", "?", "?page=none", "?x=y&page="] {
            assert_eq!(Page::in_query(query).slug, "");
        }
    }
}
