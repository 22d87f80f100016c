
// Files of several modules: a line of JSON with their names and lengths in bytes, and the modules one after another.
const bundles = new Map();

/** Loads a file of modules, once; what is in it is not loaded by itself. */
export function loadBundle(file) {
    let bundle = bundles.get(file);
    if (!bundle) {
        bundle = fetch(new URL(file, import.meta.url)).then(async (answer) => {
            if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}`);
            return modulesOf(new Uint8Array(await answer.arrayBuffer()));
        });
        bundles.set(file, bundle);
        bundle.catch(() => bundles.delete(file));
    }
    return bundle;
}

function modulesOf(bytes) {
    let end = bytes.indexOf(10);
    const list = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end++)));
    return new Map(list.map(([name, length]) => [name, bytes.subarray(end, (end += length))]));
}

/** A module, from a bundle that is loaded; otherwise from the file of the small ones, or its own. */
async function moduleOf(name, isSmall) {
    const loaded = await Promise.allSettled(bundles.values());
    const module = loaded.map((bundle) => bundle.value?.get(name)).find((module) => module)
        ?? (isSmall && (await loadBundle("./SMALL_FILE")).get(name));
    if (!module) return fetch(new URL(`./${name}`, import.meta.url));
    return new Response(module, { headers: { "content-type": "application/wasm" } });
}
