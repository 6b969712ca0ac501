//! A real server on a free port, asked as its clients ask; one module a subject.

mod access;
mod api;
mod finish;
mod fuzzed;
mod kills;
mod limits;
mod live;
mod page;
mod publish;
mod runs;
mod scripted;
mod site;
mod start;
mod stores;
mod support;
mod uploads;
mod zoos;
