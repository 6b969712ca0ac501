//! `/api/v1/uploads`: data to tune on.

use super::{Id, NOT_STORED, fields, page_size, text};
use crate::access::Caller;
use crate::artefacts::Receiving;
use crate::body::{Inflow, media_type, refuse_declared};
use crate::ids::UploadId;
use crate::problem::Failure;
use crate::routes::Shared;
use crate::runs::{Inner, off_thread};
use crate::store::{Owner, now};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Multipart, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use std::sync::Arc;
use tupate_api::{Problem, Scope, Upload, UploadFormat, Uploads};

/// How a body that is not multipart is called.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The file's name, with or without its ending.
    name: Option<String>,
}

const TAKES: &str = "text/csv, text/tab-separated-values or application/jsonl, or \
                     multipart/form-data with a part `file` whose name ends in .csv, .tsv or .jsonl";

/// Sends a file to tune on: as the body itself, or as the part `file` of a form.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "uploads", operation_id = "create_upload", security(("token" = [])),
    params(Named), request_body(content = Vec<u8>, content_type = "text/csv"), responses(
    (status = 201, body = Upload, links(
        ("read_upload" = (operation_id = "read_upload", parameters(("id" = "$response.body#/id")))),
        ("delete_upload" = (operation_id = "delete_upload", parameters(("id" = "$response.body#/id")))),
    )),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    query: Result<Query<Named>, QueryRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let owner = caller.owner(Scope::Tune)?;
    let Named { name } = fields(query)?;
    let most = runs.limits.upload;
    // A form takes some bytes around the file.
    refuse_declared(&request, most.saturating_add(64 << 10)).map_err(|failure| match failure {
        Failure::BodyTooLarge(_) => Failure::BodyTooLarge(most),
        other => other,
    })?;
    let mut inflow = Inflow::new(shared.pace, most);
    let media_type = media_type(&request);
    let (kept, name, bytes) = if media_type == "multipart/form-data" {
        let unreadable = |e: &dyn std::error::Error| Failure::BodyBroken(e.to_string());
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|e| Failure::BodyBroken(e.body_text()))?;
        let mut part = loop {
            let next = tokio::time::timeout(shared.pace.patience, form.next_field()).await;
            match next.map_err(|_| Failure::BodyTooSlow)?.map_err(|e| unreadable(&e))? {
                None => return Err(Failure::MediaType(TAKES)),
                Some(part) if part.name() == Some("file") => break part,
                // Its content is read past with the next call.
                Some(_) => {}
            }
        };
        let file_name = part.file_name().unwrap_or_default().to_owned();
        let (stem, ending) = file_name.rsplit_once('.').unwrap_or((&file_name, ""));
        let format = UploadFormat::of_ending(ending).ok_or(Failure::MediaType(TAKES))?;
        let mut kept = Kept::begin(runs, format).await?;
        while let Some(bytes) = inflow.next(part.next()).await? {
            kept.take(bytes).await?;
        }
        (kept, name.unwrap_or_else(|| stem.to_owned()), inflow.taken())
    } else {
        let format = UploadFormat::of_media_type(&media_type).ok_or(Failure::MediaType(TAKES))?;
        let mut kept = Kept::begin(runs, format).await?;
        let mut body = request.into_body().into_data_stream();
        while let Some(bytes) = inflow.next(body.next()).await? {
            kept.take(bytes).await?;
        }
        (kept, name.unwrap_or_default(), inflow.taken())
    };
    let uploading = runs.uploading.lock().await;
    let id = kept.finish().await?;
    let upload = Upload {
        id: id.to_string(),
        format: id.format(),
        name: plain(&name, id.format()),
        bytes,
        created: now(),
    };
    let upload = runs.store.add_upload(upload, &owner).await?;
    drop(uploading);
    let location = HeaderValue::from_str(&format!("/api/v1/uploads/{}", upload.id))
        .map_err(|_| Failure::Panicked)?;
    let headers = [NOT_STORED, (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, Json(upload)).into_response())
}

/// A name for people, and for a task's id: no path, and no ending.
fn plain(name: &str, format: UploadFormat) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.strip_suffix(&format!(".{}", format.ending())).unwrap_or(name);
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' })
        .take(100)
        .collect();
    match name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()) {
        "" => "upload".to_owned(),
        name => name.to_owned(),
    }
}

/// An upload on its way to the disk, written off the async threads.
struct Kept(Option<Box<dyn Receiving>>);

impl Kept {
    async fn begin(runs: &Inner, format: UploadFormat) -> Result<Self, Failure> {
        let artefacts = Arc::clone(&runs.artefacts);
        Ok(Self(Some(off_thread(move || artefacts.receive(format)).await?)))
    }

    async fn take(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let mut receiving = self.0.take().ok_or(Failure::Panicked)?;
        let receiving = off_thread(move || receiving.take(&bytes).map(|()| receiving)).await?;
        self.0 = Some(receiving);
        Ok(())
    }

    async fn finish(self) -> Result<UploadId, Failure> {
        let receiving = self.0.ok_or(Failure::Panicked)?;
        Ok(off_thread(move || receiving.finish()).await?)
    }
}

/// Which uploads to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Those older than the upload with this id.
    before: Option<String>,
    /// At most this many.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What one has sent, newest first.
#[utoipa::path(get, path = "/api/v1/uploads", tag = "uploads", operation_id = "list_uploads", security(("token" = [])),
    params(Page), responses(
    (status = 200, body = Uploads),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let owner = caller.owner(Scope::Tune)?;
    let Page { before, limit } = fields(query)?;
    let limit = page_size(limit)?;
    let before = match before {
        None => None,
        Some(id) => Some(known(runs, &id, Some(&owner)).await?.0),
    };
    let mut uploads = runs.store.uploads_of(&owner, before.as_ref(), limit + 1).await?;
    let more = uploads.len() > limit as usize;
    uploads.truncate(limit as usize);
    let next = uploads.last().filter(|_| more).map(|upload| upload.id.clone());
    Ok(([NOT_STORED], Json(Uploads { uploads, next })).into_response())
}

/// An upload by its id, this owner's before those of others.
async fn known(
    runs: &Inner,
    id: &str,
    owner: Option<&Owner>,
) -> Result<(UploadId, Upload), Failure> {
    let unknown = || Failure::UnknownUpload(id.to_owned());
    let parsed = UploadId::parse(id).ok_or_else(unknown)?;
    let upload = runs.store.upload(&parsed, owner).await?.ok_or_else(unknown)?;
    Ok((parsed, upload))
}

/// What is known of an upload.
#[utoipa::path(get, path = "/api/v1/uploads/{id}", tag = "uploads", operation_id = "read_upload", params(("id" = String, Path)), responses(
    (status = 200, body = Upload),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let id = text(id, Failure::UnknownUpload)?;
    let owner = caller.owner(Scope::Tune).ok();
    let (_, upload) = known(shared.runs()?, &id, owner.as_ref()).await?;
    Ok(([NOT_STORED], Json(upload)).into_response())
}

/// Removes an upload of one's own. Runs that were tuned on it keep the data.
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", tag = "uploads", operation_id = "delete_upload", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 204, description = "it is gone"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let owner = caller.owner(Scope::Tune)?;
    let id = text(id, Failure::UnknownUpload)?;
    let parsed = UploadId::parse(&id).ok_or(Failure::UnknownUpload(id))?;
    runs.remove_upload(&parsed, &owner).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_uploads_are_plain() {
        for (name, expected) in [
            ("tickets.csv", "tickets"),
            ("C:\\data\\my tickets.csv", "my-tickets"),
            ("../../etc/passwd", "passwd"),
            ("..", "upload"),
            ("", "upload"),
            ("a\r\nset-cookie: b", "a--set-cookie--b"),
            ("März.tsv", "M-rz.tsv"),
        ] {
            assert_eq!(plain(name, UploadFormat::Csv), expected);
        }
        assert!(crate::ids::is_plain_name(&plain(&"x".repeat(5000), UploadFormat::Csv)));
    }
}
