// Plotly, loaded late and once, and its colours: a figure names them by role, the theme says what they are.

let library = null;

// Five megabytes of script keep the page busy for a while: they come after the light has been drawn.
export function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  if (!library) {
    library = calm().then(
      () =>
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = new URL("./plotly.min.js", import.meta.url).href;
          script.onload = () => resolve(window.Plotly);
          script.onerror = () => {
            library = null;
            reject(new Error("plotly.min.js"));
          };
          document.head.append(script);
        }),
    );
  }
  return library;
}

function calm() {
  return new Promise((resolve) => {
    const idle = window.requestIdleCallback ?? ((then) => setTimeout(then, 200));
    idle(resolve, { timeout: 1500 });
  });
}

// Blue and orange stay apart for every common kind of colour blindness; the parts' hues are Okabe and Ito's, muted.
const LIGHT = {
  grid: "#e4e7ea",
  axis: "#8a939c",
  line: "#37506b",
  fill: "rgba(90,100,110,0.24)",
  edge: "#59636d",
  mark: "#1b1f23",
  limit: "#b71c1c",
  gain: "#6f93b8",
  loss: "#c98a4b",
  heatgain: "#5b8fc4",
  heatzero: "#f3f4f6",
  heatloss: "#d9903d",
  part0: "#6f93b8",
  part1: "#c98a4b",
  part2: "#8f98a1",
  part3: "#6aa792",
  part4: "#c9ced4",
  part5: "#b58aa5",
  part6: "#d9c76c",
};
const DARK = {
  grid: "#2f363d",
  axis: "#7a848e",
  line: "#9fb8d1",
  fill: "rgba(170,180,190,0.28)",
  edge: "#aab4be",
  mark: "#e7eaed",
  limit: "#ff8a80",
  gain: "#5f86b0",
  loss: "#b57a3f",
  heatgain: "#3f78b5",
  heatzero: "#2a3036",
  heatloss: "#b0702a",
  part0: "#5f86b0",
  part1: "#b57a3f",
  part2: "#77818b",
  part3: "#4f8f79",
  part4: "#525b64",
  part5: "#94698a",
  part6: "#a3923f",
};

// What changes when the theme does.
export function themeOf(style) {
  return ["--st-background-color", "--st-text-color"].map((name) => style.getPropertyValue(name).trim()).join();
}

export function painted(figure, style) {
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const roles = {
    ...(luminance(read("--st-background-color", "#ffffff")) < 0.4 ? DARK : LIGHT),
    ink: read("--st-text-color", "#1b1f23"),
    paper: read("--st-secondary-background-color", "#ffffff"),
    font: read("--st-font", "sans-serif"),
  };
  return JSON.parse(JSON.stringify(figure), (_key, value) =>
    typeof value === "string" && value.startsWith("role:") ? (roles[value.slice(5)] ?? roles.line) : value,
  );
}

function luminance(colour) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = colour;
  const hex = probe.fillStyle.slice(1);
  const [r, g, b] = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
