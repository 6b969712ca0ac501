// Keeps the page's own files, so that it opens without a network. Zoos are kept by the
// page itself; whatever else is asked for goes its way untouched.

// Several of these pages may lie side by side on one host: each keeps its own.
const SHELL = `tupate-shell${new URL(self.registration.scope).pathname.replace(/\/$/, "")}`;
// Longer than this, nobody should look at nothing where a copy is at hand.
const PATIENCE_MS = 2500;
// Names that change with their content; leading zeros of the number are not written.
const HASHED = /-[0-9a-f]{8,16}(?:_bg)?\.[a-z0-9]+$/;

const page = () => new URL("./", self.registration.scope).href;

// The files that a page names and whose names change with their content.
function named(html) {
    const quoted = [...html.matchAll(/["']([^"'\s]+)["']/g)].map((match) => match[1]);
    const names = quoted.filter((text) => HASHED.test(text));
    return new Set(names.map((name) => new URL(name, page()).href));
}

// Keeps a page with its files. Those of the page before stay: a tab may still show it.
async function keep(response) {
    const cache = await caches.open(SHELL);
    const before = await cache.match(page());
    const old = before ? named(await before.text()) : new Set();
    const fresh = named(await response.clone().text());
    const there = new Set((await cache.keys()).map((request) => request.url));
    await Promise.all([...fresh].filter((file) => !there.has(file)).map((file) => cache.add(file)));
    // Last, so that a page that is kept is whole.
    await cache.put(page(), response);
    const gone = [...there].filter((file) => HASHED.test(file) && !fresh.has(file) && !old.has(file));
    await Promise.all(gone.map((file) => cache.delete(file)));
}

// The copy is shown at once, and made anew for the next visit; the page itself says when
// there is a newer one. Who reloads wants the newest.
async function open(event) {
    const kept = await caches.match(page());
    // Asked for at most the page's own path: its query is the page's affair.
    const asked = fetch(page(), { cache: "no-cache", credentials: "same-origin" });
    const answer = asked.then((response) => {
        if (response.ok) {
            event.waitUntil(keep(response.clone()).catch(() => {}));
        }
        return response;
    });
    if (!kept) {
        return answer;
    }
    if (!event.request.isReloadNavigation) {
        event.waitUntil(answer.catch(() => {}));
        return kept;
    }
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, kept));
    return Promise.race([answer.then((response) => (response.ok ? response : kept)), late]).catch(
        () => kept,
    );
}

self.addEventListener("install", (event) => {
    event.waitUntil(
        fetch(page(), { cache: "no-cache" }).then(async (response) => {
            if (!response.ok) {
                throw new Error(`the page answers with status ${response.status}`);
            }
            await keep(response);
            const cache = await caches.open(SHELL);
            await cache.addAll(["app.webmanifest", "favicon.svg"]);
            await self.skipWaiting();
        }),
    );
});

self.addEventListener("activate", (event) => {
    event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
    const url = new URL(event.request.url);
    if (event.request.method !== "GET" || url.origin !== self.location.origin) {
        return;
    }
    const path = url.origin + url.pathname;
    if (event.request.mode === "navigate") {
        if (path === page()) {
            event.respondWith(open(event));
        }
    } else if (HASHED.test(path) || /\/(app\.webmanifest|favicon\.svg)$/.test(path)) {
        event.respondWith(caches.match(event.request).then((kept) => kept ?? fetch(event.request)));
    }
});
