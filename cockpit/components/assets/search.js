// The keys that a sweep searches: a row for each, with what it may be and what the server says of it.
import { faultBeside, mark } from "./fault.js";
import { make, setText } from "./live.js";

const PARTS = { step: ["low", "high", "step"], factor: ["low", "high", "step"], values: ["values"] };

export class Search {
  constructor(field, changed) {
    this.field = field;
    this.changed = changed;
    this.rows = [];
    this.kinds = new Map(field.sections.flatMap(([, keys]) => keys.map(([key, , kind, choices]) => [key, { kind, choices }])));
    this.box = make("fieldset", "search");
    this.box.append(make("legend", "label", field.label));
    this.list = make("div", "search-rows");
    this.add = make("button", "button add", field.texts.add);
    this.add.type = "button";
    this.add.onclick = () => {
      const row = this.addRow({ key: this.unused() });
      changed();
      row.inputs.key.focus();
    };
    this.box.append(this.list, this.add);
    this.fault = faultBeside(this.box, this.add);
    for (const value of field.value) this.addRow(value);
  }

  unused() {
    const used = new Set(this.rows.map((row) => row.inputs.key.value));
    return [...this.kinds.keys()].find((key) => !used.has(key));
  }

  addRow(value) {
    const { texts } = this.field;
    const row = { box: make("div", "search-row"), inputs: {}, cells: {}, faults: {}, note: make("p", "hint muted note") };
    this.cell(row, "key", texts.key, this.keys());
    const how = make("select");
    how.append(...choices(Object.keys(PARTS).map((name) => [name, texts[name]])));
    this.cell(row, "how", texts.how, how);
    const typedParts = { low: texts.low, high: texts.high, step: texts.by_step, values: texts.listed };
    for (const [part, words] of Object.entries(typedParts)) this.cell(row, part, words, typed());
    row.remove = make("button", "button remove", texts.remove);
    row.remove.type = "button";
    row.remove.onclick = () => this.removeRow(row);
    row.box.append(row.remove, row.note);
    for (const [name, text] of Object.entries(value)) row.inputs[name].value = text;
    row.inputs.key.onchange = () => this.another(row);
    this.rows.push(row);
    this.list.append(row.box);
    this.fit(row);
    this.count();
    return row;
  }

  cell(row, name, words, input) {
    const label = make("label", `field cell-${name}`);
    row.cells[name] = label;
    row.inputs[name] = input;
    input.name = `search-${name}`;
    input.oninput = () => {
      this.fit(row);
      this.changed();
    };
    label.append(make("span", "label", words), input);
    row.faults[name] = faultBeside(label, input);
    row.box.append(label);
  }

  keys() {
    const select = make("select");
    for (const [section, keys] of this.field.sections) {
      const group = make("optgroup");
      group.label = section;
      group.append(...choices(keys));
      select.append(group);
    }
    return select;
  }

  // Bounds of another key mean nothing for this one; words that it may be stand there at once.
  another(row) {
    const { kind, choices } = this.kinds.get(row.inputs.key.value);
    for (const part of ["low", "high", "step"]) row.inputs[part].value = "";
    row.inputs.values.value = kind === "choice" ? choices : "";
    row.inputs.how.value = kind === "choice" ? "values" : "step";
    this.mark("", new Map());
    this.fit(row);
    this.changed();
  }

  // Show what counts: words have no bounds, and a factor is no step.
  fit(row) {
    const { texts } = this.field;
    const isChoice = this.kinds.get(row.inputs.key.value)?.kind === "choice";
    if (isChoice) row.inputs.how.value = "values";
    row.inputs.how.disabled = isChoice;
    for (const part of ["low", "high", "step", "values"]) row.cells[part].hidden = !PARTS[row.inputs.how.value].includes(part);
    setText(row.cells.step.firstChild, row.inputs.how.value === "factor" ? texts.by_factor : texts.by_step);
  }

  removeRow(row) {
    row.box.remove();
    this.rows.splice(this.rows.indexOf(row), 1);
    this.count();
    this.changed();
    this.add.focus();
  }

  count() {
    this.add.hidden = this.rows.length >= this.field.most;
    for (const row of this.rows) row.remove.hidden = this.rows.length === 1;
  }

  values() {
    return this.rows.map(({ inputs }) => {
      const how = inputs.how.value;
      const parts = PARTS[how].map((part) => [part, inputs[part].value.trim()]);
      return { key: inputs.key.value, how, ...Object.fromEntries(parts) };
    });
  }

  words() {
    return this.values().map(({ key, how, low, high, step, values }) => {
      if (how === "values") return `${key}=${values}`;
      return `${key}=${[low, high, ...(step ? [step] : [])].join(":")}${how === "factor" ? ":log" : ""}`;
    });
  }

  note(notes) {
    this.rows.forEach((row, place) => setText(row.note, notes[place] ?? ""));
  }

  mark(name, told) {
    mark(this.add, this.fault, told.get(name));
    this.rows.forEach((row, place) => {
      for (const [part, input] of Object.entries(row.inputs)) mark(input, row.faults[part], told.get(`${name}.${place}.${part}`));
    });
  }

  input(name) {
    const [, place, part] = name.split(".");
    return place === undefined ? this.add : this.rows[Number(place)]?.inputs[part];
  }
}

function typed() {
  const input = make("input");
  input.spellcheck = false;
  input.autocomplete = "off";
  return input;
}

function choices(pairs) {
  return pairs.map(([value, words]) => {
    const option = make("option", "", words);
    option.value = value;
    return option;
  });
}
