// Talking to the server: one request at a time, in order, again until it is on the disk.

const RETRY_MS = 1000;
const PATIENCE_MS = 15000;
const AT_ONCE = 100;

let token = "";
const waiting = [];
let sending = false;
let tell = () => {};

/** What the server says at an address; throws what it has against it. */
export async function get(address) {
  const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  const found = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : {};
  if (answer.ok) return found;
  throw new Refusal(answer.status, found.error);
}

export class Refusal extends Error {
  constructor(status, message) {
    super(message ?? (status === 401 ? "Open the address that `sur review` printed last." : `The server answers ${status}.`));
    this.status = status;
  }
}

/** What the page needs once; also asked for anew after a restart, whose token may be another. */
export async function session() {
  const found = await get("/api/session");
  token = found.token;
  return found;
}

export function items(filter, order, start, count) {
  return get(`/api/items?${new URLSearchParams({ filter, order, start, count })}`);
}

/** Called with {waiting, failed, progress, refused, lost} whenever something changes. */
export function whenSaved(callback) {
  tell = callback;
}

export function unsaved() {
  return waiting.length;
}

/** Save answers; they wait here until the server says that they are on the disk. */
export function save(answers) {
  waiting.push(...answers);
  tell({ waiting: waiting.length });
  if (!sending) send();
}

async function send() {
  sending = true;
  let most = AT_ONCE;
  while (waiting.length) {
    const some = waiting.slice(0, most);
    try {
      const progress = await post(some);
      waiting.splice(0, some.length);
      tell({ waiting: waiting.length, progress });
    } catch (error) {
      const refused = error instanceof Refusal ? error.message : "";
      const wrong = error instanceof Refusal && error.status === 400; // asking again would not help
      if (wrong && some.length > 1) most = 1; // the others are good
      else if (wrong) waiting.splice(0, 1);
      tell({ waiting: waiting.length, failed: true, refused, lost: wrong && some.length === 1 });
      if (wrong) continue;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      await session().catch(() => {});
    }
  }
  sending = false;
}

async function post(answers) {
  const answer = await fetch("/api/answers", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Review-Token": token },
    body: JSON.stringify({ answers }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const found = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : {};
  if (!answer.ok) throw new Refusal(answer.status, found.error);
  return found;
}
