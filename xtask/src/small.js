
let all;
async function small(start, end) {
    all ??= fetch(new URL("./SMALL_FILE", import.meta.url)).then((answer) => {
        if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}`);
        return answer.arrayBuffer();
    });
    try {
        return new Response((await all).slice(start, end), { headers: { "content-type": "application/wasm" } });
    } catch (error) {
        all = undefined;
        throw error;
    }
}
