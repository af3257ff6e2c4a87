// One command as one POST. It depends on no script of Streamlit's and on no other element of the page.
//
// The one rule: a press has one request id, whatever becomes of it, so that a repetition is never a second command.

const PATIENCE_MS = 8000;

// Resolves to { written, trouble }: whether it is in force, and what went wrong as text (null: nothing). Never throws.
export async function give(name, data) {
  const texts = data.texts;
  const said = (error) => ({ written: false, trouble: fill(texts.not_written, { command: name, error }) });
  const body = JSON.stringify({ id: requestId() });
  try {
    const answer = await post(`/api/control/${name}`, data, body);
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) return said(told.error ?? fill(texts.answered, { status: answer.status }));
    const trouble = told.warning ? fill(texts.unaudited, { command: name, error: told.warning }) : null;
    return { written: true, trouble };
  } catch {
    return said(texts.no_answer);
  }
}

// One POST of a body in JSON with this session's token. Throws where nobody answers.
export async function post(path, data, body) {
  const answer = await send(path, data, body);
  if (answer.status !== 401 && answer.status !== 403) return answer;
  // The server may have been restarted since this page was made; its new session has another token.
  return (await renew(data)) ? send(path, data, body) : answer;
}

function send(path, data, body) {
  return fetch(`${path}?desk=${encodeURIComponent(data.desk)}&lang=${data.lang}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Bifrost-Token": renewed ?? data.token ?? "" },
    body,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}

// The token of a session that began after this page was made; whether there is another one than before.
let renewed = null;

async function renew(data) {
  const answer = await fetch("/api/session", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) return false;
  const { token } = await answer.json();
  const isNew = Boolean(token) && token !== (renewed ?? data.token);
  if (isNew) renewed = token;
  return isNew;
}

// crypto.randomUUID exists on https and on this machine only.
function requestId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

export function fill(text, places) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => places[name] ?? whole);
}

// Whether the server itself answers though its stream is silent: asked once a second, only while somebody wants to know.
class Probe {
  constructor() {
    this.answers = false;
    this.asking = false;
    this.askedAt = -Infinity;
  }

  ask() {
    if (this.asking || performance.now() - this.askedAt < 1000) return this.answers;
    this.asking = true;
    this.askedAt = performance.now();
    fetch("/api/health", { cache: "no-store", signal: AbortSignal.timeout(900) })
      .then((answer) => (this.answers = answer.ok))
      .catch(() => (this.answers = false))
      .finally(() => (this.asking = false));
    return this.answers;
  }
}

export const probe = new Probe();
