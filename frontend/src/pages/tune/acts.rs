//! What a visitor does to runs.

use super::answers::read;
use super::desk::Desk;
use crate::failure::Failure;
use crate::platform::LocalFile;
use crate::platform::server::{self, Body};
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

    /// Sends the file, if there is one, and asks for the run.
    pub fn start(self, file: Option<(LocalFile, UploadFormat)>, mut spec: NewRun) {
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
                let text = self.ask(what, "POST", &path, Body::File(&file, kind)).await?;
                spec.data = Data::Upload(read::<Upload>(&text)?.id);
            }
            let body = Body::Json(serde_json::to_string(&spec).unwrap_or_default());
            let text = self.ask("The run was not started", "POST", "api/v1/runs", body).await?;
            let run: Run = read(&text)?;
            let id = run.id.clone();
            let _ = self.runs.try_update(|runs| runs.insert(0, run));
            self.choose(Some(id));
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
            Ok(())
        });
    }

    /// Publishes a run as a zoo.
    pub fn publish(self, id: String, name: String, description: String) {
        self.act("Publishing", async move {
            let zoo = NewZoo { name, description, runs: vec![id.clone()] };
            let body = Body::Json(serde_json::to_string(&zoo).unwrap_or_default());
            let text = self.ask("The zoo was not published", "POST", "api/v1/zoos", body).await?;
            let _ = self.published.try_set(Some((id, read(&text)?)));
            Ok(())
        });
    }
}
