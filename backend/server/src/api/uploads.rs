//! `/api/v1/uploads`: data to tune on.

use super::{Id, NOT_STORED, fields, page_size, text};
use crate::access::Caller;
use crate::artefacts::Receiving;
use crate::body::{Inflow, Pace, media_type, refuse_declared};
use crate::ids::UploadId;
use crate::problem::Failure;
use crate::routes::Shared;
use crate::runs::{Inner, off_thread};
use crate::store::{Owner, now};
use axum::Json;
use axum::body::{Body, Bytes};
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

/// What the parts of a form may take around the file.
const FORM: u64 = 64 << 10;

const TAKES: &str = "text/csv, text/tab-separated-values or application/jsonl, or \
                     multipart/form-data with a part `file` whose name ends in .csv, .tsv or .jsonl";

/// A file as it is.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it is in the API's description only")]
struct File(Vec<u8>);

/// A form with a file.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is in the API's description only")]
struct Form {
    /// Its name ends in `.csv`, `.tsv` or `.jsonl`.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Sends a file to tune on: as the body itself, or as the part `file` of a form.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "uploads", operation_id = "create_upload", security(("token" = [])),
    params(Named), request_body(content(
        (inline(File) = "text/csv"), (inline(File) = "text/tab-separated-values"),
        (inline(File) = "application/jsonl"), (inline(Form) = "multipart/form-data"),
    )), responses(
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
    refuse_declared(&request, most.saturating_add(FORM))
        .map_err(|failure| of_a_file(failure, most))?;
    let media_type = media_type(&request);
    let (kept, name, bytes) = if media_type == "multipart/form-data" {
        let (kept, file_name, bytes) = from_form(runs, shared.pace, request).await?;
        (kept, name.unwrap_or(file_name), bytes)
    } else {
        let format = UploadFormat::of_media_type(&media_type).ok_or(Failure::MediaType(TAKES))?;
        let mut kept = Kept::begin(runs, format).await?;
        let mut inflow = Inflow::new(shared.pace, most);
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

/// The part `file` of a form, with its name without the ending, and its bytes. All of the
/// form counts, whatever stands in front of the file: the file may come no slower for it.
async fn from_form(
    runs: &Inner,
    pace: Pace,
    request: Request,
) -> Result<(Kept, String, u64), Failure> {
    let most = runs.limits.upload;
    let (head, body) = request.into_parts();
    let (parts, refusal) = Inflow::new(pace, most.saturating_add(FORM)).through(body);
    let broken = |why: String| of_a_file(refusal.or(Failure::BodyBroken(why)), most);
    let request = Request::from_parts(head, Body::from_stream(parts));
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|e| broken(e.body_text()))?;
    let mut part = loop {
        match form.next_field().await.map_err(|e| broken(e.to_string()))? {
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
    let mut bytes = 0;
    while let Some(more) = part.chunk().await.map_err(|e| broken(e.to_string()))? {
        bytes += more.len() as u64;
        if bytes > most {
            return Err(Failure::BodyTooLarge(most));
        }
        kept.take(more).await?;
    }
    Ok((kept, stem.to_owned(), bytes))
}

/// The failure of a body whose file may have `most` bytes, with something around it.
fn of_a_file(failure: Failure, most: u64) -> Failure {
    match failure {
        Failure::BodyTooLarge(_) => Failure::BodyTooLarge(most),
        other => other,
    }
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

/// An upload by its id: this owner's, or where none is named, anybody's.
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

/// What is known of an upload of one's own; with the scope `admin`, of anybody's.
#[utoipa::path(get, path = "/api/v1/uploads/{id}", tag = "uploads", operation_id = "read_upload", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 200, body = Upload),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Id,
) -> Result<Response, Failure> {
    let runs = shared.runs()?;
    let owner = caller.owner(Scope::Tune)?;
    let id = text(id, Failure::UnknownUpload)?;
    let (_, upload) = match known(runs, &id, Some(&owner)).await {
        Err(Failure::UnknownUpload(_)) if caller.with(Scope::Admin).is_ok() => {
            known(runs, &id, None).await?
        }
        own => own?,
    };
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
