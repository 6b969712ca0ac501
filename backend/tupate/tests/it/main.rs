//! The binary as users and scripts meet it.

mod adapters;
mod advice;
mod baseline;
mod cli;
mod killed;
mod serve;
mod settling;
mod several;
mod shards;
mod site;
mod streams;
mod support;
mod zoos;
