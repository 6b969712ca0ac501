// Opens the page's database while the program is on its way, and reads the zoo that it
// will ask for, as far as the address tells. `platform/database.rs` takes over.
{
    // The program starts when all is read, or after this.
    const PATIENCE_MS = 100;
    const GIVEN_UP_MS = 3000;
    const answer = (request) =>
        new Promise((resolve, reject) => {
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        });
    const open = async () => {
        // Several of these pages may lie side by side on one host, and each has its own.
        const folder = location.pathname.replace(/\/[^/]*$/, "");
        const request = indexedDB.open(`tupate${folder}`, 1);
        request.onupgradeneeded = () => {
            for (const store of ["facts", "files"]) {
                request.result.createObjectStore(store);
            }
        };
        const database = await answer(request);
        const stores = database.transaction(["facts", "files"]);
        const facts = await answer(stores.objectStore("facts").getAll());
        // The program reads again what cannot be read here, and says why.
        const first = async () => {
            const kept = facts.map((text) => JSON.parse(text));
            kept.sort((a, b) => b.opened - a.opened);
            const wanted = ({ sha256, from }) =>
                location.hash ? location.hash.includes(sha256) : from === "own";
            const key = kept.find(wanted).sha256;
            return [key, await answer(stores.objectStore("files").get(key))];
        };
        return [database, facts, ...(await first().catch(() => []))];
    };
    const after = (ms) => new Promise((go) => setTimeout(go, ms));
    // Where nothing can be kept, or nobody answers, the page goes without.
    window.kept = Promise.race([open(), after(GIVEN_UP_MS)]).catch(() => {});
    window.looked = Promise.race([window.kept, after(PATIENCE_MS)]);
}
