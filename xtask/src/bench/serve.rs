//! A zoo's file over loopback while a run is tuned, beside nginx with the same file.

use crate::{context::Context, program, steps::Steps, tools};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Rounds of both servers, one after the other.
const ROUNDS: usize = 4;
/// How the file is asked for.
const LOAD: &[&str] = &["-t1", "-c16", "-d8s", "--latency"];
/// The zoo: so many vectors of so many numbers, stored in two bytes each.
const SHAPE: (usize, usize) = (1000, 1024);
/// The most that the run takes of the machine.
const THREADS: &str = "1";

/// Measures both in turns; a table in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    let mut tools = None;
    steps.take("nginx and wrk", || {
        let found = tools::for_serving(context)?;
        let note = format!("{}, {}", found.nginx.display(), found.wrk.display());
        tools = Some(found);
        Ok(note)
    })?;
    let tools = tools.context("they were found")?;
    program::build(context, steps)?;
    let folder = context.target.join("xtask/bench-serve");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let zoo = folder.join("files/zoos/bench.safetensors");
    let mut bytes = 0;
    steps.take("zoo", || {
        bytes = make_zoo(context, &folder, &zoo)?;
        Ok(format!("{bytes} bytes"))
    })?;
    let nginx = nginx(&tools.nginx, &folder)?;
    let mut tupate = None;
    steps.take("server with a run", || {
        let (server, note) = Tupate::start(context, &folder, &zoo)?;
        tupate = Some(server);
        Ok(note)
    })?;
    let tupate = tupate.context("it was started")?;
    let path = "zoos/bench.safetensors";
    let (mut table, before) = (String::new(), tupate.steps()?);
    writeln!(
        table,
        "| round | tupate, requests/s | p99 | nginx, requests/s | p99 | ratio |\n\
         |--:|--:|--:|--:|--:|--:|"
    )?;
    let mut sums = [0.0; 2];
    for round in 1..=ROUNDS {
        steps.take(&format!("round {round}"), || {
            let own = load(context, &tools.wrk, tupate.address, path)?;
            let peer = load(context, &tools.wrk, nginx.address, path)?;
            let ratio = own.0 / peer.0;
            writeln!(
                table,
                "| {round} | {:.0} | {} | {:.0} | {} | {ratio:.2} |",
                own.0, own.1, peer.0, peer.1
            )?;
            sums = [sums[0] + own.0, sums[1] + peer.0];
            Ok(format!("{ratio:.2} of nginx"))
        })?;
    }
    let steps_taken = tupate.steps()? - before;
    ensure!(steps_taken > 0, "the run took no step: nothing was trained beside");
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split_whitespace().next().unwrap_or("unknown").to_owned();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    writeln!(
        table,
        "\nA file of {bytes} bytes; all rounds together {:.2} of nginx. Meanwhile the run took \
         {steps_taken} steps. {cores} cores, with a load of {busy} at the end, this benchmark's \
         own included.",
        sums[0] / sums[1]
    )?;
    Ok(table)
}

/// Requests a second, and the time within which 99 % were answered.
fn load(context: &Context, wrk: &Path, address: SocketAddr, path: &str) -> Result<(f64, String)> {
    let command = context.command(wrk, LOAD).arg(format!("http://{address}/{path}")).quiet();
    let said = command.read()?;
    ensure!(!said.contains("Non-2xx"), "not every request was answered with the file:\n{said}");
    measured(&said).with_context(|| format!("wrk says no figures:\n{said}"))
}

fn measured(said: &str) -> Option<(f64, String)> {
    let after = |mark: &str| {
        said.lines().find_map(|line| Some(line.trim().strip_prefix(mark)?.trim().to_owned()))
    };
    Some((after("Requests/sec:")?.parse().ok()?, after("99%")?))
}

/// Vectors of numbers, packed as a zoo that others made would be; its size.
fn make_zoo(context: &Context, folder: &Path, zoo: &Path) -> Result<u64> {
    let vectors = folder.join("vectors");
    for place in [vectors.as_path(), zoo.parent().context("it lies in a folder")?] {
        fs::create_dir_all(place).with_context(|| format!("cannot create {}", place.display()))?;
    }
    let (tasks, numbers) = SHAPE;
    // The header of NumPy's format, version 1.0, padded so that the data begins at 128.
    let head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({numbers},), }}");
    let head = format!("{head:<117}\n");
    for task in 0..tasks {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend(u16::try_from(head.len())?.to_le_bytes());
        file.extend(head.as_bytes());
        for i in 0..numbers {
            file.extend((((task * 31 + i * 17) % 997) as f32 / 997.0 - 0.5).to_le_bytes());
        }
        fs::write(vectors.join(format!("task-{task:04}.npy")), file)?;
    }
    context
        .command(program::path(context), ["zoo", "import-npy"])
        .arg(&vectors)
        .args(["--dtype", "f16", "--out"])
        .arg(zoo)
        .quiet()
        .ignore_stdout()
        .run()?;
    Ok(fs::metadata(zoo)?.len())
}

/// A process that is ended with this.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nginx with the files, as fast as it goes.
fn nginx(program: &Path, folder: &Path) -> Result<Running> {
    // Free a moment ago, and most likely still.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let root = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|of| format!("{of}_temp_path {root}/nginx-{of};"))
        .concat();
    let configuration = format!(
        "daemon off; master_process off; worker_processes 1; pid {root}/nginx.pid; \
         error_log {root}/nginx.log;\nevents {{ worker_connections 1024; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; \
         open_file_cache max=16; {temporary} \
         server {{ listen {address}; root {root}/files; }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new(program);
    let child = command.arg("-c").arg(&file).stderr(Stdio::null()).spawn()?;
    let running = Running { child, address };
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(began.elapsed() < Duration::from_secs(10), "nginx does not answer");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(running)
}

/// The server with a run that is being tuned.
struct Tupate {
    process: Running,
    address: SocketAddr,
    run: String,
}

impl Tupate {
    fn start(context: &Context, folder: &Path, zoo: &Path) -> Result<(Self, String)> {
        let (program, data) = (program::path(context), folder.join("state"));
        context.command(&program, ["encoder", "pull", "minilm"]).quiet().ignore_stdout().run()?;
        let create = ["token", "create", "--name", "bench", "--data"];
        let token = context.command(&program, create).arg(&data).quiet().read()?;
        let mut command = Command::from(
            context
                .command(&program, ["serve", "--listen", "127.0.0.1:0", "--worker", "cpu"])
                .args(["--threads", THREADS, "--encoder", "minilm", "--data"])
                .arg(&data)
                .arg("--zoo")
                .arg(zoo),
        );
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("it has an output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let host = line.trim().trim_start_matches("http://").trim_end_matches('/');
        let address: SocketAddr = host.parse().context("the server does not say where it is")?;
        let process = Running { child, address };
        // Longer than all rounds take.
        let spec = json!({
            "data": { "task": "sample_topic" }, "epochs": 1000, "learning_rates": [1e-4],
        });
        let run = ask(address, "POST", "/api/v1/runs", token.trim(), &spec.to_string())?;
        let run = run["id"].as_str().with_context(|| format!("no run: {run}"))?.to_owned();
        let tupate = Self { process, address, run };
        let began = Instant::now();
        while tupate.steps()? == 0 {
            ensure!(began.elapsed() < Duration::from_secs(120), "the run does not begin");
            thread::sleep(Duration::from_millis(200));
        }
        Ok((tupate, "training".to_owned()))
    }

    /// Steps that the run has taken.
    fn steps(&self) -> Result<u64> {
        let run = ask(self.process.address, "GET", &format!("/api/v1/runs/{}", self.run), "", "")?;
        ensure!(
            ["queued", "running"].iter().any(|state| run["state"] == *state),
            "the run is not tuned: {run}"
        );
        Ok(run["progress"]["step"].as_u64().unwrap_or_default())
    }
}

/// One request of the API.
fn ask(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    let authorization = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{authorization}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((_, body)) => serde_json::from_str(body).context("the answer is not JSON"),
        None => bail!("the server does not answer {method} {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_wrk_are_read() {
        let said = "Running 8s test\n  Latency Distribution\n     50%   14.44ms\n     \
                    99%   67.21ms\n  8123 requests in 8.00s, 15.9GB read\nRequests/sec:   \
                    1014.98\nTransfer/sec:      1.99GB\n";
        assert_eq!(measured(said), Some((1014.98, "67.21ms".to_owned())));
        assert_eq!(measured("unable to connect"), None);
    }
}
