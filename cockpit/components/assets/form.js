// A form that starts something: one POST, no script of a page in between, and the command that does the same in a shell.
//
// A form with a `check` asks the server while somebody types what is wrong with it; that stands beside its field. Nothing is
// judged here: what a field may hold, the server knows.
import { faultBeside, mark } from "./fault.js";
import { make, query, setAttribute, setText } from "./live.js";
import { Search } from "./search.js";

const PAUSE_MS = 350; // of typing, before the server is asked
const PATIENCE_MS = 8000;

export class Form {
  constructor(box, data, { send, sent }) {
    this.data = data;
    this.send = send;
    this.sent = sent;
    this.fields = new Map();
    this.build(box);
    this.changed();
  }

  update(data) {
    this.data = data;
  }

  stop() {
    clearTimeout(this.timer);
  }

  build(box) {
    const { form, texts } = this.data;
    this.details = make("details", "form");
    this.details.append(make("summary", "", form.title));
    if (!this.data.may_act) this.details.append(make("p", "muted", texts.viewer));
    const grid = make("form", "grid");
    for (const field of form.fields) grid.append(this.buildField(field));
    this.work = make("p", "work");
    this.work.setAttribute("role", "status");
    this.twin = make("code", "twin");
    const twin = make("p", "muted twin-line", texts.twin);
    twin.append(this.twin);
    this.button = make("button", "button start", form.button);
    this.button.type = "submit";
    this.button.disabled = !this.data.may_act;
    this.status = make("p", "status");
    this.status.setAttribute("role", "status");
    grid.noValidate = true;
    grid.onsubmit = (event) => {
      event.preventDefault();
      this.start();
    };
    grid.append(this.work, twin, this.button, this.status);
    this.details.append(grid);
    this.details.ontoggle = () => this.check();
    box.append(this.details);
  }

  buildField(field) {
    if (field.kind === "search") {
      const search = new Search(field, () => this.changed());
      this.fields.set(field.name, { field, search });
      return search.box;
    }
    const label = make("label", `field span-${field.span}`);
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
    if (field.numeric) input.inputMode = "numeric";
    if (field.value !== undefined) input.value = field.value;
    input.oninput = () => this.changed();
    label.append(input);
    const fault = faultBeside(label, input);
    if (field.hint) label.append(make("span", "hint muted", field.hint));
    for (const [value, words] of field.templates ?? []) {
      const fill = make("button", "template", words);
      fill.type = "button";
      fill.onclick = () => {
        input.value = value;
        this.changed();
        input.focus();
      };
      label.append(fill);
    }
    this.fields.set(field.name, { field, input, fault });
    return label;
  }

  // What counts: a field that another one switches off says nothing.
  counts(field) {
    const { only } = field;
    return !only || only.values.includes(this.fields.get(only.field).input.value);
  }

  values() {
    const found = { ...this.data.form.fixed };
    for (const [name, { field, input, search }] of this.fields) {
      if (search) found[name] = search.values();
      else if (field.kind === "lines") found[name] = input.value.split("\n").map((line) => line.trim()).filter(Boolean);
      else if (!this.counts(field)) found[name] = "";
      else found[name] = field.number ? Number(input.value) : input.value.trim();
    }
    return found;
  }

  changed() {
    for (const { field, input } of this.fields.values()) {
      if (!field.only) continue;
      input.disabled = !this.counts(field);
      input.placeholder = input.disabled ? field.only.instead : field.example;
      if (input.disabled) input.value = "";
    }
    if (this.status.hasAttribute("data-failed")) this.tell("");
    if (!this.data.form.check) this.mark([]);
    setText(this.twin, this.data.form.shell.replace("{}", () => this.words().join(" ")));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), PAUSE_MS);
  }

  words() {
    const values = this.values();
    const words = [this.data.form.command];
    for (const [name, { field, search }] of this.fields) {
      if (field.flags) words.push(...(field.flags[values[name]] ? [field.flags[values[name]]] : []));
      else for (const value of search ? search.words() : [values[name]].flat()) if (value !== "") words.push(`${field.option} ${quoted(String(value))}`);
    }
    return words;
  }

  // Ask what the server thinks of it; of several answers the one to the last question counts.
  async check() {
    const { form } = this.data;
    if (!form.check || !this.details.open) return;
    const asked = (this.asked = JSON.stringify(this.values()));
    try {
      const answer = await fetch(`${form.check}?${query(this.data)}&order=${encodeURIComponent(asked)}`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      const told = await answer.json();
      if (asked !== this.asked) return;
      setText(this.work, told.line ?? told.error ?? "");
      for (const { search } of this.fields.values()) search?.note(told.notes ?? []);
      this.mark((told.faults ?? []).filter((fault) => this.strict || !fault.missing));
    } catch {
      setText(this.work, ""); // the light says that the server is gone
    }
  }

  mark(faults) {
    const told = new Map([...faults].reverse().map((fault) => [fault.field, fault.text]));
    for (const [name, { input, fault, search }] of this.fields) {
      if (search) search.mark(name, told);
      else mark(input, fault, told.get(name));
    }
  }

  async start() {
    this.button.disabled = true;
    this.tell(this.data.texts.asking);
    const trouble = await this.send(this.data.form.path, this.values());
    this.strict = Boolean(trouble?.faults); // whoever wanted to start is told what is still empty
    const faults = trouble?.faults ?? (trouble?.field ? [{ field: trouble.field, text: trouble.error }] : []);
    this.mark(faults);
    const isBeside = faults.length > 0 && !trouble.faults; // it stands beside its field
    this.tell(trouble ? (isBeside ? "" : trouble.error) : this.data.form.done, Boolean(trouble));
    this.button.disabled = !this.data.may_act;
    if (faults.length) this.box(faults[0].field)?.focus();
    if (!trouble && this.data.form.closes) this.close();
    this.sent();
  }

  tell(text, isTrouble = false) {
    setText(this.status, text);
    setAttribute(this.status, "data-failed", isTrouble ? "" : null);
  }

  // Its progress stands above: a long form would hide it.
  close() {
    this.details.open = false;
    this.details.firstChild.focus();
  }

  // What somebody types a field's value into.
  box(name) {
    const found = this.fields.get(name.split(".")[0]);
    return found?.search ? found.search.input(name) : found?.input;
  }
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
