//! What a visitor does to runs.

use super::answers::read;
use super::desk::Desk;
use super::form::method_label;
use crate::failure::Failure;
use crate::pages::Turn;
use crate::platform::server::{self, Body};
use crate::platform::{self, LocalFile};
use crate::state::Store;
use leptos::prelude::*;
use leptos::task::spawn_local;
use tupate_api::{Data, NewRun, NewZoo, Run, Upload, UploadFormat};

impl Desk {
    /// Does one thing at a time, and says what went wrong.
    fn act(self, what: &'static str, work: impl Future<Output = Result<(), Failure>> + 'static) {
        if self.busy.get_untracked().is_some() {
            return;
        }
        self.busy.set(Some(what));
        self.failure.set(None);
        spawn_local(async move {
            if let Err(failure) = work.await {
                let _ = self.failure.try_set(Some(failure));
            }
            let _ = self.busy.try_set(None);
        });
    }

    /// Sends the file, if there is one, and asks for runs on it, the first of which is shown.
    pub fn start(self, file: Option<(LocalFile, UploadFormat)>, mut specs: Vec<NewRun>) {
        self.act("Starting", async move {
            if let Some((file, format)) = file {
                let name = server::escaped(&file.name());
                let path = format!("api/v1/uploads?name={name}");
                let kind = match format {
                    UploadFormat::Csv => "text/csv",
                    UploadFormat::Tsv => "text/tab-separated-values",
                    UploadFormat::Jsonl => "application/jsonl",
                };
                let what = "The file was not taken";
                let answer = self.ask(what, "POST", &path, Body::File(&file, kind)).await?;
                let data = Data::Upload(read::<Upload>(&answer)?.id);
                specs.iter_mut().for_each(|spec| spec.data = data.clone());
            }
            let mut first = None;
            let mut outcome = Ok(());
            for spec in &specs {
                match self.ask_for(spec).await {
                    Ok(id) => drop(first.get_or_insert(id)),
                    Err(failure) => {
                        outcome = Err(failure);
                        break;
                    }
                }
            }
            if first.is_some() {
                self.choose(first);
                head("run-head").await;
            }
            outcome
        });
    }

    /// Asks for one run, whose id it gives.
    async fn ask_for(self, spec: &NewRun) -> Result<String, Failure> {
        let what = match &spec.method {
            Some(method) => format!("The run by {} was not started", method_label(method)),
            None => "The run was not started".to_owned(),
        };
        let body = Body::Json(serde_json::to_string(spec).unwrap_or_default());
        let run: Run = read(&self.ask(&what, "POST", "api/v1/runs", body).await?)?;
        let id = run.id.clone();
        let _ = self.runs.try_update(|runs| runs.insert(0, run));
        Ok(id)
    }

    /// Ranks a task by finished runs, of which the first is the one that is shown, and turns
    /// to that page.
    pub fn rank(self, store: Store, turn: Turn, runs: Vec<String>) {
        self.act("Ranking", async move {
            let mut zoos = Vec::new();
            for id in runs {
                let path = format!("api/v1/runs/{id}/zoo");
                zoos.push(self.ask("The run was not ranked", "GET", &path, Body::None).await?);
            }
            let no_part = || Failure::no_part("Ranking");
            let adapters = (store.later.guest)().await.ok_or_else(no_part)?;
            (adapters.rank_runs)(store, zoos).await.ok_or_else(no_part)??;
            if !self.is_gone() {
                turn.to("");
                platform::sleep(0).await;
                platform::focus("answer-head");
            }
            Ok(())
        });
    }

    /// `cancel`, `finish` or `resume`.
    pub fn tell(self, id: String, what: &'static str) {
        self.act("Telling the run", async move {
            let path = format!("api/v1/runs/{id}/{what}");
            let text = self.ask("The run did not take it", "POST", &path, Body::None).await?;
            let run: Run = read(&text)?;
            let _ = self.runs.try_update(|runs| {
                if let Some(place) = runs.iter_mut().find(|known| known.id == run.id) {
                    *place = run;
                }
            });
            // The stream ended when the run came to rest.
            if what == "resume" && !self.is_gone() {
                self.listen(id);
            }
            Ok(())
        });
    }

    /// Removes a run.
    pub fn remove(self, id: String) {
        self.act("Deleting", async move {
            let path = format!("api/v1/runs/{id}");
            self.ask("The run was not deleted", "DELETE", &path, Body::None).await?;
            let _ = self.runs.try_update(|runs| runs.retain(|run| run.id != id));
            self.choose(None);
            head("new-run-head").await;
            Ok(())
        });
    }

    /// Publishes runs as a zoo, which is shown with the run of this id.
    pub fn publish(self, id: String, name: String, runs: Vec<String>) {
        self.act("Publishing", async move {
            let zoo = NewZoo { name, description: String::new(), runs };
            let body = Body::Json(serde_json::to_string(&zoo).unwrap_or_default());
            let text = self.ask("The zoo was not published", "POST", "api/v1/zoos", body).await?;
            let _ = self.published.try_set(Some((id, read(&text)?)));
            Ok(())
        });
    }
}

/// Moves the focus to the heading of what takes another's place; it is drawn first.
async fn head(id: &str) {
    platform::sleep(0).await;
    platform::focus(id);
}
