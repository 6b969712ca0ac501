//! Zoos in shards: in workers, by the engine, as the command line ranks them.

use crate::{fragment, sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use thirtyfour::{By, Key};
use tupate_e2e::{
    Journey, Origin, Page, Sharing, Source, State, Tolerate, import, rank, settings, shard, until,
};

/// Tasks of the zoo under test, and of each shard.
const TASKS: usize = 500;
const OF_A_SHARD: usize = 120;
/// Sources that a page draws at first.
const DRAWN: usize = 100;

/// A zoo in shards on a host of its own.
struct Hosted {
    _folder: TempDir,
    index: PathBuf,
    /// The shards' names, in order.
    shards: Vec<String>,
    origin: Origin,
}

impl Hosted {
    async fn start() -> Result<Self> {
        Self::of(&import(TASKS, 24, 3)?, OF_A_SHARD).await
    }

    async fn of(zoo: &[u8], tasks: usize) -> Result<Self> {
        let folder = shard(zoo, tasks)?;
        let index = folder.path().join("shards/index.json");
        let origin = Origin::start(Sharing::Everyone, [("index.json", fs::read(&index)?)]).await?;
        let mut shards = Vec::new();
        for file in fs::read_dir(folder.path().join("shards"))? {
            let file = file?.path();
            let name = file.file_name().and_then(|name| name.to_str()).context("a name")?;
            if name.ends_with(".safetensors") {
                origin.replace(name, fs::read(&file)?);
                shards.push(name.to_owned());
            }
        }
        shards.sort();
        Ok(Self { _folder: folder, index, shards, origin })
    }

    fn url(&self) -> String {
        self.origin.url("index.json")
    }
}

/// The sample zoo in shards, and an adapter of this device among them.
#[tokio::test]
async fn an_adapter_among_shards() -> Result<()> {
    let hosted = Hosted::of(&zoo_bytes()?, 2).await?;
    let folder = settings::run("sample_topic")?.join("late");
    let journey = Journey::start("shards-adapter", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let wish = [("zoo", &*hosted.url()), ("method", "lora.late")];
            page.load(&fragment(&wish)).await?;
            let own = page.until("the zoo's own target", |s| !s.sources.is_empty()).await?;
            let names = ["adapter_config.json", "adapter_model.safetensors", "tupate.json"];
            let files: Vec<_> =
                names.iter().map(|name| folder.join(name).display().to_string()).collect();
            page.find("adapter-files").await?.send_keys(files.join("\n")).await?;
            let target = folder.display().to_string();
            page.until_ranked(&rank(&hosted.index, &target, "lora.late", "cosine")?).await?;
            page.click("guest-close").await?;
            page.until_ranked(&own.sources).await.map(drop)
        })
        .await
}

/// What the command line says, as far as the page draws it at first.
fn expected(index: &Path, target: &str, similarity: &str) -> Result<Vec<Source>> {
    let mut sources = rank(index, target, "imported", similarity)?;
    sources.truncate(DRAWN);
    Ok(sources)
}

async fn until_text(page: &Page, hook: &str, text: &str) -> Result<()> {
    until(text, async || {
        let shown = page.find(hook).await?.text().await?;
        ensure!(shown.contains(text), "{hook} says {shown}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_zoo_in_shards_is_ranked_as_the_command_line_ranks_it() -> Result<()> {
    let hosted = Hosted::start().await?;
    let digest = sha256(&fs::read(&hosted.index)?);
    let journey = Journey::start("shards", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |journey, page| {
            page.load("").await?;
            page.open_url(&hosted.url()).await?;
            let open = |state: &State| state.sha256.as_ref() == Some(&digest);
            let state = page.until("the zoo to be open", open).await?;
            ensure!(state.target.as_deref() == Some("acceptability-000"), "{:?}", state.target);
            page.until_ranked(&expected(&hosted.index, "acceptability-000", "cosine")?).await?;
            until_text(page, "beyond", "The 200 closest of 499 sources.").await?;

            // By typing: the list holds the nearest alone.
            let field = page.find("target-input").await?;
            field.click().await?;
            field.send_keys("pic-033").await?;
            let option = By::Css("[data-testid='target-option'][data-task='topic-033']");
            until("the task to be found", async || Ok(page.browser().find(option.clone()).await?))
                .await?;
            page.press(Key::Enter).await?;
            let taken = |state: &State| state.fragment.contains("target=topic-033");
            page.until("the target to be taken", taken).await?;
            page.until_ranked(&expected(&hosted.index, "topic-033", "cosine")?).await?;
            page.click("similarity-centred").await?;
            let centred = expected(&hosted.index, "topic-033", "centred")?;
            let state = page.until_ranked(&centred).await?;
            let link = state.fragment.trim_start_matches('#').to_owned();

            // The link shows the same to somebody else, the back button what was before.
            let other = journey.another_browser().await?;
            other.load(&link).await?;
            let same = other.until_ranked(&centred).await;
            other.into_browser().quit().await?;
            same?;
            page.read::<Value>("history.back(); return null", Vec::new()).await?;
            let back = |state: &State| state.target.as_deref() == Some("acceptability-000");
            page.until("the target before", back).await?;
            page.until_ranked(&expected(&hosted.index, "acceptability-000", "cosine")?).await?;

            // The nearest as a map.
            page.visit("map", &link).await?;
            let left_out = format!("has {} tasks more", TASKS - 201);
            until_text(page, "left-out", &left_out).await
        })
        .await
}

#[tokio::test]
async fn both_engines_answer_alike() -> Result<()> {
    let hosted = Hosted::start().await?;
    let journey = Journey::start("engines", &[]).await?;
    let bytes: Vec<u8> = fs::read(&hosted.index)?;
    let index: Value = serde_json::from_slice(&bytes)?;
    let question = json!({ "Total": { "set": index["embeddings"][0]["key"] } });
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let values = vec![
                json!(hosted.url()),
                json!(hosted.origin.url(&hosted.shards[0])),
                json!(hosted.shards[0]),
                json!(question.to_string()),
            ];
            let answers = page.browser().execute_async(ENGINES, values).await?;
            let answers: Vec<Value> = answers.convert()?;
            let [kind, plain, relaxed] = &answers[..] else {
                anyhow::bail!("not three answers: {answers:?}")
            };
            // Any Chromium of these years.
            ensure!(kind == "relaxed", "the browser's engine is {kind}");
            ensure!(plain == relaxed, "the engines differ");
            ensure!(plain.as_str().is_some_and(|p| p.contains("\"rows\":120")), "{plain}");
            Ok(())
        })
        .await
}

/// What kind the worker takes, and what both engines answer.
const ENGINES: &str = "
    const [index, shard, file, question, done] = arguments;
    (async () => {
        const place = JSON.parse(document.getElementById('engine').textContent);
        const worker = new Worker(place, { type: 'module' });
        const kind = await new Promise((resolve) => {
            worker.onmessage = ({ data }) => resolve(data.value);
            worker.postMessage({ id: 1, call: 'kind', with: [] });
        });
        worker.terminate();
        const script = await (await fetch(place)).text();
        const bytes = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
        const answers = [];
        for (const kind of ['simd', 'relaxed']) {
            const name = script.match(new RegExp(`engine-${kind}-[0-9a-f]+\\\\.js`))[0];
            const module = await import(new URL(name, new URL(place, location.href)));
            await module.default();
            const engine = new module.Engine(await bytes(index));
            engine.open(file, await bytes(shard));
            answers.push(engine.ask(question));
        }
        return [kind, ...answers];
    })().then(done, (error) => done([String(error)]));";

#[tokio::test]
async fn a_shard_that_is_damaged_or_missing_is_named() -> Result<()> {
    let hosted = Hosted::start().await?;
    let name = &hosted.shards[2];
    let journey = Journey::start("bad-shards", &[]).await?;
    let host = hosted.origin.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let refused = async |page: &Page, says: &str| -> Result<()> {
        page.load(&fragment(&[("zoo", &hosted.url())])).await?;
        let told = |state: &State| {
            let error = state.error.as_deref().unwrap_or_default();
            error.contains(&**name) && error.contains(says)
        };
        page.until("the shard to be named", told).await.map(drop)
    };
    journey
        .travel(Tolerate::Host(host), async |_, page| {
            let sound = fs::read(hosted.index.with_file_name(name))?;
            let mut flipped = sound.clone();
            *flipped.last_mut().context("an empty shard")? ^= 1;
            hosted.origin.replace(name, flipped);
            refused(page, "sha256").await?;
            hosted.origin.replace(name, sound[..sound.len() - 8].to_vec());
            refused(page, "broke off").await?;
            hosted.origin.replace(name, [&sound[..], b"12345678"].concat());
            refused(page, "the index says").await?;
            hosted.origin.remove(name);
            refused(page, "404").await?;
            // Mended, it opens.
            hosted.origin.replace(name, sound);
            page.load(&fragment(&[("zoo", &hosted.url()), ("target", "emotion-003")])).await?;
            page.until_ranked(&expected(&hosted.index, "emotion-003", "cosine")?).await.map(drop)
        })
        .await
}

#[tokio::test]
async fn what_a_link_wants_of_shards_and_cannot_have_is_said() -> Result<()> {
    let hosted = Hosted::start().await?;
    let journey = Journey::start("shards-links", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load(&fragment(&[("zoo", &hosted.url()), ("target", "nobody")])).await?;
            let told = |state: &State| {
                state.error.as_ref().is_some_and(|error| error.contains("no task nobody"))
            };
            page.until("the missing target to be named", told).await?;
            // Another file than the link was made from.
            let other = "ab".repeat(32);
            page.load(&fragment(&[("zoo", &hosted.url()), ("sha256", &other)])).await?;
            let doubt = |state: &State| state.notice.is_some() && state.sources.is_empty();
            page.until("the doubt to be shown", doubt).await.map(drop)
        })
        .await
}
