//! Starts the page.

fn main() {
    tupate_frontend::start();
}
