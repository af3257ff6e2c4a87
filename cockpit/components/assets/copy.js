// A shell line with a button that copies it.
import { make } from "./live.js";

export function copyable(text, texts) {
  const whole = make("span", "copyable");
  const button = make("button", "copy", texts.copy);
  button.type = "button";
  button.setAttribute("aria-label", `${texts.copy}: ${text}`);
  button.onclick = async () => {
    if (!(await copy(text))) return;
    button.textContent = texts.copied;
    setTimeout(() => (button.textContent = texts.copy), 1500);
  };
  whole.append(make("code", "", text), button);
  return whole;
}

// The clipboard's own interface exists on https and on this machine only; elsewhere the old way has to do.
async function copy(text) {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
    const field = make("textarea");
    field.value = text;
    field.style.position = "fixed";
    field.style.opacity = "0";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  } catch {
    return false;
  }
}
