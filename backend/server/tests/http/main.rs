//! A real server on a free port, asked as its clients ask; one module a URL.

mod api;
mod limits;
mod page;
mod start;
mod support;
mod zoos;
