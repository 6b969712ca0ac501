//! Files of the visitor's device.

use super::fetch::read;
use super::{Bytes, Cancel};
use crate::failure::{LARGEST_FILE, Trouble};
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileList, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry,
    HtmlInputElement,
};

/// Most files that are taken at once: no adapter has more.
const MOST_FILES: usize = 100;

/// A file that the visitor chose or dropped.
#[derive(Clone)]
pub struct LocalFile(pub(super) File);

impl LocalFile {
    /// Its name, without its folder.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.0.size() as u64
    }

    /// Whether its name is that of a table.
    pub fn is_table(&self) -> bool {
        let name = self.name().to_lowercase();
        [".csv", ".tsv", ".json", ".jsonl"].iter().any(|ending| name.ends_with(ending))
    }

    /// The files chosen in an input, which is emptied so that choosing the same ones
    /// again is noticed, and the name of their folder if one was chosen: then those that lie
    /// in it, and not in folders within it, as of one that is dropped.
    pub fn chosen(event: &web_sys::Event) -> (Option<String>, Vec<Self>) {
        let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        let Some(input) = input else { return (None, Vec::new()) };
        let mut files = all(input.files().as_ref());
        let folder = files.first().and_then(Self::path).map(|(folder, _)| folder);
        files.retain(|file| file.path().is_none_or(|(_, inside)| !inside.contains('/')));
        input.set_value("");
        (folder, files)
    }

    /// The folder that was chosen with it, and its path in that.
    fn path(&self) -> Option<(String, String)> {
        let path = Reflect::get(&self.0, &JsValue::from_str("webkitRelativePath")).ok()?;
        let path = path.as_string()?;
        path.split_once('/').map(|(folder, inside)| (folder.to_owned(), inside.to_owned()))
    }

    /// Its bytes, in the browser's hands.
    pub fn bytes(&self) -> Bytes {
        Bytes::Browser((*self.0).clone())
    }

    /// Its first bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn head(&self, most: u64) -> Result<Vec<u8>, Trouble> {
        self.bytes().head(most).await
    }

    /// Its bytes; `progress` is told how many there are so far.
    ///
    /// # Errors
    /// When it is too large, cannot be read, or reading was called off.
    pub async fn read(&self, cancel: &Cancel, progress: impl Fn(u64)) -> Result<Vec<u8>, Trouble> {
        if self.size() > LARGEST_FILE {
            return Err(Trouble::TooLarge { size: Some(self.size()) });
        }
        read(self.0.stream(), Some(self.size()), LARGEST_FILE, &cancel.signal(), progress)
            .await
            .map_err(|trouble| match trouble {
                Trouble::Broken { received } => {
                    Trouble::Unreadable(format!("reading stopped after {received} bytes."))
                }
                other => other,
            })
    }
}

fn all(files: Option<&FileList>) -> Vec<LocalFile> {
    let files =
        files.into_iter().flat_map(|files| (0..files.length()).filter_map(|at| files.get(at)));
    files.take(MOST_FILES).map(LocalFile).collect()
}

/// What was dropped on the page. A browser forgets it when the event is over: files are
/// taken at once, folders looked into afterwards.
pub struct Dropped {
    files: Vec<LocalFile>,
    folder: Option<FileSystemDirectoryEntry>,
}

impl Dropped {
    /// What an event brings.
    pub fn of(event: &web_sys::DragEvent) -> Self {
        let data = event.data_transfer();
        let items = data.as_ref().map(web_sys::DataTransfer::items);
        let entry = items.filter(|items| items.length() > 0).and_then(|items| {
            items.get(0).and_then(|item| item.webkit_get_as_entry().ok().flatten())
        });
        let folder = entry.filter(FileSystemEntry::is_directory).map(JsCast::unchecked_into);
        Self { files: all(data.and_then(|data| data.files()).as_ref()), folder }
    }

    /// The files, and the name of the folder that they lie in. Of several folders, the
    /// first is taken; folders within it are not looked into.
    pub async fn files(self) -> (Option<String>, Vec<LocalFile>) {
        let Some(folder) = self.folder else { return (None, self.files) };
        let reader = folder.create_reader();
        let mut files = Vec::new();
        // A reader gives a part at a time, and nothing at the end.
        while files.len() < MOST_FILES {
            let part = called(|done, failed| {
                let _ = reader.read_entries_with_callback_and_callback(done, failed);
            });
            let part: Array = match part.await.map(JsCast::dyn_into) {
                Some(Ok(part)) => part,
                _ => break,
            };
            if part.length() == 0 {
                break;
            }
            for entry in part.iter() {
                let Ok(entry) = entry.dyn_into::<FileSystemFileEntry>() else { continue };
                let file = called(|done, failed| {
                    entry.file_with_callback_and_callback(done, failed);
                });
                files.extend(file.await.and_then(|f| f.dyn_into().ok()).map(LocalFile));
            }
        }
        (Some(folder.name()), files)
    }
}

/// What a function of the browser's older kind calls back with; `None` if it fails.
async fn called(start: impl Fn(&Function, &Function)) -> Option<JsValue> {
    let promise = Promise::new(&mut |resolve, reject| start(&resolve, &reject));
    JsFuture::from(promise).await.ok()
}

/// Whether something dragged over the page holds files.
pub fn drags_files(event: &web_sys::DragEvent) -> bool {
    event.data_transfer().is_some_and(|data| data.types().includes(&JsValue::from_str("Files"), 0))
}

/// Whether the pointer left the page, and not only one element of it.
pub fn left_page(event: &web_sys::DragEvent) -> bool {
    event.related_target().is_none()
}
