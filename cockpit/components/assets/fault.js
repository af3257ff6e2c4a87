// What is wrong with a field, in a line beside it that a screen reader says with the field.
import { make, setAttribute, setText } from "./live.js";

let made = 0;

export function faultBeside(box, input) {
  const fault = make("span", "fault");
  fault.id = `fault-${(made += 1)}`;
  fault.hidden = true;
  box.append(fault);
  input.setAttribute("aria-describedby", fault.id);
  return fault;
}

export function mark(input, fault, text) {
  setText(fault, text ? `▲ ${text}` : "");
  fault.hidden = !text;
  if (input.tagName !== "BUTTON") setAttribute(input, "aria-invalid", text ? "true" : null);
}
