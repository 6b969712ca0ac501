//! `tupate site`.

use super::{must_be_free, print, print_json};
use crate::cli::SiteArgs;
use crate::failure::Failure;
use crate::progress::say;
use serde_json::json;
use tupate_server::{Page, Site, ZooFiles};
use tupate_tuner::files::write_folder;

pub fn run(args: &SiteArgs) -> Result<(), Failure> {
    // Before anything long.
    must_be_free(&args.out)?;
    let zoos = ZooFiles::read(&args.zoo)?;
    let site = Site::of(Page::embedded_files(), &zoos).ok_or_else(|| {
        Failure::Run(
            "this program was built without its page; `cargo xtask build` builds both".into(),
        )
    })?;
    write_folder(&args.out, site.files.iter().map(|(name, content)| (&**name, &**content)))?;
    let bytes: usize = site.files.iter().map(|(_, content)| content.len()).sum();
    if args.output.json {
        return print_json(&json!({
            "out": args.out, "files": site.files.len(), "bytes": bytes, "zoos": site.zoos,
        }));
    }
    print(&format!("{}: {} files, {bytes} bytes", args.out.display(), site.files.len()))?;
    for zoo in &site.zoos {
        print(&format!(
            "  {}  {} ({} tasks, sha256 {})",
            zoo.url, zoo.name, zoo.tasks, zoo.sha256
        ))?;
    }
    say("note: put the folder on any file host, at any path");
    Ok(())
}
