// Runs under way with how far they are, and a form that starts another: one POST, no script of a page in between.
//
// Asked for every two seconds while anything runs, else every ten; never while the tab is hidden. When a run came or
// ended the page's script is told once, and draws its tables anew.
import { post } from "./command.js";
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
    if (data.form) this.buildForm();
    root.append(this.box);
    this.onShown = () => this.ask();
    document.addEventListener("visibilitychange", this.onShown);
    this.ask();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onShown);
  }

  update(data, trigger) {
    this.data = data;
    this.trigger = trigger;
    this.told = data.version;
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.stopped || document.hidden || this.asking) return;
    this.asking = true;
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
    if (!this.stopped) this.timer = setTimeout(() => this.ask(), busy ? RUNNING_MS : IDLE_MS);
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
      setText(row.aside, trouble);
      row.cancel.disabled = false;
      setText(row.cancel, this.data.texts.cancel);
    }
    this.ask();
  }

  // What went wrong as text; null where all went well.
  async send(path, body) {
    try {
      const answer = await post(path, this.data, JSON.stringify(body));
      const told = await answer.json().catch(() => ({}));
      return answer.ok ? null : (told.error ?? say(this.data.texts, "answered", { status: answer.status }));
    } catch {
      return this.data.texts.no_answer;
    }
  }

  buildForm() {
    const { form, texts } = this.data;
    const details = make("details", "form");
    details.append(make("summary", "", form.title));
    if (!this.data.may_act) {
      details.append(make("p", "muted", texts.viewer));
    }
    this.fields = new Map();
    const grid = make("form", "grid");
    for (const field of form.fields) grid.append(this.buildField(field));
    this.twin = make("code", "twin");
    const twin = make("p", "muted twin-line", texts.twin);
    twin.append(this.twin);
    this.button = make("button", "button start", form.button);
    this.button.type = "submit";
    this.button.disabled = !this.data.may_act;
    this.status = make("p", "status");
    this.status.setAttribute("role", "status");
    grid.onsubmit = (event) => {
      event.preventDefault();
      this.start();
    };
    grid.append(twin, this.button, this.status);
    details.append(grid);
    this.box.append(details);
    this.drawTwin();
  }

  buildField(field) {
    const label = make("label", "field");
    label.append(make("span", "label", field.label));
    const input = make(field.kind === "choice" ? "select" : field.kind === "lines" ? "textarea" : "input");
    input.name = field.name;
    for (const [value, words] of field.options ?? []) {
      const option = make("option", "", words);
      option.value = value;
      input.append(option);
    }
    if (field.kind === "lines") input.rows = 3;
    if (field.kind !== "choice") {
      input.spellcheck = false;
      input.autocomplete = "off";
      input.placeholder = field.example ?? "";
    }
    if (field.value !== undefined) input.value = field.value;
    input.oninput = () => this.drawTwin();
    label.append(input);
    if (field.hint) label.append(make("span", "hint muted", field.hint));
    for (const [value, words] of field.templates ?? []) {
      const fill = make("button", "template", words);
      fill.type = "button";
      fill.onclick = () => {
        input.value = value;
        this.drawTwin();
        input.focus();
      };
      label.append(fill);
    }
    this.fields.set(field.name, { field, input });
    return label;
  }

  values() {
    const found = { ...this.data.form.fixed };
    for (const [name, { field, input }] of this.fields) {
      const lines = input.value.split("\n").map((line) => line.trim()).filter(Boolean);
      found[name] = field.kind === "lines" ? lines : field.number ? Number(input.value) : input.value.trim();
    }
    return found;
  }

  drawTwin() {
    const values = this.values();
    const words = [this.data.form.command];
    for (const [name, { field }] of this.fields) {
      for (const value of [values[name]].flat()) if (value !== "") words.push(`${field.option} ${quoted(String(value))}`);
    }
    setText(this.twin, this.data.form.shell.replace("{}", () => words.join(" ")));
  }

  async start() {
    this.button.disabled = true;
    setText(this.status, this.data.texts.asking);
    const trouble = await this.send(this.data.form.path, this.values());
    setAttribute(this.status, "data-failed", trouble ? "" : null);
    setText(this.status, trouble ?? this.data.form.done);
    this.button.disabled = !this.data.may_act;
    this.ask();
  }
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

export function run(context) {
  return component(context, {
    mount: ({ parentElement, data, setTriggerValue }) => new Jobs(parentElement.querySelector(".bf"), data, setTriggerValue),
    update: (jobs, { data, setTriggerValue }) => jobs.update(data, setTriggerValue),
  });
}
