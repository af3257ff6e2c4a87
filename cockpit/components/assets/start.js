// Starts Streamlit once the light is on, or after a moment without it: a cold tab shows the light first, and a light
// that fails must not keep the page away.
(() => {
  const LATEST_MS = 1200;
  let started = false;
  const start = () => {
    if (started) return;
    started = true;
    document.head.append(document.importNode(document.getElementById("streamlit").content, true));
  };
  addEventListener("bifrost:light", start, { once: true });
  setTimeout(start, LATEST_MS);
})();
