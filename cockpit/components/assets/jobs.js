// Runs under way with how far they are, and below them the form that starts another.
//
// Asked for every two seconds while anything runs, else every ten; never while the tab is hidden. When a run came or
// ended the page's script is told once, and draws its tables anew.
import { post } from "./command.js";
import { Form } from "./form.js";
import { component, make, query, say, setAttribute, setText } from "./live.js";

const RUNNING_MS = 2000;
const IDLE_MS = 10_000;
const PATIENCE_MS = 8000;

class Jobs {
  constructor(root, data, trigger) {
    this.data = data;
    this.trigger = trigger;
    this.told = data.version;
    this.rows = new Map();
    this.box = make("section", "jobs");
    this.list = make("div", "running");
    this.list.setAttribute("role", "status");
    this.box.append(this.list);
    if (data.form) this.form = new Form(this.box, data, { send: (path, body) => this.send(path, body), sent: () => this.ask() });
    root.append(this.box);
    this.onShown = () => this.ask();
    document.addEventListener("visibilitychange", this.onShown);
    this.ask();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.form?.stop();
    document.removeEventListener("visibilitychange", this.onShown);
  }

  update(data, trigger) {
    this.data = data;
    this.trigger = trigger;
    this.told = data.version;
    this.form?.update(data);
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.stopped || document.hidden) return;
    if (this.asking) {
      this.anew = true;
      return;
    }
    this.asking = true;
    this.anew = false;
    let busy = this.rows.size > 0;
    try {
      const answer = await fetch(`/api/runs/live?${query(this.data)}&kind=${this.data.kind}`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.ok && !this.stopped) {
        const live = await answer.json();
        this.draw(live);
        busy = live.runs.length > 0 || live.jobs.some((job) => job.running);
        if (live.version !== this.told) {
          this.told = live.version;
          this.trigger("changed", live.version);
        }
      }
    } catch {
      // The light says that the server is gone.
    }
    this.asking = false;
    if (!this.stopped) this.timer = setTimeout(() => this.ask(), this.anew ? 0 : busy ? RUNNING_MS : IDLE_MS);
  }

  draw(live) {
    const used = new Set();
    for (const run of live.runs) {
      used.add(run.run_id);
      const row = this.row(run.run_id);
      setText(row.name, run.title);
      setText(row.text, run.text);
      setText(row.aside, run.aside);
      setText(row.pct, run.pct ?? "");
      setAttribute(row.bar, "value", run.done);
      setAttribute(row.bar, "aria-label", run.title);
      row.bar.hidden = false;
      row.said.hidden = true;
      row.cancel.hidden = !this.data.may_act;
      row.cancel.onclick = () => this.cancel(row, { kind: this.data.kind, run_id: run.run_id });
    }
    for (const job of live.jobs) {
      const key = `#${job.number}`;
      used.add(key);
      const row = this.row(key);
      setText(row.name, job.head);
      setText(row.said, job.said.join("\n"));
      row.said.hidden = job.said.length === 0;
      row.bar.hidden = true;
      setAttribute(row.row, "data-failed", job.running ? null : "");
      row.cancel.hidden = !job.running || !this.data.may_act;
      row.cancel.onclick = () => this.cancel(row, { kind: this.data.kind, job: job.number });
    }
    for (const [key, row] of this.rows) {
      if (used.has(key)) continue;
      row.row.remove();
      this.rows.delete(key);
    }
  }

  row(key) {
    let row = this.rows.get(key);
    if (row) return row;
    row = { row: make("div", "run"), name: make("span", "run-name"), pct: make("span", "pct num"), bar: make("progress", "bar"), text: make("p", "text num"), aside: make("p", "muted aside num"), said: make("pre", "said"), cancel: make("button", "button", this.data.texts.cancel) };
    row.bar.max = 1;
    row.cancel.type = "button";
    const head = make("div", "run-head");
    head.append(row.name, row.pct, row.cancel);
    row.row.append(head, row.bar, row.text, row.aside, row.said);
    this.rows.set(key, row);
    this.list.append(row.row);
    return row;
  }

  async cancel(row, body) {
    row.cancel.disabled = true;
    setText(row.cancel, this.data.texts.ending);
    const trouble = await this.send("/api/runs/cancel", body);
    if (trouble) {
      setText(row.aside, trouble.error);
      row.cancel.disabled = false;
      setText(row.cancel, this.data.texts.cancel);
    }
    this.ask();
  }

  // What went wrong: `error` as text, and of a form the field or the `faults`; null where all went well.
  async send(path, body) {
    try {
      const answer = await post(path, this.data, JSON.stringify(body));
      const told = await answer.json().catch(() => ({}));
      return answer.ok ? null : { ...told, error: told.error ?? say(this.data.texts, "answered", { status: answer.status }) };
    } catch {
      return { error: this.data.texts.no_answer };
    }
  }
}

export function run(context) {
  return component(context, {
    mount: ({ parentElement, data, setTriggerValue }) => new Jobs(parentElement.querySelector(".bf"), data, setTriggerValue),
    update: (jobs, { data, setTriggerValue }) => jobs.update(data, setTriggerValue),
  });
}
