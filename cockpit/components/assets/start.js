// Starts Streamlit once the light is on, or after a moment without it: a cold tab shows the light first, and a light
// that fails must not keep the page away.
(() => {
  const LATEST_MS = 1200;
  let started = false;
  const start = () => {
    if (started) return;
    started = true;
    // Where its server is: without this it looks below the page's own path first, which answers 404 twice.
    window.__streamlit = { BACKEND_BASE_URL: `${location.origin}/` };
    document.head.append(document.importNode(document.getElementById("streamlit").content, true));
  };
  addEventListener("bifrost:light", start, { once: true });
  setTimeout(start, LATEST_MS);
})();
